"""What all training samples share: any window of any clip, chosen by (seed, index) alone."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from segkit.clip_cache import ClipCache
from segkit.clips import Clip, ClipFolder

NUM_SAMPLES = 1_000_000
"""Default virtual length: more than a training run asks for."""


class WindowDataset(Dataset[dict[str, Tensor]]):
    """Draws a clip and a start frame for each index; every possible window is equally likely."""

    def __init__(
        self,
        root: str | Path,
        *,
        split: str,
        num_frames: int,
        shortest: int,
        seed: int,
        size: int | None,
        flip: bool,
        num_samples: int,
        cache_gb: float,
    ) -> None:
        self.root = Path(root)
        self.num_frames = num_frames
        self.seed = seed
        self.flip = flip
        self.num_samples = num_samples
        self.cache = ClipCache(size=size, cache_gb=cache_gb)
        #: (clip, first frame of the range, one past its last frame)
        self.ranges: list[tuple[Clip, int, int]] = [
            (clip, first, stop)
            for clip in ClipFolder(root).clips(split)
            for first, stop in clip.valid_ranges
            if stop - first >= shortest
        ]
        if not self.ranges:
            raise ValueError(
                f"clip folder {root}, split {split!r}: no clip has {shortest} frames in a row "
                "with a face; add longer clips"
            )
        self._check_sizes(size)
        self._ends = np.cumsum([stop - first - num_frames + 1 for _, first, stop in self.ranges])

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < self.num_samples:
            raise IndexError(f"sample {index} of {self.num_samples}")
        rng = np.random.default_rng((self.seed, index))
        place = int(rng.integers(self._ends[-1]))
        number = int(np.searchsorted(self._ends, place, side="right"))
        clip, first, stop = self.ranges[number]
        start = stop - self.num_frames - int(self._ends[number] - 1 - place)
        return self._sample(index, rng, clip, range(first, stop), start)

    @abstractmethod
    def _sample(
        self, index: int, rng: np.random.Generator, clip: Clip, span: range, start: int
    ) -> dict[str, Tensor]:
        """Cut the sample whose window begins at frame ``start`` of the valid range ``span``."""

    def _flips(self, rng: np.random.Generator) -> bool:
        return self.flip and bool(rng.random() < 0.5)

    def _check_sizes(self, size: int | None) -> None:
        sizes = sorted({clip.size for clip, _, _ in self.ranges})
        if size is None and len(sizes) > 1:
            raise ValueError(
                f"clip folder {self.root} mixes sizes {sizes}; give size= to bring them to one"
            )
