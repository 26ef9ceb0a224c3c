"""Training samples of pictures instead of masks, for methods that draw the face itself.

Pictures stay uint8 RGB until they are on the device.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segkit.audio import MelFrontEnd, mel_windows
from segkit.clips import Clip
from segkit.window_dataset import NUM_SAMPLES, WindowDataset
from segkit.windows import SyncWindows


class TalkingFaceWindows(WindowDataset):
    """Windows of frames with the speech of each, and another window of the same person.

    Samples hold ``frames`` and ``reference`` (``T 3 H W`` uint8 RGB) and ``mel`` (``T 80 16``).

    Args:
        root: clip folder.
        split: of the folder.
        num_frames: T.
        seed: of the draws.
        min_reference_distance: frames between the starts of the two windows, where the clip is long
            enough; otherwise the farthest is taken. Published (Wav2Lip): any other start; ours:
            15, so that the reference does not give the mouth away.
        size: side to which frames are resized (area), by default as stored.
        flip: mirror half of the samples, both windows together.
        num_samples: virtual length.
        cache_gb: bound of the cache of decoded clips in this process.

    Raises:
        FileNotFoundError: no folder, or no clip of that split.
        ValueError: all clips are too short.

    Source: Prajwal et al. 2020 (Wav2Lip).
    """

    def __init__(
        self,
        root: str | Path,
        *,
        split: str = "train",
        num_frames: int = 5,
        seed: int = 0,
        min_reference_distance: int = 15,
        size: int | None = None,
        flip: bool = False,
        num_samples: int = NUM_SAMPLES,
        cache_gb: float = 2.0,
    ) -> None:
        super().__init__(
            root, split=split, num_frames=num_frames, shortest=num_frames + 1, seed=seed, size=size,
            flip=flip, num_samples=num_samples, cache_gb=cache_gb,
        )  # fmt: skip
        self.min_reference_distance = min_reference_distance
        self._front_end = MelFrontEnd()

    def _sample(
        self, index: int, rng: np.random.Generator, clip: Clip, span: range, start: int
    ) -> dict[str, Tensor]:
        starts = np.arange(span.start, span.stop - self.num_frames + 1)
        distance = np.abs(starts - start)
        wanted = min(self.min_reference_distance, int(distance.max()))
        other = int(rng.choice(starts[distance >= wanted]))
        flip = self._flips(rng)
        mel = self.cache.derived(clip, "mel", lambda: self._front_end(clip.waveform[None]))
        return {
            "frames": _planes(
                self.cache.frames(clip, range(start, start + self.num_frames), flip=flip)
            ),
            "reference": _planes(
                self.cache.frames(clip, range(other, other + self.num_frames), flip=flip)
            ),
            "mel": mel_windows(mel, self.num_frames, first=start)[0],
        }


class SyncFaceWindows(SyncWindows):
    """`SyncWindows` of pictures: ``frames`` (``T 3 H W`` uint8 RGB) in place of ``masks``."""

    def _sample(
        self, index: int, rng: np.random.Generator, clip: Clip, span: range, start: int
    ) -> dict[str, Tensor]:
        other_clip, other_start = self._false_sound(rng, clip, span, start)
        frames = self.cache.frames(
            clip, range(start, start + self.num_frames), flip=self._flips(rng)
        )
        return {
            "frames": _planes(frames),
            "mel": self._mel_window(clip, start),
            "other_mel": self._mel_window(other_clip, other_start),
        }


def _planes(frames: np.ndarray) -> Tensor:
    """Turn ``T H W 3`` into ``T 3 H W``."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()
