"""The gap between the lips: hand-worked cases, and laws of its correlation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit_metrics.mouth_motion import MouthMotion, lip_gap


def faces(gaps, *, eyes=50.0):
    """Landmarks whose lips are that many pixels apart; NaN: no face."""
    points = np.zeros((len(gaps), 68, 2))
    points[:, 45, 0] = eyes
    points[:, (65, 66, 67), 1] = np.asarray(gaps, float)[:, None]
    points[np.isnan(gaps)] = np.nan
    return points


def measured(pred, true, **scales):
    clip = {
        "sample_id": "a",
        "pred_landmarks": faces(pred, **scales),
        "gt_landmarks": faces(true),
    }
    return MouthMotion().measure(clip)


def test_gaps_are_in_eye_distances():
    assert lip_gap(faces([5, 10, np.nan], eyes=100)) == pytest.approx(
        [0.05, 0.1, np.nan], nan_ok=True
    )
    assert np.isnan(lip_gap(np.zeros((1, 68, 2)))).all()


def test_a_still_mouth_has_no_correlation_and_missed_frames_are_left_out():
    assert measured([3, 3, 3, 3], [1, 2, 3, 4])["opening"] == 0
    assert np.isnan(measured([1, 2, 3, 4], [3, 3, 3, 3])["opening"])
    found = measured([1, np.nan, 3, 5, 4], [1, 9, np.nan, 5, 3])
    assert found["opening"] == pytest.approx(np.corrcoef([1, 5, 4], [1, 5, 3])[0, 1])
    assert found["gap_error"] == pytest.approx(1 / 3 / 50)
    nothing = measured([np.nan] * 3, [1, 2, 3])
    assert np.isnan([nothing["opening"], nothing["gap_error"]]).all()


@given(st.lists(st.integers(0, 40), min_size=3, max_size=30), st.floats(0.1, 3), st.floats(0, 5))
def test_wider_mouths_in_step_are_in_step(gaps, scale, more):
    if len(set(gaps)) < 2:
        return
    wide = [scale * gap + more for gap in gaps]
    assert measured(wide, gaps)["opening"] == pytest.approx(1, abs=1e-6)
    assert measured([100 - gap for gap in gaps], gaps)["opening"] == pytest.approx(-1, abs=1e-6)
