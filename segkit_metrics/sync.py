"""Score the lip sync of clips with the evaluation SyncNet: frames and speech to LSE-C, LSE-D."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from segkit.contracts import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from segkit.registry import METRICS
from segkit.speech_features import SyncNetMFCC
from segkit_metrics.base import VideoMetric
from segkit_metrics.clip_samples import Clip, LengthPolicy, check_clip
from segkit_metrics.networks import converted_network, default_device
from segkit_metrics.sync_distances import SyncDistances

SIDE = 224
"""Pixels of a face for the evaluation SyncNet."""

LENGTH = 5
"""Frames of a window."""

SILENCE = 10 ** (-60 / 20)
"""Amplitude (-60 dB of full scale) that speech exceeds somewhere."""

FEW_WINDOWS = 50
"""Below it the padding weighs."""


@METRICS.register
class SyncNetScore(VideoMetric):
    """LSE-C, LSE-D and offset of predicted clips, each clip scored by itself, then averaged.

    Reenactment that was trained on a SyncNet scores above real video; the number ranks no such
    method above the truth.

    Args:
        weights: a file made by ``segkit convert syncnet_v2``, or a network with its two methods,
            ``encode_video`` and ``encode_audio``.
        vshift: largest shift in frames.
        crop: ``"given"``: frames are 224 px crops around the face as SyncNet's own pipeline makes
            them; ``"resize"``: squeeze whole frames to 224 px as Wav2Lip's script for LRS does. The
            two give different numbers.
        resample: take the frames nearest to 25 fps from clips of another rate.
        batch_size: windows that go through the network at once.
        device: of the network; the accelerator if there is one.
        on_length_mismatch: see `ClipMetric`; only frames are timed here.
        collect_device: mmengine's.
        prefix: instead of `default_prefix`.

    Raises:
        MissingWeightsError: no such file.
        ValueError: an unknown crop, or not a converted file.

    Source: paper section 4.2, "Sync"; see `segkit_metrics.sync_distances.sync_scores`.
    """

    name, unit, higher_is_better, default_prefix = "lip sync", "distance", True, "Sync"
    needs = ("pred_frames", "audio", "fps")

    def __init__(
        self,
        *,
        weights: str | Path | nn.Module | None,
        vshift: int = 15,
        crop: Literal["given", "resize"] = "given",
        resample: bool = False,
        batch_size: int = 20,
        device: str | torch.device | None = None,
        on_length_mismatch: LengthPolicy = "error",
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            reduce="video", on_length_mismatch=on_length_mismatch, collect_device=collect_device,
            prefix=prefix,
        )  # fmt: skip
        if crop not in ("given", "resize"):
            raise ValueError(f"crop: expected 'given' or 'resize', got {crop!r}")
        network, self._network_name = converted_network(weights, known="syncnet_v2")
        self.network: Any = network.to(device := device or default_device())
        self.device, self.vshift, self.crop = torch.device(device), vshift, crop
        self.resample, self.batch_size = resample, batch_size
        self._mfcc = SyncNetMFCC()

    def definition(self) -> str:
        """Return what was computed: network, frames, shifts, and what it depends on."""
        frames = {"given": "224 px crops as given", "resize": "whole frames resized to 224 px"}
        rate = "nearest frames of 25 fps" if self.resample else "25 fps"
        return (
            f"SyncNet v2 ({self._network_name}), {frames[self.crop]}, {rate}, shifts of "
            f"{self.vshift} frames past zero padding (clips of equal length compare), mean of clips"
        )

    def begin(self, clip: Clip) -> None:
        """Start a clip, given its ``audio`` and ``fps``."""
        super().begin(clip)
        clip = check_clip(clip, needs=("audio", "fps"))
        self._rate, self._place = clip["fps"], f"clip {clip['sample_id']!r}"
        if abs(self._rate - FPS) > 1e-3 and not self.resample:
            raise ValueError(
                f"{self._place}: fps: SyncNet wants {FPS} fps, got {self._rate:g}; convert the "
                "video, or set resample=True to take the nearest frames"
            )
        waveform = torch.from_numpy(np.ascontiguousarray(clip["audio"]))[None] / 32768
        if not (waveform.abs() > SILENCE).any():
            raise ValueError(f"{self._place}: audio: silent throughout; there is nothing to sync")
        self._num_samples = waveform.shape[1]
        self._columns = self._mfcc(waveform)
        self._distances = SyncDistances(vshift=self.vshift)
        self._waiting = np.zeros((0, 3, SIDE, SIDE), np.uint8)
        self._num_seen = self._num_frames = 0

    def add(self, chunk: Clip) -> None:
        """Score the windows that the next frames complete."""
        frames = self._at_25(chunk["pred_frames"])
        pictures = [self._picture(frame) for frame in frames]
        self._num_frames += len(pictures)
        self._waiting = np.concatenate([self._waiting, *(p[None] for p in pictures)])
        while self._num_windows - self._distances.count >= self.batch_size:
            self._score(self.batch_size)

    def finish(self) -> dict[str, np.ndarray | float | int]:
        """Return ``lse_c``, ``lse_d``, ``offset`` and its size, and the number of windows.

        Raises:
            ValueError: not one window of five frames and their speech.
        """
        if self._num_windows < 1:
            raise ValueError(
                f"{self._place}: expected at least {LENGTH + 1} frames with speech, got "
                f"{self._num_frames} frames and {self._num_samples} samples "
                f"({self._num_samples // SAMPLES_PER_FRAME} frames) of speech"
            )
        if rest := self._num_windows - self._distances.count:
            self._score(rest)
        self._warn()
        scores = self._distances.scores()
        return {
            "lse_c": scores.lse_c,
            "lse_d": scores.lse_d,
            "offset": float(scores.offset),
            "abs_offset": float(abs(scores.offset)),
            "n_windows": self._num_windows,
        }

    @property
    def _num_windows(self) -> int:
        # The published code leaves out the last window there is.
        return min(self._num_frames, self._num_samples // SAMPLES_PER_FRAME) - LENGTH

    def _warn(self) -> None:
        video, speech = self._num_frames / FPS, self._num_samples / SAMPLE_RATE
        if abs(video - speech) > 1 / FPS:
            warnings.warn(
                f"{self._place}: {video:.2f} s of video and {speech:.2f} s of speech; only what "
                "both have is scored",
                stacklevel=3,
            )
        if self._num_windows < FEW_WINDOWS:
            warnings.warn(
                f"{self._place}: only {self._num_windows} windows; below {FEW_WINDOWS} (2 s) zero "
                "padding makes LSE-C smaller than that of a longer clip",
                stacklevel=3,
            )

    def _at_25(self, frames: np.ndarray) -> np.ndarray:
        first, self._num_seen = self._num_seen, self._num_seen + len(frames)
        chosen: list[int] = []
        while True:
            number = self._num_frames + len(chosen)
            nearest = math.floor(number * self._rate / FPS + 0.5) if self.resample else number
            if nearest >= self._num_seen:
                return frames[chosen]
            chosen.append(nearest - first)

    def _picture(self, frame: np.ndarray) -> np.ndarray:
        import cv2  # slow to import

        if frame.dtype != np.uint8:
            frame = np.round(frame * 255).clip(0, 255).astype(np.uint8)
        if frame.shape[1:] != (SIDE, SIDE):
            if self.crop == "given":
                raise ValueError(
                    f"{self._place}: pred_frames: expected face crops of {SIDE} px, got "
                    f"{frame.shape[2]} x {frame.shape[1]}; crop them as SyncNet's pipeline does, "
                    "or set crop='resize' to squeeze whole frames"
                )
            # As the published script does it: bilinear, over bytes.
            picture = cv2.resize(np.ascontiguousarray(frame.transpose(1, 2, 0)), (SIDE, SIDE))
            frame = picture.transpose(2, 0, 1)
        return frame[::-1]  # blue first

    @torch.no_grad()
    def _score(self, number: int) -> None:
        """Embed and take in the next windows."""
        for start in range(0, number, self.batch_size):
            count = min(self.batch_size, number - start)
            first = self._distances.count
            frames = torch.from_numpy(self._waiting[: count + LENGTH - 1]).float()
            windows = frames.unfold(0, LENGTH, 1).permute(0, 1, 4, 2, 3)
            speech = torch.stack(
                [self._columns[:, :, 4 * k : 4 * k + 20] for k in range(first, first + count)]
            )
            video = self.network.encode_video(windows.contiguous().to(self.device))
            audio = self.network.encode_audio(speech.to(self.device))
            self._distances.add(video.float().cpu().numpy(), audio.float().cpu().numpy())
            self._waiting = self._waiting[count:]
