"""How near a generated image is to the true one: PSNR, SSIM and LPIPS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from segkit.registry import METRICS


def psnr(prediction: np.ndarray, target: np.ndarray) -> float:
    """Return the peak signal to noise ratio of one frame in dB; infinite for equal frames.

    Args:
        prediction: ``H W 3`` uint8.
        target: the same shape.

    Example:
        >>> frame = np.zeros((16, 16, 3), np.uint8)
        >>> round(psnr(frame + np.uint8(255), frame), 6)
        0.0
    """
    _check_frames(prediction, target)
    # uint8 would wrap around at the subtraction.
    error = np.mean((prediction.astype(np.float64) - target.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(prediction: np.ndarray, target: np.ndarray) -> float:
    """Return the structural similarity of one frame, at most 1.

    Args:
        prediction: ``H W 3`` uint8, at least 11 px.
        target: the same shape.

    Source:
        Wang et al. 2004: 11 x 11 Gaussian window of sigma 1.5, population covariance, mean over
        RGB.
    """
    from skimage.metrics import structural_similarity  # slow to import

    _check_frames(prediction, target)
    similarity = structural_similarity(
        target,
        prediction,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(similarity)


class LPIPSDistance:
    """Learned perceptual distance (AlexNet, version 0.1) of uint8 frames.

    Args:
        trunk: file with the pretrained trunk: made by ``segkit convert lpips``, or as published.
        sha256: expected digest of the file, checked when given.

    Raises:
        FileNotFoundError: no file there; the message says where to get it.
    """

    def __init__(self, trunk: str | Path, *, sha256: str | None = None) -> None:
        from segkit.registry import LOSSES

        # One definition for training and measuring; the registry finds it without an import between
        # packages.
        self.loss = LOSSES.build(
            {"type": "LPIPS", "trunk": trunk, "sha256": sha256, "num_scales": 1}
        )

    @torch.no_grad()
    def __call__(self, prediction: np.ndarray, target: np.ndarray) -> float:
        """Return the distance of two frames ``H W 3`` uint8."""
        _check_frames(prediction, target)
        pair = [torch.from_numpy(np.array(x)).permute(2, 0, 1)[None] for x in (prediction, target)]
        return float(self.loss(*(x.float() / 127.5 - 1 for x in pair)))


@METRICS.register
class ImageQuality(BaseMetric):
    """Collect generated and true images and report mean PSNR, SSIM and, given a trunk, LPIPS.

    Args:
        lpips_trunk: file with AlexNet's trunk; no LPIPS when not given.
        collect_device: mmengine's.
    """

    name = "image quality"
    unit = "dB, share, distance"
    higher_is_better = True
    default_prefix = "image"

    def __init__(
        self, *, lpips_trunk: str | Path | None = None, collect_device: str = "cpu"
    ) -> None:
        super().__init__(collect_device=collect_device)
        self.lpips = LPIPSDistance(lpips_trunk) if lpips_trunk is not None else None

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Measure the ``prediction`` and ``target`` (``3 H W`` uint8) of each sample."""
        for sample in data_samples:
            pair = [
                np.ascontiguousarray(sample[key].cpu().numpy().transpose(1, 2, 0))
                for key in ("prediction", "target")
            ]
            values = {"psnr": psnr(*pair), "ssim": ssim(*pair)}
            if self.lpips is not None:
                values["lpips"] = self.lpips(*pair)
            self.results.append(values)

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        """Return means over images; equal ones (infinite PSNR) are left out of PSNR and counted."""
        report = {}
        for key in results[0] if results else ():
            values = np.array([sample[key] for sample in results])
            finite = values[np.isfinite(values)]
            report[key] = float(finite.mean()) if len(finite) else float("inf")
        report["num_equal"] = float(sum(np.isinf(sample["psnr"]) for sample in results))
        return report


def _check_frames(prediction: np.ndarray, target: np.ndarray) -> None:
    for name, frame in (("prediction", prediction), ("target", target)):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape != target.shape:
            raise ValueError(
                f"{name}: expected uint8 (H, W, 3) like the other, got {frame.dtype} {frame.shape} "
                f"and {target.dtype} {target.shape}"
            )
