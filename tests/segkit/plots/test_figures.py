"""Figures: written whole or not at all, equal when made again, and what is drawn on them."""

import json
import sys

import numpy as np
import pytest

from segkit.plots.figures import new_figure, require_plot_libraries, save_figure
from segkit.plots.page import Page
from segkit.plots.style_codes import StyleCodes, separations
from segkit.plots.style_picture import style_figure
from segkit.plots.style_record import DEFINITIONS, plain, style_numbers, style_settings
from segkit.regions import SCHEME_12

pytest.importorskip("sklearn", reason="needs the extra `plot`")


def drawing():
    figure = new_figure(2, 1)
    figure.add_axes((0.1, 0.1, 0.8, 0.8)).plot([0, 1, 0.5])
    figure.text(0.5, 0.5, "hello")
    return figure


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_equal_figures_are_equal_files(tmp_path, ending):
    paths = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for path in paths:
        save_figure(drawing(), path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert len(first) > 500


def test_nothing_is_replaced_unasked(tmp_path):
    path, record = tmp_path / "a.png", tmp_path / "a.json"
    record.write_text("dear to me")
    with pytest.raises(FileExistsError, match="--force"):
        save_figure(drawing(), path, record={"x": 1})
    assert record.read_text() == "dear to me"
    assert not path.exists()
    save_figure(drawing(), path, record={"x": 1}, force=True)
    assert json.loads(record.read_text()) == {"x": 1}
    assert sorted(tmp_path.iterdir()) == [record, path]


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="nan"):
        save_figure(drawing(), tmp_path / "a.png", record={"x": float("nan")})
    assert not list(tmp_path.iterdir())


def test_other_endings_and_folders(tmp_path):
    with pytest.raises(ValueError, match=r"ending in .png, .svg, .pdf, got '.jpg'; such as a.png"):
        save_figure(drawing(), tmp_path / "a.jpg")
    with pytest.raises(FileNotFoundError, match="absent"):
        save_figure(drawing(), tmp_path / "absent" / "a.png")


def test_a_missing_library_is_named(monkeypatch):
    require_plot_libraries()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"scikit-learn: pip install 'segkit\[plot\]'"):
        require_plot_libraries()


def test_a_page_is_measured_from_its_upper_left_corner():
    page = Page(4, 2)
    axes = page.axes(1, 0.5, 2, 1)
    assert np.allclose(axes.get_position().bounds, (0.25, 0.25, 0.5, 0.5))
    page.write(1, 0.5, "here")
    assert page.figure.texts[0].get_position() == (0.25, 0.75)


def codes_of_shown(regions, num_people):
    random = np.random.default_rng(0)
    places, people, frames = (axis.ravel() for axis in np.mgrid[: len(regions), :num_people, :3])
    vectors = random.normal(size=(len(places), 4))
    return StyleCodes(vectors, np.array(regions)[places], people, people + 0 * frames)


def test_both_panels_show_every_code_in_its_colour():
    shown = [SCHEME_12.index(name) for name in ("lip", "hair", "skin")]
    codes = codes_of_shown(shown, 12)
    points = np.random.default_rng(1).normal(size=(len(codes), 2))
    numbers = {row: plain(item) for row, item in separations(codes).items()}
    names = [f"p{k}" for k in range(11)] + ["a_very_long_name"]
    figure = style_figure(
        points, codes, scheme=SCHEME_12, people=names, title="codes", numbers=numbers
    )
    by_region, by_person = figure.axes
    assert [text.get_text() for text in by_region.get_legend().get_texts()] == [
        "lip",
        "hair",
        "skin",
    ]
    assert [text.get_text() for text in by_person.get_legend().get_texts()] == [
        *names[:-1],
        "a_very_long..",
    ]
    for label, dots in zip(shown, by_region.collections, strict=True):
        assert np.allclose(dots.get_offsets(), points[codes.regions == label])
        colour = np.array(SCHEME_12.colours[label]) / 255
        assert np.allclose(dots.get_facecolor()[0, :3], colour)
    looks = {
        (tuple(dots.get_facecolor()[0]), len(dots.get_paths()[0])) for dots in by_person.collections
    }
    assert len(looks) == 12
    said = [text.get_text() for text in by_region.texts]
    assert f"silhouette {numbers['region']['silhouette']:.2f}" in " ".join(said)


def test_the_record_is_plain_and_says_none_where_a_number_is_not_defined():
    codes = codes_of_shown([1, 4], 3)
    record = style_numbers(codes, codes, scheme=SCHEME_12)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    # Every person has one clip here.
    across = record["numbers"]["trained"]["person_across_clips"]
    assert across == {"silhouette": None, "purity": None, "chance": None}
    assert record["numbers"]["trained"] == record["numbers"]["untrained"]
    assert record["regions"]["lip"]["num_codes"] == 9
    assert record["regions"]["lip"]["num_people"] == 3
    assert record["definitions"] == DEFINITIONS
    settings = style_settings(codes, seed=4)
    assert settings["tsne"]["perplexity"] == pytest.approx(17 / 3)
    assert (settings["seed"], settings["num_codes"]) == (4, 18)
