"""Training samples from a clip folder: sync and talking-mask windows, prior-learning pairs.

Sample ``index`` depends on ``(seed, index)`` alone, never on the order or the worker that asks for
it. Label maps and pictures stay uint8 until they are on the device (`segkit.regions.one_hot`
there).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.audio import MelFrontEnd, mel_windows
from segkit.clips import Clip
from segkit.contracts import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from segkit.listening import check_listener, cut_features, features_on_disk
from segkit.registry import AUDIO_ENCODERS
from segkit.window_dataset import NUM_SAMPLES, WindowDataset


class SyncWindows(WindowDataset):
    """Mask windows, each with the speech of its moment (``mel``) and of another (``other_mel``).

    Every window is thus judged in sync and off sync, which keeps any batch balanced and tells
    nothing by the masks alone.

    Args:
        root: clip folder.
        split: of the folder.
        num_frames: T.
        seed: of the draws.
        min_offset: smallest distance in frames between a mask window and a false sound of the same
            clip.
        other_clip_fraction: share of the false sounds taken from another clip. Paper: not given;
            ours: 0, so that the voice says nothing about the answer.
        size: side to which masks are resized (nearest), by default as stored.
        flip: mirror half of the samples.
        num_samples: virtual length.
        cache_gb: bound of the cache of decoded clips in this process.

    Raises:
        FileNotFoundError: no folder, or no clip of that split.
        ValueError: all clips are too short.

    Source: paper section 3.2, equation 3. Paper: choice of negatives not given; ours: the same
    clip, at least five frames away, as a nearer one is almost in sync.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        split: str = "train",
        num_frames: int = 5,
        seed: int = 0,
        min_offset: int = 5,
        other_clip_fraction: float = 0.0,
        size: int | None = None,
        flip: bool = False,
        num_samples: int = NUM_SAMPLES,
        cache_gb: float = 2.0,
    ) -> None:
        super().__init__(
            root, split=split, num_frames=num_frames, shortest=num_frames + 2 * min_offset,
            seed=seed, size=size, flip=flip, num_samples=num_samples, cache_gb=cache_gb,
        )  # fmt: skip
        self.min_offset = min_offset
        self.other_clip_fraction = other_clip_fraction
        self._has_others = len({clip.folder for clip, _, _ in self.ranges}) > 1
        self._front_end = MelFrontEnd()

    def _sample(
        self, index: int, rng: np.random.Generator, clip: Clip, span: range, start: int
    ) -> dict[str, Tensor]:
        other_clip, other_start = self._false_sound(rng, clip, span, start)
        masks = self.cache.masks(clip, range(start, start + self.num_frames), flip=self._flips(rng))
        return {
            "masks": torch.from_numpy(masks),
            "mel": self._mel_window(clip, start),
            "other_mel": self._mel_window(other_clip, other_start),
        }

    def _mel_window(self, clip: Clip, start: int) -> Tensor:
        """Return the sound in the middle of a window: for frames k..k+4 that of frame k+2."""
        mel = self.cache.derived(clip, "mel", lambda: self._front_end(clip.waveform[None]))
        return mel_windows(mel, 1, first=start + self.num_frames // 2)[0, 0]

    def _false_sound(
        self, rng: np.random.Generator, clip: Clip, span: range, start: int
    ) -> tuple[Clip, int]:
        """Draw a clip and first frame whose sound does not belong to the window at ``start``."""
        if self._has_others and rng.random() < self.other_clip_fraction:
            while True:
                other, first, stop = self.ranges[int(rng.integers(len(self.ranges)))]
                if other is not clip:
                    return other, int(rng.integers(first, stop - self.num_frames + 1))
        starts = np.arange(span.start, span.stop - self.num_frames + 1)
        return clip, int(rng.choice(starts[np.abs(starts - start) >= self.min_offset]))


class TalkingMaskWindows(WindowDataset):
    """Mask windows with the speech around them and a reference mask of the same person.

    The waveform covers ``context_s`` seconds; the window's first frame is always its frame
    ``(N // 640 - T) // 2``. Sound outside the clip is silence.

    Args:
        root: clip folder.
        split: of the folder.
        num_frames: T.
        context_s: seconds of speech, a whole number of frames.
        seed: of the draws.
        min_reference_distance: frames between the reference and the window, where the clip is long
            enough; otherwise the farthest frame is the reference. Paper: not given; ours: 15.
        size: side to which masks are resized (nearest), by default as stored.
        flip: mirror half of the samples, reference and targets together.
        listener: describes the speech of a whole clip (`PhonemeRecogniser`, or a frozen `AVHubert`
            with the weights and chunks of the model's own), or its config; samples then hold
            ``features`` of the same stretch as ``waveform``. Each clip is described once; what was
            found stays in its folder, under a name that changes with the listener's weights.
        num_samples: virtual length.
        cache_gb: bound of the cache of decoded clips in this process.

    Raises:
        FileNotFoundError: no folder, or no clip of that split.
        ValueError: all clips are too short, ``context_s`` is shorter than the window, or a listener
            that is none.

    Source: paper sections 3.2 and 4.1 (five frames, 3 s of speech).
    """

    def __init__(
        self,
        root: str | Path,
        *,
        split: str = "train",
        num_frames: int = 5,
        context_s: float = 3.0,
        seed: int = 0,
        min_reference_distance: int = 15,
        size: int | None = None,
        flip: bool = False,
        listener: Callable[[Tensor], Tensor] | dict[str, Any] | None = None,
        num_samples: int = NUM_SAMPLES,
        cache_gb: float = 2.0,
    ) -> None:
        super().__init__(
            root, split=split, num_frames=num_frames, shortest=num_frames + 1, seed=seed, size=size,
            flip=flip, num_samples=num_samples, cache_gb=cache_gb,
        )  # fmt: skip
        self.context_samples = round(context_s * SAMPLE_RATE)
        self.first = (self.context_samples // SAMPLES_PER_FRAME - num_frames) // 2
        if self.first < 0:
            raise ValueError(
                f"context_s: expected at least {num_frames / FPS} s for {num_frames} frames, "
                f"got {context_s}"
            )
        self.min_reference_distance = min_reference_distance
        listener = AUDIO_ENCODERS.build(listener)
        self.listener = None if listener is None else check_listener(listener)

    def _sample(
        self, index: int, rng: np.random.Generator, clip: Clip, span: range, start: int
    ) -> dict[str, Tensor]:
        reference = self._reference(rng, span, start)
        flip = self._flips(rng)
        waveform = self.cache.derived(clip, "waveform", lambda: clip.waveform)
        sample = {
            "masks": torch.from_numpy(
                self.cache.masks(clip, range(start, start + self.num_frames), flip=flip)
            ),
            "reference": torch.from_numpy(self.cache.masks(clip, [reference], flip=flip)[0]),
            "waveform": cut(
                waveform, (start - self.first) * SAMPLES_PER_FRAME, self.context_samples
            ),
        }
        if self.listener is not None:
            features = self.cache.derived(
                clip, "features",
                lambda: features_on_disk(
                    clip.folder, self.listener, waveform, files=clip.files
                ),
            )  # fmt: skip
            sample["features"] = cut_features(
                features, start - self.first, self.context_samples // SAMPLES_PER_FRAME,
                per_frame=self.listener.features_per_frame,
            )  # fmt: skip
        return sample

    def _reference(self, rng: np.random.Generator, span: range, start: int) -> int:
        frames = np.arange(span.start, span.stop)
        distance = np.maximum(start - frames, frames - (start + self.num_frames - 1))
        wanted = min(self.min_reference_distance, int(distance.max()))
        return int(rng.choice(frames[distance >= wanted]))


class PriorLearningPairs(WindowDataset):
    """Two frames of one person close in time: the picture to encode and the one to rebuild.

    Args:
        root: clip folder.
        split: of the folder.
        frame_range: largest distance between the two in frames; 0 gives the same frame twice, which
            is SGI without Prior Learning (table 2).
        seed: of the draws.
        size: side to which pictures (area) and masks (nearest) are resized, by default as stored.
        flip: mirror half of the pairs.
        num_samples: virtual length.
        cache_gb: bound of the cache of decoded clips in this process.

    Raises:
        FileNotFoundError: no folder, or no clip of that split.
        ValueError: all clips are too short.

    Source: paper section 3.3, "Prior Learning" (15 frames).
    """

    def __init__(
        self,
        root: str | Path,
        *,
        split: str = "train",
        frame_range: int = 15,
        seed: int = 0,
        size: int | None = None,
        flip: bool = False,
        num_samples: int = NUM_SAMPLES,
        cache_gb: float = 2.0,
    ) -> None:
        super().__init__(
            root, split=split, num_frames=1, shortest=2, seed=seed, size=size, flip=flip,
            num_samples=num_samples, cache_gb=cache_gb,
        )  # fmt: skip
        if frame_range < 0:
            raise ValueError(f"frame_range: expected 0 frames or more, got {frame_range}")
        self.frame_range = frame_range

    def _sample(
        self, index: int, rng: np.random.Generator, clip: Clip, span: range, start: int
    ) -> dict[str, Tensor]:
        near = np.arange(
            max(span.start, start - self.frame_range), min(span.stop, start + self.frame_range + 1)
        )
        other = near[near != start] if self.frame_range else near
        pair = [start, int(rng.choice(other))]
        flip = self._flips(rng)
        images = (
            torch.from_numpy(self.cache.frames(clip, pair, flip=flip))
            .permute(0, 3, 1, 2)
            .contiguous()
        )
        masks = torch.from_numpy(self.cache.masks(clip, pair, flip=flip))
        return {
            "image": images[0],
            "mask": masks[0],
            "target_image": images[1],
            "target_mask": masks[1],
        }


def cut(waveform: Tensor, start: int, num_samples: int) -> Tensor:
    """Return ``num_samples`` from ``start`` on; what lies outside the waveform is silence.

    Args:
        waveform: ``N``.
        start: first sample, may be negative.
        num_samples: length of the answer.
    """
    piece = waveform.new_zeros(num_samples)
    first, stop = max(start, 0), min(start + num_samples, len(waveform))
    if stop > first:
        piece[first - start : stop - start] = waveform[first:stop]
    return piece
