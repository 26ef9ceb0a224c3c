"""A strip shows exactly what was compared."""

import numpy as np
import pytest
from PIL import Image

from segkit.evaluation.pictures import (
    CAPTION_HEIGHT,
    GAP,
    difference,
    frame_strip,
    write_png,
)
from segkit.regions import SCHEME_12


def test_differences_by_hand():
    real = np.array([[[10, 20, 30], [0, 0, 0], [5, 5, 5], [5, 5, 5]]], np.uint8)
    pred = np.array([[[13, 20, 24], [255, 255, 255], [5, 6, 5], [4, 5, 6]]], np.uint8)
    # Means 3, 255, 1/3 and 2/3, times 4; nothing wraps around.
    assert difference(real, pred).tolist() == [[12, 255, 1, 3]]
    assert difference(pred, real).tolist() == [[12, 255, 1, 3]]


def tiles_of(strip, width, count):
    """Cut a strip into its tiles."""
    assert strip.shape[1] == count * width + (count - 1) * GAP
    starts = [number * (width + GAP) for number in range(count)]
    return [strip[CAPTION_HEIGHT:, start : start + width] for start in starts]


def test_tiles_of_the_right_height_are_the_pictures_themselves():
    rng = np.random.default_rng(0)
    real, pred = rng.integers(0, 256, (2, 256, 200, 3), np.uint8)
    labels = np.zeros((256, 200), np.uint8)
    labels[:100], labels[100:150] = SCHEME_12.index("skin"), 255
    strip = frame_strip(real, pred, real_labels=labels, pred_labels=labels)
    assert strip.shape[0] == 256 + CAPTION_HEIGHT
    tiles = tiles_of(strip, 200, 5)
    np.testing.assert_array_equal(tiles[0], real)
    np.testing.assert_array_equal(tiles[1], pred)
    levels = np.abs(real.astype(float) - pred).mean(-1)
    for channel in range(3):
        np.testing.assert_allclose(tiles[2][..., channel], np.minimum(4 * levels, 255), atol=0.5)
    skin = np.array(SCHEME_12.colours[SCHEME_12.index("skin")])
    for tile, picture in ((tiles[3], real), (tiles[4], pred)):
        np.testing.assert_allclose(tile[:100], (picture[:100] + skin) / 2, atol=0.5)
        # What is unknown, and the background, is left as it is.
        np.testing.assert_array_equal(tile[100:], picture[100:])


def test_captions_differ_and_stay_above_their_tiles():
    picture = np.zeros((256, 120, 3), np.uint8)
    strip = frame_strip(picture, picture)
    captions = [strip[:CAPTION_HEIGHT, start : start + 120] for start in (0, 123, 246)]
    for caption in captions:
        assert len(np.unique(caption.reshape(-1, 3), axis=0)) > 2
    assert (captions[0] != captions[1]).any()
    assert not strip[CAPTION_HEIGHT:, :120].any()


def test_small_pictures_are_enlarged_without_new_colours():
    rng = np.random.default_rng(0)
    real, pred = rng.integers(0, 256, (2, 100, 80, 3), np.uint8)
    tiles = tiles_of(frame_strip(real, pred), 160, 3)
    for down in range(2):
        for across in range(2):
            np.testing.assert_array_equal(tiles[0][down::2, across::2], real)
            np.testing.assert_array_equal(tiles[1][down::2, across::2], pred)


def test_large_pictures_are_averaged():
    rng = np.random.default_rng(0)
    real, pred = rng.integers(0, 256, (2, 512, 384, 3), np.uint8)
    tiles = tiles_of(frame_strip(real, pred), 192, 3)
    means = real.reshape(256, 2, 192, 2, 3).mean((1, 3))
    np.testing.assert_allclose(tiles[0], means, atol=1)


def test_what_is_no_pair_of_pictures_is_told():
    picture = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match=r"pred: expected a picture .* got \(32, 32\) uint8"):
        frame_strip(picture, picture[..., 0])
    with pytest.raises(ValueError, match=r"real: expected .* float64"):
        frame_strip(picture.astype(float), picture)
    with pytest.raises(ValueError, match=r"one size, got \(32, 32, 3\) and \(16, 32, 3\)"):
        frame_strip(picture, picture[:16])
    with pytest.raises(ValueError, match=r"real mask: expected labels \(32, 32\), got \(16, 16\)"):
        frame_strip(picture, picture, real_labels=np.zeros((16, 16), np.uint8))
    with pytest.raises(ValueError, match="predicted mask: expected labels below 12 or 255, got 12"):
        frame_strip(picture, picture, pred_labels=np.full((32, 32), 12, np.uint8))


def test_pictures_are_written_whole_or_not_at_all(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    path = tmp_path / "pictures" / "a.png"
    write_png(path, picture)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), picture)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="image: expected a picture"):
        write_png(path, picture[..., 0])
    assert path.read_bytes() == before
    (tmp_path / "pictures" / "b.png").mkdir()
    with pytest.raises(OSError, match=r"b\.png"):
        write_png(tmp_path / "pictures" / "b.png", picture)
    assert sorted(each.name for each in path.parent.iterdir()) == ["a.png", "b.png"]
