"""Paintings: what is painted is what is drawn, and a file holds it exactly."""

import numpy as np
import pytest
from PIL import Image

from segkit.edits import EditPlan, Painting, edits_text, paint, read_edits, read_painting
from segkit.edits.paintings import UNTOUCHED, save_painting, strokes_of_pixels
from segkit.regions import SCHEME_12

HAIR, SKIN, LIP, MOUTH = (SCHEME_12.index(name) for name in ("hair", "skin", "lip", "mouth"))


def test_a_painting_is_read_as_it_was_written(tmp_path):
    strokes = np.random.default_rng(0).choice([*range(12), UNTOUCHED], (20, 30)).astype(np.uint8)
    save_painting(tmp_path / "a.png", strokes)
    assert (read_painting(tmp_path / "a.png") == strokes).all()


def test_strokes_cover_the_mask_but_not_an_open_mouth():
    labels = np.full((4, 4), SKIN, np.uint8)
    labels[3] = MOUTH
    strokes = np.array([[HAIR, UNTOUCHED], [LIP, LIP]], np.uint8)  # enlarged twofold
    painted = paint(labels, strokes)
    assert painted.tolist() == [
        [HAIR, HAIR, SKIN, SKIN],
        [HAIR, HAIR, SKIN, SKIN],
        [LIP, LIP, LIP, LIP],
        [MOUTH] * 4,
    ]
    assert (labels[:3] == SKIN).all()  # the mask itself is as it was


def test_a_soft_brush_gives_the_region_of_the_nearest_colour():
    near = np.add([*SCHEME_12.colours[HAIR], 255], [3, -4, 2, 0])
    faint = np.array([*SCHEME_12.colours[LIP], 90])
    pixels = np.stack([near, faint])[None].astype(np.uint8)
    assert strokes_of_pixels(pixels).tolist() == [[HAIR, UNTOUCHED]]


def test_a_colour_of_no_region_is_told_with_its_place(tmp_path):
    pixels = np.zeros((3, 3, 4), np.uint8)
    pixels[1, 2] = (1, 2, 3, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="#010203 at row 1, column 2"):
        read_painting(tmp_path / "a.png")


def test_an_edit_file_beside_its_pictures_can_be_moved(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    save_painting(here / "p.png", np.full((2, 2), HAIR, np.uint8))
    plan = EditPlan(masks=(Painting(here / "p.png"),))
    (here / "edits.yaml").write_text(edits_text(plan, beside=here))
    there = here.rename(tmp_path / "there")
    (painting,) = read_edits(there / "edits.yaml", confined=True).masks
    assert painting == Painting(there / "p.png")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{}", "expected either 'function' or 'painting'"),
        ("{painting: p.png, function: 'a.py:f'}", "expected either 'function' or 'painting'"),
        ("{painting: none.png}", "does not exist"),
    ],
)
def test_a_mask_edit_is_one_thing(tmp_path, line, problem):
    (tmp_path / "p.png").write_bytes(b"")
    (tmp_path / "e.yaml").write_text(f"version: 1\nmasks:\n  - {line}\n")
    with pytest.raises(ValueError, match=problem):
        read_edits(tmp_path / "e.yaml")
