"""Landmark distance against hand-worked cases and its laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit_metrics.landmarks import landmark_distance


def test_a_shift_counts_uncentred_and_vanishes_centred() -> None:
    target = np.random.default_rng(0).normal(size=(3, 5, 2))
    shifted = target + np.array([3.0, 4.0])
    assert landmark_distance(shifted, target) == pytest.approx((5.0, 1.0))
    assert landmark_distance(shifted, target, centre=True)[0] == pytest.approx(0.0, abs=1e-12)


def test_missed_faces_are_left_out_and_reported() -> None:
    target = np.zeros((4, 2, 2))
    prediction = target + np.array([0.0, 2.0])
    prediction[1, 0, 0] = np.nan
    assert landmark_distance(prediction, target) == pytest.approx((2.0, 0.75))


def test_no_valid_frame_gives_nan_never_zero() -> None:
    distance, ratio = landmark_distance(np.full((2, 3, 2), np.nan), np.zeros((2, 3, 2)))
    assert math.isnan(distance)
    assert ratio == 0


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"expected two arrays \(T, K, 2\)"):
        landmark_distance(np.zeros((2, 3, 2)), np.zeros((2, 4, 2)))


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(0.1, 10), seed=st.integers(0, 99))
def test_a_unit_length_makes_it_scale_free(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    prediction, target = rng.normal(size=(2, 6, 4, 2))
    eyes = np.linalg.norm(target[:, 0] - target[:, 1], axis=-1)
    plain = landmark_distance(prediction, target, unit_length=eyes)[0]
    scaled = landmark_distance(prediction * scale, target * scale, unit_length=eyes * scale)[0]
    assert scaled == pytest.approx(plain, rel=1e-9)
