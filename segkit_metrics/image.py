"""How near a generated image is to the true one: PSNR, SSIM and LPIPS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import nn

from segkit.registry import METRICS
from segkit_metrics.clip_samples import unit_range
from segkit_metrics.face_regions import Region
from segkit_metrics.frame_metric import FrameMetric
from segkit_metrics.lpips_distance import SMALLEST, LPIPSDistance

CAP = 100.0
"""Decibels that stand for equal frames where infinity is capped."""

SSIMVariant = Literal["wang", "skimage7"]
_WINDOWS = {"wang": 11, "skimage7": 7}


def psnr(prediction: np.ndarray, target: np.ndarray) -> float:
    """Return the peak signal to noise ratio of one frame in dB; infinite for equal frames.

    Args:
        prediction: ``H W 3``, uint8 or floats in [0, 1].
        target: the same shape.

    Example:
        >>> frame = np.zeros((16, 16, 3), np.uint8)
        >>> round(psnr(frame + np.uint8(255), frame), 6)
        0.0
    """
    _check_frames(prediction, target)
    error = np.mean((unit_range(prediction) - unit_range(target)) ** 2)
    return float(10 * np.log10(1 / error)) if error else float("inf")


def ssim(prediction: np.ndarray, target: np.ndarray, *, variant: SSIMVariant = "wang") -> float:
    """Return the structural similarity of one frame, at most 1; mean over RGB.

    Args:
        prediction: ``H W 3``, uint8 or floats in [0, 1], at least 11 px (7 px).
        target: the same shape.
        variant: ``"wang"``: 11 x 11 Gaussian window of sigma 1.5, population covariance, as
            published; ``"skimage7"``: 7 x 7 uniform window, sample covariance, skimage's default,
            which the code of EAT and ATVGnet measures.

    Raises:
        ValueError: frames smaller than the window, or of different shape.

    Source: Wang et al. 2004.
    """
    from skimage.metrics import structural_similarity  # slow to import

    _check_frames(prediction, target)
    if min(target.shape[:2]) < _WINDOWS[variant]:
        raise ValueError(
            f"SSIM: expected at least {_WINDOWS[variant]} px, got {target.shape[0]} x "
            f"{target.shape[1]}; measure larger frames, or a region with a larger margin"
        )
    window: dict[str, Any] = {}
    if variant == "wang":
        window = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    similarity = structural_similarity(
        unit_range(target), unit_range(prediction), channel_axis=2, data_range=1.0, **window
    )
    return float(similarity)


@METRICS.register
class PSNR(FrameMetric):
    """Peak signal to noise ratio, mean over frames (not the ratio of the pooled error).

    Args:
        infinite: equal frames are infinitely alike: ``"exclude"`` them from the mean, or ``"cap"``
            them at 100 dB. They are counted as ``num_equal`` either way.
        region: see `FrameMetric`.
        margin: see `FrameMetric`.
        reduce: see `FrameMetric`.
        on_length_mismatch: see `FrameMetric`.
        prefix: see `FrameMetric`.
    """

    name = "PSNR"
    unit = "dB"
    higher_is_better = True
    default_prefix = "PSNR"
    key = "psnr"

    def __init__(
        self,
        *,
        infinite: Literal["exclude", "cap"] = "exclude",
        region: Region = "full",
        margin: float = 0.2,
        reduce: Literal["frame", "video"] = "frame",
        on_length_mismatch: Literal["error", "trim"] = "error",
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            region=region,
            margin=margin,
            reduce=reduce,
            on_length_mismatch=on_length_mismatch,
            prefix=prefix,
        )
        if infinite not in ("exclude", "cap"):
            raise ValueError(f"infinite: expected 'exclude' or 'cap', got {infinite!r}")
        self.infinite = infinite

    def definition(self) -> str:
        """Say what the number is."""
        equal = "left out and counted" if self.infinite == "exclude" else f"taken as {CAP:g} dB"
        return f"10 log10(1 / MSE) of each RGB frame, {self.place()}; equal frames {equal}"

    def compare(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the ratio of each pair."""
        return np.array(
            [psnr(*map(_rgb_last, pair)) for pair in zip(prediction, target, strict=True)]
        )

    def finish(self) -> dict[str, np.ndarray | float | int]:
        """Return one value for each frame, and how many are infinite."""
        values = np.concatenate(self._values)
        num_equal = int(np.isinf(values).sum())
        return {
            self.key: np.minimum(values, CAP) if self.infinite == "cap" else values,
            "num_equal": num_equal,
        }


@METRICS.register
class SSIM(FrameMetric):
    """Structural similarity, mean over RGB, then frames.

    Args:
        variant: see `ssim`.
        region: see `FrameMetric`.
        margin: see `FrameMetric`.
        reduce: see `FrameMetric`.
        on_length_mismatch: see `FrameMetric`.
        prefix: see `FrameMetric`.
    """

    name = "SSIM"
    unit = ""
    higher_is_better = True
    default_prefix = "SSIM"
    key = "ssim"
    smallest = max(_WINDOWS.values())

    def __init__(
        self,
        *,
        variant: SSIMVariant = "wang",
        region: Region = "full",
        margin: float = 0.2,
        reduce: Literal["frame", "video"] = "frame",
        on_length_mismatch: Literal["error", "trim"] = "error",
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            region=region,
            margin=margin,
            reduce=reduce,
            on_length_mismatch=on_length_mismatch,
            prefix=prefix,
        )
        if variant not in _WINDOWS:
            raise ValueError(f"variant: expected 'wang' or 'skimage7', got {variant!r}")
        self.variant: SSIMVariant = variant

    def definition(self) -> str:
        """Say what the number is."""
        window = {
            "wang": "Wang et al. 2004 (11 x 11 Gaussian, sigma 1.5, population covariance)",
            "skimage7": "skimage's default (7 x 7 uniform, sample covariance)",
        }[self.variant]
        return f"{window}, mean over RGB, {self.place()}"

    def compare(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the similarity of each pair."""
        pairs = zip(prediction, target, strict=True)
        return np.array([ssim(*map(_rgb_last, pair), variant=self.variant) for pair in pairs])


@METRICS.register
class LPIPSScore(FrameMetric):
    """Learned perceptual distance, version 0.1, mean over frames.

    Args:
        trunk: file with the pretrained trunk, or a built network; see `LPIPSDistance`.
        network: ``"alex"`` (tables) or ``"vgg"``.
        num_scales: sum over that many sizes; 1 in tables.
        batch_size: pairs that pass the network at once.
        device: where it runs; the accelerator if there is one.
        sha256: expected digest of the file, checked when given.
        region: see `FrameMetric`.
        margin: see `FrameMetric`.
        reduce: see `FrameMetric`.
        on_length_mismatch: see `FrameMetric`.
        prefix: see `FrameMetric`.

    Raises:
        MissingWeightsError: no file there; the message says where to get it.

    Source: Zhang et al. 2018. Paper: backbone not given; ours: AlexNet, as the tables it compares
    with.
    """

    name = "LPIPS"
    unit = ""
    higher_is_better = False
    default_prefix = "LPIPS"
    key = "lpips"
    smallest = SMALLEST

    def __init__(
        self,
        *,
        trunk: str | Path | nn.Module | None = None,
        network: str = "alex",
        num_scales: int = 1,
        batch_size: int = 16,
        device: str | None = None,
        sha256: str | None = None,
        region: Region = "full",
        margin: float = 0.2,
        reduce: Literal["frame", "video"] = "frame",
        on_length_mismatch: Literal["error", "trim"] = "error",
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            region=region,
            margin=margin,
            reduce=reduce,
            on_length_mismatch=on_length_mismatch,
            prefix=prefix,
        )
        self.network = network
        self.distance = LPIPSDistance(
            trunk,
            network=network,
            num_scales=num_scales,
            batch_size=batch_size,
            device=device,
            sha256=sha256,
        )

    def definition(self) -> str:
        """Say what the number is."""
        scales = (
            f"{self.distance.num_scales} sizes added up" if self.distance.num_scales > 1 else ""
        )
        return ", ".join(filter(None, [f"version 0.1, {self.network}", scales, self.place()]))

    def compare(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the distance of each pair."""
        return self.distance(prediction, target)


def _rgb_last(frame: np.ndarray) -> np.ndarray:
    return frame.transpose(1, 2, 0)


def _check_frames(prediction: np.ndarray, target: np.ndarray) -> None:
    if prediction.ndim != 3 or target.shape[-1] != 3 or prediction.shape != target.shape:
        raise ValueError(
            f"frames: expected two of (H, W, 3), got {prediction.shape} and {target.shape}"
        )
    for name, frame in (("prediction", prediction), ("target", target)):
        if frame.dtype != np.uint8 and not np.issubdtype(frame.dtype, np.floating):
            raise ValueError(f"{name}: expected uint8 or floats in [0, 1], got {frame.dtype}")
