"""Frechet video distance (FVD) between predicted and true clips of frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from segkit.registry import METRICS
from segkit_metrics.base import Accumulator, DistributionMetric
from segkit_metrics.clip_samples import Clip, LengthPolicy
from segkit_metrics.distribution import frechet_of_sets
from segkit_metrics.feature_sets import FeatureSet
from segkit_metrics.i3d import MIN_FRAMES, SIDE
from segkit_metrics.networks import converted_network, default_device, scripted_network
from segkit_metrics.video_clips import ClipCutter, Resizing, resize_clip

Network = Literal["i3d", "stylegan_v"]

STYLEGAN_V = dict(
    name="i3d_torchscript.pt",
    sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
    source="https://github.com/universome/stylegan-v (src/metrics/frechet_video_distance.py)",
)

SIDES = ("pred", "gt")


@METRICS.register
class FrechetVideoDistance(DistributionMetric):
    """FVD over clips cut from all videos; raw, ten times what the paper's table prints.

    Args:
        weights: file of the network, or the network, called as the published one is.
        network: ``"i3d"``: a file made by ``segkit convert i3d``; frames are resized to 224 px here
            and given in [-1, 1]. ``"stylegan_v"``: StyleGAN-V's TorchScript file, which resizes by
            itself; frames are given as they are, in 0..255. Their values do not compare.
        clip_len: frames of a clip.
        clip_stride: from one clip to the next.
        clips: ``"all"`` of a video, or its ``"first"``.
        resize: how frames become 224 px for ``"i3d"``, see `resize_clip`.
        on_short: what to do with a video shorter than a clip: ``"error"``, or ``"skip"`` and count.
        feature_dim: D.
        batch_size: clips that go through the network at once.
        ddof: 1 as ``np.cov``; StyleGAN-V has 0.
        keep_truth: see `DistributionMetric`.
        trust: run the code of another TorchScript file than the published one.
        device: of the network; the accelerator if there is one.
        on_length_mismatch: see `ClipMetric`.
        collect_device: mmengine's.
        prefix: instead of `default_prefix`.

    Raises:
        MissingWeightsError: no such file.
        ValueError: another file, or an argument out of range.

    Source:
        Unterthiner et al. 2018; paper section 4.2, "FVD", whose table is scaled by 0.1. Paper:
        clips not given; ours: 16 frames every 16 frames, all of them.
    """

    name, unit, higher_is_better, default_prefix = "video distance", "squared", False, "FVD"

    def __init__(
        self,
        *,
        weights: str | Path | nn.Module | None,
        network: Network = "i3d",
        clip_len: int = 16,
        clip_stride: int = 16,
        clips: Literal["all", "first"] = "all",
        resize: Resizing = "tf1",
        on_short: Literal["error", "skip"] = "error",
        feature_dim: int = 400,
        batch_size: int = 4,
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
        for argument, given, allowed in (
            ("network", network, ("i3d", "stylegan_v")), ("clips", clips, ("all", "first")),
            ("resize", resize, ("tf1", "bilinear")), ("on_short", on_short, ("error", "skip")),
        ):  # fmt: skip
            if given not in allowed:
                raise ValueError(f"{argument}: expected {' or '.join(allowed)}, got {given!r}")
        if clip_len < MIN_FRAMES or clip_stride < 1:
            raise ValueError(
                f"expected clip_len >= {MIN_FRAMES} and clip_stride >= 1, got "
                f"{clip_len} and {clip_stride}"
            )
        if network == "i3d" or isinstance(weights, nn.Module):
            built, self._network_name = converted_network(weights, known="i3d_kinetics")
        else:
            built, self._network_name = scripted_network(weights, **STYLEGAN_V, trust=trust)
        self.network = built.to(device := device or default_device())
        self.device, self.kind, self.resize = torch.device(device), network, resize
        self.clip_len, self.clip_stride, self.clips = clip_len, clip_stride, clips
        self.on_short, self.feature_dim = on_short, feature_dim
        self.batch_size, self.ddof = batch_size, ddof

    def definition(self) -> str:
        """Return what was computed: network, resizing, clips, and what it depends on."""
        resizing = f"{self.resize} to {SIDE} px" if self.kind == "i3d" else "resized by the file"
        return (
            f"FVD, raw (the paper prints 0.1 x FVD), network {self.kind} ({self._network_name}), "
            f"{resizing}, {self.clips} clips of {self.clip_len} frames every {self.clip_stride}, "
            f"at the rate given, ddof {self.ddof}; only numbers of equal n compare"
        )

    def accumulators(self) -> dict[str, Accumulator]:
        """Return two empty sets of features."""
        return {s: FeatureSet(self.feature_dim, capacity=self.feature_dim) for s in SIDES}

    def begin(self, clip: Clip) -> None:
        """Start a video."""
        super().begin(clip)
        cutter = dict(length=self.clip_len, stride=self.clip_stride)
        self._cutters = {side: ClipCutter(**cutter) for side in SIDES}
        self._num_clips = self._num_frames = 0

    def add(self, chunk: Clip) -> None:
        """Take in the features of the clips that the next frames complete."""
        self._num_frames += len(chunk["pred_frames"])
        if self.clips == "first" and self._num_clips:
            return
        for side in SIDES:
            cut = self._cutters[side].add(chunk[f"{side}_frames"])
            cut = cut[:1] if self.clips == "first" else cut
            names = [f"{self._sample_id}/{self._num_clips + k}" for k in range(len(cut))]
            for start in range(0, len(cut), self.batch_size):
                part = slice(start, start + self.batch_size)
                found = self.known(side, names[part], partial(self.features, cut[part]))
                self.clip[side].add(names[part], found)
        self._num_clips += len(cut)

    @torch.no_grad()
    def features(self, clips: list[np.ndarray]) -> np.ndarray:
        """Return the features ``B D`` of clips ``T 3 H W``, uint8 or in [0, 1]."""
        batch = torch.stack([self._prepared(clip) for clip in clips]).transpose(1, 2)
        if self.kind == "i3d":
            found = self.network(batch)
        else:
            found = self.network(batch, rescale=True, resize=True, return_features=True)
        return found.float().cpu().numpy()

    def _prepared(self, clip: np.ndarray) -> Tensor:
        frames = torch.from_numpy(np.ascontiguousarray(clip)).to(self.device)
        frames = frames.float() if clip.dtype == np.uint8 else frames.float() * 255
        if self.kind == "stylegan_v":
            return frames
        return resize_clip(frames, SIDE, how=self.resize) / 127.5 - 1

    def row(self) -> dict[str, Any]:
        """Let the video count; one that is too short is refused, or counted and left out."""
        if not self._num_clips and self.on_short == "error":
            raise ValueError(
                f"clip {self._sample_id!r}: expected at least {self.clip_len} frames, got "
                f"{self._num_frames}; leave it out, or set on_short='skip'"
            )
        return {**super().row(), "short": int(not self._num_clips)}

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Return `compare` over all processes and how many videos were too short."""
        report = super().compute_metrics(results)
        return {**report, "n_short": sum(row["short"] for row in results)}

    def compare(self, total: dict[str, Any]) -> dict[str, float]:
        """Return ``fvd`` and the number ``n`` of clips."""
        number = total["pred"].moments.count
        if number < 2:
            raise ValueError(f"{self.prefix}: expected at least 2 clips, got {number}")
        distance = frechet_of_sets(total["pred"], total["gt"], ddof=self.ddof)
        return {"fvd": distance, "n": number}
