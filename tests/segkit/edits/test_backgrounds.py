"""Backgrounds: no rim of the old one, blur without the person in it, films at their own pace."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.edits import (
    Background,
    blurred_background,
    composite,
    foreground_colours,
    parse_background,
    refined_matte,
)
from segkit.media import MediaError
from segkit.talk.backdrop import Film, open_backdrop
from segkit.video import VideoWriter

SIZE = 160
WALL, HAIR, NEW = (230, 40, 40), (60, 45, 40), (30, 160, 60)
seeds = st.integers(0, 2**31)


def true_opacity():
    """A disc with an edge of one pixel."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = np.hypot(rows - SIZE / 2, columns - SIZE / 2)
    return np.clip(SIZE / 4 - distance + 0.5, 0, 1).astype(np.float32)


def doubtful_matte(opacity, *, sigma=4.0):
    """What a network says of it: too soft, and a little too wide."""
    import cv2

    soft = cv2.GaussianBlur(opacity, (0, 0), sigma)
    return np.clip((soft - 0.15) / 0.7, 0, 1)


def mixed(opacity, front, behind):
    over = np.asarray(behind) + opacity[..., None] * (np.asarray(front) - np.asarray(behind))
    return np.rint(over).astype(np.uint8)


def ring(opacity, width):
    import cv2

    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    inside = (opacity > 0.5).astype(np.uint8)
    return (cv2.dilate(inside, brush) - cv2.erode(inside, brush)).astype(bool)


def distance(picture, truth, where):
    """Mean distance in RGB."""
    return np.linalg.norm(picture.astype(float) - truth, axis=-1)[where].mean()


def hair(seed=0):
    """Strands: dark, with a grain that no flat colour has."""
    grain = np.random.default_rng(seed).normal(0, 8, (SIZE, SIZE, 1))
    return np.clip(np.asarray(HAIR) + grain, 0, 255)


def test_a_new_background_shows_no_rim_of_the_old_one():
    opacity = true_opacity()
    image = mixed(opacity, hair(), WALL)
    truth = mixed(opacity, hair(), NEW)
    rough = doubtful_matte(opacity)
    behind = np.full((1, 1, 3), NEW, np.uint8)
    refined = refined_matte(image, rough)
    made = composite(foreground_colours(image, refined), behind, refined)
    naive = composite(image, behind, rough)
    border = ring(opacity, 4)
    # The wall's red in the ring: 37 levels before, fewer than an eye finds after.
    assert distance(naive, truth, border) > 30
    assert distance(made, truth, border) < 5
    assert np.abs(refined - opacity)[border].mean() < 0.03
    far = ~ring(opacity, 14)
    assert np.array_equal(made[far], truth[far])


def test_where_colours_tell_nothing_the_matte_stays():
    opacity = true_opacity()
    rough = doubtful_matte(opacity)
    flat = mixed(opacity, np.array(HAIR), np.array(HAIR) + 10)
    doubtful = (rough > 0.02) & (rough < 0.98)
    assert np.array_equal(refined_matte(flat, rough)[doubtful], rough[doubtful])


def test_a_bright_strand_makes_no_hole_in_the_person():
    opacity = true_opacity()
    front = hair()
    front[60:100:6, 60:100] = WALL
    rough = doubtful_matte(opacity)
    refined = refined_matte(mixed(opacity, front, WALL), rough)
    inside = (rough >= 0.8) & (opacity == 1)
    assert (refined >= rough)[inside].all()


@given(seeds)
def test_a_refined_matte_is_a_matte_and_a_hard_one_stays(seed):
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (24, 20, 3), dtype=np.uint8)
    matte = random.random((24, 20), np.float32)
    refined = refined_matte(image, matte)
    assert refined.dtype == np.float32
    assert refined.min() >= 0
    assert refined.max() <= 1
    hard = (matte > 0.5).astype(np.float32)
    assert np.array_equal(refined_matte(image, hard), hard)
    assert np.array_equal(foreground_colours(image, hard), image)


def test_the_person_does_not_flow_into_a_blur():
    opacity = true_opacity()
    image = mixed(opacity, hair(), WALL)
    behind = blurred_background(image, opacity, sigma=10)
    # Beside the person is wall; a plain blur has a dark cloud there.
    away = (opacity == 0) & ring(opacity, 15)
    assert distance(behind, np.asarray(WALL), away) < 2
    import cv2

    assert distance(cv2.GaussianBlur(image, (0, 0), 10), np.asarray(WALL), away) > 25


def test_a_wider_blur_is_softer():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::8] = 255
    none = np.zeros((64, 64), np.float32)
    contrast = [blurred_background(stripes, none, sigma=sigma).std() for sigma in (1, 2, 4, 8)]
    assert contrast == sorted(contrast, reverse=True)
    assert contrast[-1] < 0.08 * stripes.std()
    with pytest.raises(ValueError, match="a sigma above 0 pixels, got 0"):
        blurred_background(stripes, none, sigma=0)


@pytest.fixture
def film(tmp_path):
    """Five frames at 10 fps: red, green, blue, white, black."""
    path = tmp_path / "five.mp4"
    with VideoWriter(path, width=64, height=48, fps=10, crf=4) as writer:
        for colour in COLOURS:
            writer.write(np.full((48, 64, 3), colour, np.uint8))
    return path


COLOURS = ((220, 30, 30), (30, 200, 30), (30, 30, 220), (250, 250, 250), (10, 10, 10))


def test_a_film_runs_at_its_own_pace_and_starts_again(film):
    backdrop = Film(film)
    frame, matte = np.zeros((30, 90, 3), np.uint8), np.zeros((30, 90), np.float32)
    # 25 fps before a film of 10 fps: a frame of it stays for two or three of ours.
    for number in range(40):
        time_s = number / 25
        shown = backdrop.at(time_s, frame, matte)
        assert shown.shape == (30, 90, 3)
        wanted = COLOURS[int(time_s * 10 + 1e-6) % 5]
        assert np.abs(shown.astype(int) - wanted).max() <= 12, time_s


def test_each_kind_of_background_opens(film, tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    matte = np.zeros((20, 30), np.float32)
    assert open_backdrop(None) is None
    shown = open_backdrop(parse_background("#204060")).at(0, frame, matte)
    assert (shown == (0x20, 0x40, 0x60)).all()
    blurred = open_backdrop(Background(blur=0.0)).at(0, frame, matte)
    assert np.array_equal(blurred, blurred_background(frame, matte))
    assert parse_background(str(film)).video == film
    (tmp_path / "no_film.mp4").write_bytes(b"text")
    with pytest.raises(MediaError, match=r"no_film\.mp4"):
        open_backdrop(Background(video=tmp_path / "no_film.mp4"))
    with pytest.raises(FileNotFoundError, match=r"picture or film .*gone\.png not found"):
        parse_background(str(tmp_path / "gone.png"))


def test_a_matte_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"expected the image's size \(4, 5\), got \(3, 3\)"):
        refined_matte(np.zeros((4, 5, 3), np.uint8), np.zeros((3, 3), np.float32))
