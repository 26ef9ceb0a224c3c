"""Temporal metrics against closed forms, another flow method and stored values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import nn

from segkit.registry import METRICS
from segkit_metrics.base import MissingWeightsError
from segkit_metrics.temporal import TLP, TOF, TemporalDifference, optical_flow, temporal_difference


def clip(prediction, target, name="a"):
    return {"sample_id": name, "pred_frames": prediction, "gt_frames": target}


def noise(seed, num_frames=5, size=36):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (num_frames, 3, size, size), dtype=np.uint8)


def moving(shifts, size=96):
    """A smooth texture that moves by whole pixels, ``T 3 H W`` uint8."""
    wide = gaussian_filter(np.random.default_rng(0).normal(size=(size + 40, size + 40)), 3)
    wide = np.clip(128 + wide / wide.std() * 50, 0, 255)
    views = [wide[20 - y : 20 - y + size, 20 - x : 20 - x + size] for x, y in shifts]
    return np.repeat(np.stack(views)[:, None], 3, 1).astype(np.uint8)


def test_a_stored_value_of_the_difference(oracle, oracle_inputs):
    pair = [oracle_inputs[f"frames_{side}"].transpose(0, 3, 1, 2) for side in ("pred", "gt")]
    metric = TemporalDifference()
    metric.process(None, [clip(*pair)])
    report = metric.evaluate(1)
    assert report["Temporal/difference"] == pytest.approx(oracle("temporal_diff_error"), abs=1e-12)
    assert report["Temporal/n"] == 3


@given(seed=st.integers(0, 50), shift=st.integers(0, 100))
def test_a_constant_error_does_not_flicker(seed, shift):
    target = noise(seed) // 2
    assert temporal_difference(target + np.uint8(shift), target) == pytest.approx(0, abs=1e-15)


@given(level=st.integers(1, 100))
def test_flicker_of_every_other_frame_is_its_height(level):
    target = noise(0) // 2
    prediction = target.copy()
    prediction[1::2] += np.uint8(level)
    assert temporal_difference(prediction, target) == pytest.approx([level / 255] * 4)


def test_the_flow_of_a_shifted_texture_is_the_shift():
    flow = optical_flow(moving([(0, 0), (3, 2), (3, 2)]))
    assert flow.shape == (2, 96, 96, 2)
    middle = flow[:, 20:-20, 20:-20]
    assert middle[0].reshape(-1, 2).mean(0) == pytest.approx([3, 2], abs=0.02)
    assert np.abs(middle[1]).max() < 1e-3


def test_flow_distance_is_the_difference_of_the_motions():
    prediction, target = moving([(0, 0), (3, 0), (6, 0)]), moving([(0, 0), (0, 4), (0, 8)])
    found = TOF().measure(clip(prediction, target))["tof"]
    assert found == pytest.approx([5, 5], abs=0.6)
    assert TOF().measure(clip(target, target))["tof"].tolist() == [0, 0]


def test_another_method_sees_the_same_motion():
    from skimage.registration import optical_flow_ilk

    frames = moving([(0, 0), (2, 1)])
    rows, columns = optical_flow_ilk(frames[0, 0] / 255, frames[1, 0] / 255, radius=10)
    ours = optical_flow(frames)[0][20:-20, 20:-20]
    assert ours[..., 0].mean() == pytest.approx(columns[20:-20, 20:-20].mean(), abs=0.05)
    assert ours[..., 1].mean() == pytest.approx(rows[20:-20, 20:-20].mean(), abs=0.05)


def test_shares_give_the_flow_of_bytes():
    frames = moving([(0, 0), (1, 0)])
    assert np.array_equal(optical_flow(frames / 255), optical_flow(frames))


class MeanDistance(nn.Module):
    def distance(self, prediction, target):
        return (prediction - target).abs().mean((1, 2, 3))


def test_tlp_compares_the_changes_of_both_sides():
    prediction, target = noise(1), noise(2)
    found = TLP(trunk=MeanDistance(), device="cpu").measure(clip(prediction, target))["tlp"]

    def changes(frames):
        return np.abs(np.diff(frames / 127.5, axis=0)).mean((1, 2, 3))

    assert found == pytest.approx(100 * np.abs(changes(target) - changes(prediction)), rel=1e-3)
    with pytest.raises(MissingWeightsError, match=r"expected alexnet\.ckpt"):
        TLP()


@pytest.mark.parametrize("metric", [TemporalDifference, TOF, TLP])
def test_chunks_of_any_length_give_one_number(metric):
    arguments = {"trunk": MeanDistance(), "device": "cpu"} if metric is TLP else {}
    reports = []
    for length in (1, 2, 64):
        whole = metric(**arguments)
        whole.chunk_frames = length
        # The last frame of a clip must not wait for the next clip.
        for name, num_frames in (("a", 5), ("b", 2), ("c", 1)):
            pair = noise(3, num_frames), noise(4, num_frames)
            whole.process(None, [clip(*pair, name)])
        reports.append(whole.evaluate(3))
    assert reports[0] == pytest.approx(reports[2], rel=1e-5)
    assert reports[1] == pytest.approx(reports[2], rel=1e-5)
    assert reports[0][f"{metric.default_prefix}/n"] == 5


def test_one_frame_has_no_change_to_measure():
    metric = TemporalDifference()
    metric.process(None, [clip(noise(0, 1), noise(1, 1))])
    with pytest.warns(UserWarning, match="Temporal/difference: nothing could be measured"):
        assert np.isnan(metric.evaluate(1)["Temporal/difference"])


def test_they_are_found_by_name_and_say_what_they_measure():
    assert METRICS.build({"type": "TemporalDifference"}).definition() == (
        "|(p_t - p_t-1) - (g_t - g_t-1)| of RGB in [0, 1], mean over pixels, then frames"
    )
    assert "Farneback flows (0.5, 3, 15, 3, 5, 1.2)" in METRICS.build({"type": "TOF"}).definition()
    score = METRICS.build({"type": "TLP", "trunk": MeanDistance(), "reduce": "video"})
    assert score.definition().endswith("version 0.1, alex, mean over videos")
