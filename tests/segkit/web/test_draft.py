"""Drafts and what the tabs make of clicks: the edit file, the timeline, colours, spans."""

import math

import numpy as np
import pytest

from segkit.edits import (
    AutomaticBlinks,
    Background,
    BlinkSchedule,
    Painting,
    Span,
    Swap,
    read_edits,
)
from segkit.edits.paintings import save_painting
from segkit.web.draft import new_draft, replaced
from segkit.web.look_tab import _span
from segkit.web.paint_tab import _fitted
from segkit.web.pictures import HEIGHT, WIDTH, draw_timeline, time_at
from segkit.web.time_tabs import _hex


@pytest.fixture
def draft(tmp_path):
    return new_draft(tmp_path, owner="me")


def test_the_edit_file_is_read_back_as_the_plan(draft, tmp_path):
    save_painting(tmp_path / "p.png", np.zeros((2, 2), np.uint8))
    lip = draft.add_reference(tmp_path / "p.png", "swatch-a", "png")
    again = draft.add_reference(tmp_path / "p.png", "swatch-a", "png")
    assert lip != again
    draft.swaps = [Swap("lip", lip, 0.5, Span(1, 2, 0.2))]
    draft.blinks = [(1.0, 0.5)]
    draft.background = Background(blur=0.0)
    draft.painting = Painting(again)
    draft.write_edits()
    assert read_edits(draft.edit_folder / "edits.yaml", confined=True) == draft.plan()
    # Blinks by themselves take the place of those by hand: a file holds one of them.
    draft.automatic = AutomaticBlinks(seed=4)
    draft.write_edits()
    assert read_edits(draft.edit_folder / "edits.yaml").automatic == AutomaticBlinks(seed=4)
    draft.painting = None
    draft.drop_unused()
    assert not again.exists()
    assert lip.exists()


def test_another_face_of_the_same_name_is_another_sitting(draft, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    draft.keep(tmp_path / "a", "face.png")
    before = draft.sitting(None, None)["key"]
    assert draft.sitting(None, None)["key"] == before
    draft.keep(tmp_path / "a", "face.png")
    assert draft.sitting(None, None)["key"] != before


def test_a_new_look_replaces_the_old_one_of_its_region_where_they_meet(tmp_path):
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    early, late = Swap("lip", a, span=Span(0, 2)), Swap("lip", a, span=Span(3, 4))
    hair = Swap("hair", a)
    new = Swap("lip", b, span=Span(1, 3))
    assert replaced([early, late, hair], new) == [late, hair, new]


def test_spans_are_checked_and_fades_fit(tmp_path):
    assert _span(0, None, 0.2) == Span()
    assert _span(None, 0.3, 0.2) == Span(0, 0.3, 0.2)
    assert _span(1, 1.2, 5) == Span(1, 1.2, pytest.approx(0.1))
    assert _span(1, None, 0.2) == Span(1, math.inf, 0.2)
    with pytest.raises(ValueError, match="before it begins"):
        _span(2, 1, 0)


def test_a_click_on_the_timeline_is_the_time_that_is_drawn_there(tmp_path):
    from PIL import Image

    path = tmp_path / "t.png"
    blinks = BlinkSchedule(((1.0, 3.0),))
    draw_timeline(path, loudness=[0.0, 1.0], blinks=blinks, duration_s=4.0, now_s=0.0)
    picture = np.asarray(Image.open(path)).astype(int)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    red = np.argwhere(np.abs(picture - (214, 88, 110)).sum(-1) == 0)
    deepest = red[red[:, 0] == red[:, 0].max(), 1].mean()
    assert time_at(deepest, 4.0) == pytest.approx(3.0, abs=0.02)
    assert (time_at(-50, 4.0), time_at(5000, 4.0)) == (0.0, 4.0)


def test_colours_of_the_picker_are_read_in_both_forms():
    assert _hex("#204060") == "#204060"
    assert _hex("rgba(31.6, 64.2, 96, 1)") == "#204060"


def test_a_layer_of_another_size_keeps_pure_colours():
    layer = np.zeros((2, 2, 4), np.uint8)
    layer[0, 1] = (222, 62, 88, 255)
    fitted = _fitted(layer)
    assert set(map(tuple, fitted.reshape(-1, 4))) == {(0, 0, 0, 0), (222, 62, 88, 255)}
    assert (fitted[:256, 256:, 3] == 255).all()
    assert fitted[..., 3].sum() == 255 * 256 * 256
