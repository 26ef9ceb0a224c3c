"""Frechet and kernel Inception distance (FID, KID) between predicted and true frames."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from segkit.registry import METRICS
from segkit_metrics.base import Accumulator, DistributionMetric
from segkit_metrics.clip_samples import Clip, LengthPolicy
from segkit_metrics.distribution import frechet_of_sets, kernel_distance
from segkit_metrics.feature_sets import FeatureSet
from segkit_metrics.inception import KNOWN, Mode, make_network, make_resizer
from segkit_metrics.networks import default_device

FEW_FRAMES = 2048
"""Fewer than the features have dimensions: the bias of FID, about 1 / n, is large."""

SIDES = ("pred", "gt")


@METRICS.register
class FrechetInceptionDistance(DistributionMetric):
    """FID, and KID when asked for, over the frames of all clips.

    Args:
        weights: file of the mode's Inception, see `segkit_metrics.inception.KNOWN`; or a network
            ``B 3 299 299`` in 0..255 -> ``B D``.
        mode: ``"clean"`` (clean-fid), or ``"legacy_pytorch"`` (pytorch-fid), which most tables of
            talking faces used. Their values do not compare.
        feature_dim: D.
        kid: also report the kernel distance, times 1000.
        kid_frames: KID of all frames up to that many, else of that many, chosen by name.
        frame_stride: take every such frame; neighbours are nearly equal and add little.
        batch_size: frames that go through the network at once.
        ddof: 1 as clean-fid and pytorch-fid.
        keep_truth: see `DistributionMetric`.
        trust: take another file than the published one, and run its code.
        device: of the network; the accelerator if there is one.
        on_length_mismatch: see `ClipMetric`.
        collect_device: mmengine's.
        prefix: instead of `default_prefix`.

    Raises:
        MissingWeightsError: no such file.
        ValueError: another file, or an argument out of range.

    Source: Heusel et al. 2017; Binkowski et al. 2018; paper section 4.2, "FID".
    """

    name, unit, higher_is_better, default_prefix = "Inception distance", "squared", False, "FID"

    def __init__(
        self,
        *,
        weights: str | Path | nn.Module | None,
        mode: Mode = "clean",
        feature_dim: int = 2048,
        kid: bool = False,
        kid_frames: int = 5000,
        frame_stride: int = 1,
        batch_size: int = 32,
        ddof: int = 1,
        keep_truth: bool = False,
        trust: bool = False,
        device: str | torch.device | None = None,
        on_length_mismatch: LengthPolicy = "error",
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            keep_truth=keep_truth, on_length_mismatch=on_length_mismatch,
            collect_device=collect_device, prefix=prefix,
        )  # fmt: skip
        if mode not in KNOWN:
            raise ValueError(f"mode: expected {' or '.join(map(repr, KNOWN))}, got {mode!r}")
        if frame_stride < 1 or kid_frames < 2:
            raise ValueError(
                "expected frame_stride >= 1 and kid_frames >= 2, got "
                f"{frame_stride} and {kid_frames}"
            )
        network, self._network_name = make_network(weights, mode=mode, trust=trust)
        self.network = network.to(device := device or default_device())
        self.device, self.mode, self.feature_dim = torch.device(device), mode, feature_dim
        self.kid, self.kid_frames, self.frame_stride = kid, kid_frames, frame_stride
        self.batch_size, self.ddof = batch_size, ddof
        self._resize = make_resizer(mode)

    def definition(self) -> str:
        """Return what was computed: network, resizing, frames, and what it depends on."""
        resizing = {
            "clean": "bicubic to 299 px with antialiasing (clean-fid)",
            "legacy_pytorch": "bilinear to 299 px without antialiasing (pytorch-fid)",
        }
        frames = "every frame" if self.frame_stride == 1 else f"every {self.frame_stride}th frame"
        kernel = f", KID x1000 of at most {self.kid_frames} frames" if self.kid else ""
        return (
            f"Inception V3 ({self._network_name}), mode {self.mode}: {resizing[self.mode]}, "
            f"{frames}, ddof {self.ddof}{kernel}; only numbers of equal n compare"
        )

    def accumulators(self) -> dict[str, Accumulator]:
        """Return two empty sets of features."""
        # Rows up to D cost no more than the covariance, and make few frames exact.
        capacity = max(self.feature_dim, self.kid_frames if self.kid else 0)
        return {side: FeatureSet(self.feature_dim, capacity=capacity) for side in SIDES}

    def begin(self, clip: Clip) -> None:
        """Start a clip."""
        super().begin(clip)
        self._num_seen = 0

    def add(self, chunk: Clip) -> None:
        """Take in the features of the next frames."""
        length = len(chunk["pred_frames"])
        chosen = range(-self._num_seen % self.frame_stride, length, self.frame_stride)
        names = [f"{self._sample_id}/{self._num_seen + index}" for index in chosen]
        self._num_seen += length
        for side in SIDES:
            frames = chunk[f"{side}_frames"][chosen.start :: self.frame_stride]
            for start in range(0, len(frames), self.batch_size):
                part = slice(start, start + self.batch_size)
                found = self.known(side, names[part], partial(self.features, frames[part]))
                self.clip[side].add(names[part], found)

    @torch.no_grad()
    def features(self, frames: np.ndarray) -> np.ndarray:
        """Return the features ``T D`` of frames ``T 3 H W``, uint8 or in [0, 1]."""
        return self.network(self._resize(frames).to(self.device)).float().cpu().numpy()

    def compare(self, total: dict[str, Any]) -> dict[str, float]:
        """Return ``fid``, ``kid_x1000`` if asked for, and the number ``n`` of frames."""
        pred, gt = total["pred"], total["gt"]
        number = pred.moments.count
        if number < 2:
            raise ValueError(f"{self.prefix}: expected at least 2 frames, got {number}")
        if number < FEW_FRAMES:
            warnings.warn(
                f"{self.prefix}: only {number} frames; below {FEW_FRAMES} the distance is "
                "biased upwards, compare only numbers of the same n",
                stacklevel=2,
            )
        report = {"fid": frechet_of_sets(pred, gt, ddof=self.ddof)}
        if self.kid:
            report["kid_x1000"] = 1000 * kernel_distance(pred.sample.rows(), gt.sample.rows())
        return {**report, "n": number}
