"""Landmark distance against hand-worked cases, stored values and its laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.registry import METRICS
from segkit_metrics.landmarks import (
    PRESETS,
    LandmarkDistance,
    landmark_distance,
    point_distances,
)


def clip(prediction, target, **entries):
    return {"sample_id": "a", "pred_landmarks": prediction, "gt_landmarks": target, **entries}


def faces(seed=0, num_frames=6):
    target = np.random.default_rng(seed).uniform(100, 300, (num_frames, 68, 2))
    noise = np.random.default_rng(seed + 1000).normal(0, 2, target.shape)
    return target + noise, target


def test_a_shift_counts_uncentred_and_vanishes_centred():
    target = np.random.default_rng(0).normal(size=(3, 5, 2))
    shifted = target + np.array([3.0, 4.0])
    assert landmark_distance(shifted, target) == pytest.approx((5.0, 1.0))
    assert landmark_distance(shifted, target, align="center")[0] == pytest.approx(0.0, abs=1e-12)


@given(
    angle=st.floats(-3, 3), scale=st.floats(0.3, 3), x=st.floats(-90, 90), seed=st.integers(0, 50)
)
def test_turned_scaled_and_shifted_faces_have_one_shape(angle, scale, x, seed):
    _, target = faces(seed)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = target @ turn.T + np.array([x, -2 * x])
    assert point_distances(moved, target, align="similarity").max() < 1e-8


def test_a_mirrored_face_is_not_the_same_shape():
    _, target = faces()
    assert point_distances(target * [-1, 1], target, align="similarity").mean() > 10


def test_missed_faces_are_left_out_and_reported():
    target = np.zeros((4, 2, 2))
    prediction = target + np.array([0.0, 2.0])
    prediction[1, 0, 0] = np.nan
    assert landmark_distance(prediction, target) == pytest.approx((2.0, 0.75))


def test_no_valid_frame_gives_nan_never_zero():
    distance, ratio = landmark_distance(np.full((2, 3, 2), np.nan), np.zeros((2, 3, 2)))
    assert math.isnan(distance)
    assert ratio == 0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"expected two arrays \(T, K, 2\)"):
        landmark_distance(np.zeros((2, 3, 2)), np.zeros((2, 4, 2)))


@given(scale=st.floats(0.1, 10), seed=st.integers(0, 99))
def test_a_unit_length_makes_it_scale_free(scale, seed):
    rng = np.random.default_rng(seed)
    prediction, target = rng.normal(size=(2, 6, 4, 2))
    eyes = np.linalg.norm(target[:, 0] - target[:, 1], axis=-1)
    plain = landmark_distance(prediction, target, unit_length=eyes)[0]
    scaled = landmark_distance(prediction * scale, target * scale, unit_length=eyes * scale)[0]
    assert scaled == pytest.approx(plain, rel=1e-9)


STORED = {
    ("f_lmd", "m_lmd"): dict(reference_size=0),
    ("f_lmd_center", "m_lmd_center"): dict(preset="nerf"),
    (None, "m_lmd_center_sum_over_points"): dict(preset="atvg"),
    ("f_lmd_iod", None): dict(normalise="iod"),
    ("f_lmd_similarity", "m_lmd_similarity"): dict(align="similarity", reference_size=0),
}


@pytest.mark.parametrize("names", STORED, ids=lambda names: names[0] or names[1])
def test_stored_values(names, oracle, oracle_inputs):
    metric = LandmarkDistance(**STORED[names])
    metric.process(None, [clip(oracle_inputs["lmk_pred"], oracle_inputs["lmk_gt"])])
    report = metric.evaluate(1)
    for key, name in zip(("F", "M"), names, strict=True):
        if name is not None:
            assert report[f"LMD/{key}"] == pytest.approx(oracle(name), abs=1e-10)
    assert report["LMD/valid_ratio"] == pytest.approx(5 / 6)
    assert report["LMD/n"] == 5


@given(seed=st.integers(0, 50), preset=st.sampled_from(["paper", "eat", "nerf"]))
def test_the_order_of_points_within_a_region_does_not_matter(seed, preset):
    prediction, target = faces(seed)
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(48), 48 + rng.permutation(20)])
    metric = LandmarkDistance(preset=preset)
    plain = metric.measure(clip(prediction, target, size=(300, 400)))
    shuffled = metric.measure(clip(prediction[:, order], target[:, order], size=(300, 400)))
    for key in ("F", "M"):
        assert shuffled[key] == pytest.approx(plain[key], rel=1e-9)


def test_the_papers_pixels_are_those_of_a_512_px_frame():
    prediction, target = faces()
    metric = LandmarkDistance()
    at_256 = metric.measure(clip(prediction, target, size=(256, 200)))
    at_512 = metric.measure(clip(prediction * 2, target * 2, size=(512, 400)))
    plain = landmark_distance(prediction, target)[0]
    assert at_256["F"].mean() == pytest.approx(2 * plain)
    assert at_512["F"] == pytest.approx(at_256["F"])
    with pytest.raises(ValueError, match=r"clip 'a': expected size \(H, W\) beside landmarks"):
        metric.measure(clip(prediction, target))
    share = LandmarkDistance(normalise="image").measure(clip(prediction, target, size=(256, 200)))
    assert share["F"].mean() == pytest.approx(plain / 256)


def test_frames_and_videos_weigh_as_the_preset_says():
    clips = []
    for name, num_frames, shift in (("a", 1, 4.0), ("b", 3, 8.0)):
        _, target = faces(num_frames=num_frames)
        prediction = target.copy()
        prediction[:, 0, 0] += shift  # one point of 68, so that centring hardly matters
        clips.append({**clip(prediction, target, size=(512, 512)), "sample_id": name})
    reports = {}
    for preset in ("paper", "eat", "nerf"):
        metric = LandmarkDistance(preset=preset)
        metric.process(None, clips)
        reports[preset] = metric.evaluate(2)
    assert reports["paper"]["LMD/F"] == pytest.approx((4 + 3 * 8) / 4 / 68)
    assert reports["eat"]["LMD/F"] / reports["nerf"]["LMD/F"] == pytest.approx(6 / 7)
    assert reports["paper"]["LMD/M"] == 0
    assert (reports["eat"]["LMD/n"], reports["nerf"]["LMD/n"]) == (2, 4)


def test_a_face_missed_in_part_is_missed_in_both_measures():
    prediction, target = faces()
    prediction[2, 0] = np.nan
    found = LandmarkDistance(preset="nerf").measure(clip(prediction, target))
    assert np.isnan(found["M"]).tolist() == np.isnan(found["F"]).tolist()
    assert found["valid_ratio"].tolist() == [1, 1, 0, 1, 1, 1]


def test_a_set_without_faces_is_not_perfect_but_not_a_number():
    metric = LandmarkDistance(preset="nerf")
    metric.process(None, [clip(np.full((3, 68, 2), np.nan), faces(num_frames=3)[1])])
    with pytest.warns(UserWarning, match=r"LMD/[FM]: nothing could be measured in 1 clips"):
        report = metric.evaluate(1)
    assert math.isnan(report["LMD/F"])
    assert math.isnan(report["LMD/M"])
    assert (report["LMD/valid_ratio"], report["LMD/n"]) == (0, 0)


def test_eyes_in_one_point_give_no_length_to_divide_by():
    prediction, target = faces(num_frames=2)
    target[0, 45] = target[0, 36]
    found = LandmarkDistance(normalise="iod").measure(clip(prediction, target))
    assert np.isnan(found["F"]).tolist() == [True, False]


@pytest.mark.parametrize("preset", PRESETS)
def test_chunks_of_any_length_give_one_number(preset):
    prediction, target = faces(num_frames=7)
    prediction[4] = np.nan
    reports = []
    for length in (1, 3, 64):
        metric = LandmarkDistance(preset=preset)
        metric.chunk_frames = length
        metric.process(None, [clip(prediction, target, size=(400, 400))])
        reports.append(metric.evaluate(1))
    assert reports[0] == pytest.approx(reports[2], rel=1e-12)
    assert reports[1] == pytest.approx(reports[2], rel=1e-12)


def test_what_it_measures_is_said_and_wrong_choices_are_refused():
    assert METRICS.build({"type": "LandmarkDistance"}).definition() == (
        "preset paper; F: 68 points, M: points 48-67, mean over points, not aligned, px, at 512 "
        "px, mean over frames where both faces are found"
    )
    mouth = LandmarkDistance(preset="atvg", normalise="iod")
    assert mouth.definition() == (
        "preset atvg; M: points 48-67, sum over points, each set centred, eye distances, mean over "
        "frames where both faces are found"
    )
    for arguments, message in (
        (dict(preset="sadtalker"), "preset: expected one of paper, eat, atvg, nerf"),
        (dict(align="affine"), "align: expected one of none, center, similarity, got 'affine'"),
        (dict(normalise="eyes"), "normalise: expected one of none, iod, image"),
        (dict(points="max"), "points: expected one of mean, sum"),
        (dict(normalise="iod", reference_size=256), "no meaning with normalise='iod'"),
    ):
        with pytest.raises(ValueError, match=message):
            LandmarkDistance(**arguments)
