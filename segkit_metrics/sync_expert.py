"""Lip sync judged by Wav2Lip's SyncNet, or one trained on one's own data: an own scale of LSE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from segkit.audio import MelFrontEnd, mel_windows
from segkit.contracts import FPS
from segkit.halves import lower_half
from segkit.registry import METRICS
from segkit_metrics.base import VideoMetric
from segkit_metrics.clip_samples import Clip, LengthPolicy, check_clip, unit_range
from segkit_metrics.networks import converted_network, default_device
from segkit_metrics.sync_distances import SyncDistances


@METRICS.register
class SyncExpertScore(VideoMetric):
    """LSE-C, LSE-D and offset by a SyncNet of face crops and mel windows.

    Its embeddings have length 1, so its numbers are smaller than `SyncNetScore`'s and do not
    compare with published ones. A method that was trained by the very network is favoured by it.

    Args:
        weights: a file made by ``segkit convert wav2lip_syncnet``, or a network with its
            ``embed_face`` and ``embed_audio``, ``size`` and ``num_frames``.
        network_name: what a definition calls a built network.
        vshift: largest shift in frames.
        batch_size: windows that go through the network at once.
        device: of the network; the accelerator if there is one.
        on_length_mismatch: see `ClipMetric`; only frames are timed here.
        collect_device: mmengine's.
        prefix: instead of `default_prefix`.

    Raises:
        MissingWeightsError: no such file.
        ValueError: not a converted file of that network.

    Source: Prajwal et al. 2020 (the network); Chung and Zisserman 2016 (the scores).
    """

    name, unit, higher_is_better, default_prefix = "lip sync", "distance", True, "SyncExpert"
    needs = ("pred_frames", "audio", "fps")

    def __init__(
        self,
        *,
        weights: str | Path | nn.Module | None,
        network_name: str | None = None,
        vshift: int = 15,
        batch_size: int = 32,
        device: str | torch.device | None = None,
        on_length_mismatch: LengthPolicy = "error",
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            reduce="video", on_length_mismatch=on_length_mismatch, collect_device=collect_device,
            prefix=prefix,
        )  # fmt: skip
        network, found_name = converted_network(weights, known="wav2lip_syncnet")
        self.network: Any = network.to(device := device or default_device())
        self._network_name = network_name or found_name
        self.device, self.vshift, self.batch_size = torch.device(device), vshift, batch_size
        self._front_end = MelFrontEnd()

    def definition(self) -> str:
        """Return what was computed: network, frames, shifts, and what it depends on."""
        return (
            f"Wav2Lip's SyncNet ({self._network_name}), face crops resized to "
            f"{self.network.size} px, shifts of {self.vshift} frames past zero padding (clips of "
            "equal length compare), mean of clips; no published scale"
        )

    def begin(self, clip: Clip) -> None:
        """Start a clip, given its ``audio`` and ``fps``.

        Raises:
            ValueError: another rate than 25 fps.
        """
        super().begin(clip)
        clip = check_clip(clip, needs=("audio", "fps"))
        self._place = f"clip {clip['sample_id']!r}"
        if abs(clip["fps"] - FPS) > 1e-3:
            raise ValueError(f"{self._place}: fps: expected {FPS}, got {clip['fps']:g}")
        waveform = torch.from_numpy(np.ascontiguousarray(clip["audio"]))[None] / 32768
        self._mel = self._front_end(waveform)
        self._distances = SyncDistances(vshift=self.vshift)
        self._waiting = torch.zeros(0)

    def add(self, chunk: Clip) -> None:
        """Score the windows that the next frames complete."""
        frames = torch.from_numpy(unit_range(chunk["pred_frames"], np.float32))
        size = self.network.size
        if frames.shape[-2:] != (size, size):
            frames = functional.interpolate(frames, (size, size), mode="bilinear", antialias=True)
        planes = lower_half(frames.flip(1))
        self._waiting = torch.cat([self._waiting, planes]) if len(self._waiting) else planes
        while len(self._waiting) >= self.network.num_frames:
            self._score(min(self.batch_size, len(self._waiting) - self.network.num_frames + 1))

    def finish(self) -> dict[str, np.ndarray | float | int]:
        """Return ``lse_c``, ``lse_d``, ``offset`` and its size, and the number of windows.

        Raises:
            ValueError: not one window.
        """
        if not self._distances.count:
            raise ValueError(f"{self._place}: expected {self.network.num_frames} frames or more")
        scores = self._distances.scores()
        return {
            "lse_c": scores.lse_c,
            "lse_d": scores.lse_d,
            "offset": float(scores.offset),
            "abs_offset": float(abs(scores.offset)),
            "n_windows": self._distances.count,
        }

    @torch.no_grad()
    def _score(self, number: int) -> None:
        length = self.network.num_frames
        windows = self._waiting[: number + length - 1].unfold(0, length, 1)
        faces = windows.permute(0, 4, 1, 2, 3).flatten(1, 2).contiguous()
        # The speech of a window is that of its middle frame.
        first = self._distances.count + length // 2
        speech = mel_windows(self._mel, number, first=first)[0]
        video = self.network.embed_face(faces.to(self.device))
        audio = self.network.embed_audio(speech.to(self.device))
        self._distances.add(video.float().cpu().numpy(), audio.float().cpu().numpy())
        self._waiting = self._waiting[number:]
