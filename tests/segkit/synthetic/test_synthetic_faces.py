"""Drawn faces: picture and labels agree, the template holds, motion moves what it should."""

from __future__ import annotations

import numpy as np
import pytest

from segkit.faces import alignment
from segkit.regions import SCHEME_12
from segkit.synthetic import (
    FaceRenderer,
    Motion,
    portrait,
    sample_identity,
    sample_motion,
    sample_scene,
)
from segkit.synthetic.motion import wander
from segkit.synthetic.render import _sampled
from segkit.synthetic.template import EYES_Y, MOUTH_Y

SIZE = 128
OPEN = np.array([0.9, 0.9, 0, 0, 0, 0, 0, 0.0])
SHUT = np.zeros(8)


def still(mouth, *, yaw=0.0, blink=0.0):
    """Two identical frames of an unmoving head, first shut, then with the given mouth."""
    zeros = np.zeros(2)
    return Motion(
        mouth=np.stack([SHUT, mouth]),
        yaw=np.array([0.0, yaw]),
        pitch=zeros,
        roll=zeros,
        shift=np.zeros((2, 2)),
        zoom=np.ones(2),
        blink=np.array([0.0, blink]),
        gaze=np.zeros((2, 2)),
        brows=zeros,
    )


def area(labels, region):
    return int((labels == SCHEME_12.index(region)).sum())


def centre(labels, *regions):
    rows, columns = np.nonzero(np.isin(labels, [SCHEME_12.index(region) for region in regions]))
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5]) / labels.shape[0]


def test_template_is_the_crop_template():
    assert (EYES_Y, MOUTH_Y) == (alignment.EYES_Y, alignment.MOUTH_Y)


@pytest.mark.parametrize("seed", [1, 4, 12])
def test_features_sit_at_the_template(seed):
    renderer = FaceRenderer(sample_identity(seed), sample_scene(seed), size=SIZE)
    for yaw in (-0.15, 0.15):
        _, labels, points = renderer.frame(still(SHUT, yaw=yaw), 1)
        assert np.abs(centre(labels, "eyes") - (0.5, EYES_Y)).max() < 0.02
        corners = points[[0, 6]].mean(0) / SIZE
        assert np.abs(corners - (0.5, MOUTH_Y)).max() < 0.02


def test_samples_of_a_plane_are_exact():
    y, x = np.mgrid[:40, :50].astype(np.float32)
    at = np.random.default_rng(0).uniform(0, 39, (200, 1, 2)).astype(np.float32)
    found = _sampled(0.5 * x - 2 * y + 3, at)
    np.testing.assert_allclose(found, 0.5 * at[:, 0, 0] - 2 * at[:, 0, 1] + 3, atol=1e-4)


@pytest.mark.parametrize("seed", [2, 9])
def test_an_unmoved_face_is_where_its_numbers_say(seed):
    identity = sample_identity(seed)
    _, _, points = FaceRenderer(identity, sample_scene(seed), size=SIZE).frame(still(SHUT), 0)
    corners = points[[0, 6]] / SIZE - (0.5, MOUTH_Y)
    np.testing.assert_allclose(
        corners, [(-identity.mouth_width, 0), (identity.mouth_width, 0)], atol=0.002
    )


def test_every_region_has_its_own_colour():
    contrast = {"lip": [], "hair": [], "mouth": []}
    for seed in range(6):
        renderer = FaceRenderer(sample_identity(seed), sample_scene(seed), size=SIZE)
        image, labels, _ = renderer.frame(still(OPEN), 1)
        assert set(np.unique(labels)) <= set(range(12))
        means = {
            name: image[labels == SCHEME_12.index(name)].mean(0)
            for name in ("skin", "lip", "mouth", "hair", "nose", "eyes")
            if area(labels, name)
        }
        redness = means["lip"][0] / means["lip"].sum() - means["skin"][0] / means["skin"].sum()
        contrast["lip"].append(redness)
        contrast["mouth"].append(np.abs(means["mouth"] - means["skin"]).max())
        if "hair" in means:
            contrast["hair"].append(np.abs(means["hair"] - means["skin"]).max())
        assert np.abs(means["nose"] - means["skin"]).max() < 60
    assert min(contrast["lip"]) > 0.01
    assert min(contrast["mouth"]) > 15
    assert np.median(contrast["hair"]) > 60


@pytest.mark.parametrize("seed", [0, 12, 30])
def test_opening_the_mouth_moves_lips_and_chin_but_no_more(seed):
    renderer = FaceRenderer(sample_identity(seed), sample_scene(seed), size=SIZE)
    motion = still(OPEN)
    shut_image, shut, shut_points = renderer.frame(motion, 0)
    open_image, opened, open_points = renderer.frame(motion, 1)
    assert area(shut, "mouth") == 0
    assert area(opened, "mouth") > 60
    gap = (
        (open_points[16 + 2] - open_points[12 + 2])[1],
        (shut_points[16 + 2] - shut_points[12 + 2])[1],
    )
    assert gap[0] > 5
    assert abs(gap[1]) < 0.5
    lowest = [
        np.nonzero((labels == SCHEME_12.index("skin"))[:, SIZE // 2])[0].max()
        for labels in (shut, opened)
    ]
    assert lowest[1] >= lowest[0] + 2
    np.testing.assert_array_equal(shut[: SIZE // 2], opened[: SIZE // 2])
    assert np.abs(shut_image[: SIZE // 2].astype(int) - open_image[: SIZE // 2]).max() <= 2


@pytest.mark.parametrize("seed", [0, 7])
def test_mouth_points_lie_on_the_lip_contours(seed):
    renderer = FaceRenderer(sample_identity(seed), sample_scene(seed), size=256)
    _, labels, points = renderer.frame(still(OPEN, yaw=0.1), 1)
    lips = np.isin(labels, (SCHEME_12.index("lip"), SCHEME_12.index("mouth")))
    rows, columns = np.nonzero(lips)
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    outer = points[:12]
    found = np.concatenate([outer.min(0), outer.max(0)])
    assert np.abs(found - box).max() < 3
    rows, columns = np.nonzero(labels == SCHEME_12.index("mouth"))
    inner = points[12:]
    assert abs(inner[:, 1].min() - rows.min()) < 3
    assert abs(inner[:, 1].max() - rows.max() - 1) < 3


def test_picture_edges_are_label_edges():
    """The edge of the lips in the label map is where the picture changes most across it."""
    renderer = FaceRenderer(sample_identity(4), sample_scene(4), size=256)
    image, labels, _ = renderer.frame(still(OPEN), 1)
    inside = labels == SCHEME_12.index("mouth")
    lips = labels == SCHEME_12.index("lip")
    column = 128
    first_lip, first_inside = (
        np.nonzero(lips[:, column])[0].min(),
        np.nonzero(inside[:, column])[0].min(),
    )
    step = np.abs(np.diff(image[:, column].astype(int), axis=0)).sum(1)
    assert abs(np.argmax(step[first_lip - 3 : first_lip + 2]) - 2) <= 1
    assert abs(np.argmax(step[first_inside - 3 : first_inside + 2]) - 2) <= 1


def test_a_blink_hides_the_eyes():
    renderer = FaceRenderer(sample_identity(4), sample_scene(4), size=SIZE)
    motion = still(SHUT, blink=1.0)
    seen, shut = (area(renderer.frame(motion, index)[1], "eyes") for index in (0, 1))
    assert seen > 80
    assert shut == 0


def test_a_turn_moves_the_nose_its_way():
    renderer = FaceRenderer(sample_identity(4), sample_scene(4), size=SIZE)
    left, right = (
        centre(renderer.frame(still(SHUT, yaw=yaw), 1)[1], "nose")[0] for yaw in (-0.2, 0.2)
    )
    assert right - left > 0.01


def test_portraits_are_functions_of_their_seed():
    first, again, other = portrait(3, size=96), portrait(3, size=96), portrait(4, size=96)
    assert first[0].tobytes() == again[0].tobytes()
    assert first[1].tobytes() == again[1].tobytes()
    assert np.abs(first[0].astype(int) - other[0]).mean() > 10
    assert first[0].shape == (96, 96, 3)
    assert first[0].dtype == first[1].dtype == np.uint8


def test_size_changes_sampling_not_the_face():
    small, large = portrait(5, size=64), portrait(5, size=128)
    assert (large[1][::2, ::2] == small[1]).mean() > 0.9


def test_people_differ():
    people = [sample_identity(seed) for seed in range(300)]
    assert len({person.hair_style for person in people}) == 9
    assert 0.15 < np.mean([person.glasses != "none" for person in people]) < 0.35
    assert {person.beard for person in people} == {"none", "stubble", "full", "goatee", "moustache"}
    assert not any(person.feminine and person.beard != "none" for person in people)
    skins = np.array([person.skin for person in people]).mean(1)
    assert skins.max() - skins.min() > 0.45


def test_head_motion_is_smooth_and_small():
    motion = sample_motion(np.zeros((500, 8)), np.random.default_rng(0))
    assert np.abs(motion.yaw).max() < 0.5
    assert np.abs(np.diff(motion.yaw)).max() < 0.05
    assert np.abs(motion.shift).max() < 0.02
    blinks = np.diff((motion.blink > 0.5).astype(int)).clip(0).sum()
    assert 2 <= blinks <= 12
    spectrum = np.abs(
        np.fft.rfft(wander(np.random.default_rng(1), 1000, highest_hz=1.0) * np.hanning(1000))
    )
    hertz = np.fft.rfftfreq(1000, 1 / 25)
    assert (spectrum[hertz > 2] ** 2).sum() < 1e-3 * (spectrum**2).sum()
