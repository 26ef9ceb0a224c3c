"""Keep decoded clips in memory, under a bound, so that training does not wait for files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from segkit.clips import Clip

Store = tuple[np.ndarray, np.ndarray]  # pictures ``T ...`` uint8 and which of them are filled in


class ClipCache:
    """Frames, masks and sounds of clips, decoded once.

    A clip gets its place at its first use, until the bound is reached; later clips are read from
    their files each time. Nothing is thrown out: with random access the clips in memory are as good
    as any others.

    Args:
        size: side to which frames (area) and masks (nearest) are resized, None for as stored.
        cache_gb: bound for frames and masks together, in 1e9 bytes, of this process.
    """

    def __init__(self, *, size: int | None = None, cache_gb: float = 2.0) -> None:
        self.size = size
        self.bytes_left = int(cache_gb * 1e9)
        self._stores: dict[tuple[Path, str], Store | None] = {}
        self._derived: dict[tuple[Path, str], Tensor] = {}

    def frames(self, clip: Clip, indices: Sequence[int], *, flip: bool = False) -> np.ndarray:
        """Return frames ``n H W 3`` uint8, a copy."""
        return self._pictures(clip, indices, "frames", flip)

    def masks(self, clip: Clip, indices: Sequence[int], *, flip: bool = False) -> np.ndarray:
        """Return label maps ``n H W`` uint8, a copy."""
        return self._pictures(clip, indices, "masks", flip)

    def derived(self, clip: Clip, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Return what ``make`` gave for this clip at first; sounds are small and always kept."""
        key = (clip.folder, name)
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]

    def _pictures(self, clip: Clip, indices: Sequence[int], kind: str, flip: bool) -> np.ndarray:
        store = self._store(clip, kind)
        if store is None:
            pictures = self._read(clip, kind, indices)
        else:
            pictures, filled = store
            # Seeking in a video costs as much as reading it: take all of it at once.
            whole = kind == "frames" and clip.entry["storage"] == "mp4"
            missing = [i for i in (range(clip.num_frames) if whole else indices) if not filled[i]]
            if missing:
                pictures[missing] = self._read(clip, kind, missing)
                filled[missing] = True
            pictures = pictures[list(indices)]
        return np.ascontiguousarray(pictures[:, :, ::-1]) if flip else pictures

    def _store(self, clip: Clip, kind: str) -> Store | None:
        key = (clip.folder, kind)
        if key not in self._stores:
            size = self.size or clip.size
            shape = (clip.num_frames, size, size, *((3,) if kind == "frames" else ()))
            num_bytes = int(np.prod(shape))
            fits = num_bytes <= self.bytes_left
            self.bytes_left -= num_bytes if fits else 0
            self._stores[key] = (
                (np.empty(shape, np.uint8), np.zeros(clip.num_frames, bool)) if fits else None
            )
        return self._stores[key]

    def _read(self, clip: Clip, kind: str, indices: Sequence[int]) -> np.ndarray:
        import cv2

        pictures = clip.frames(indices) if kind == "frames" else clip.masks(indices)
        if self.size is None or self.size == pictures.shape[1]:
            return pictures
        shrinks = self.size < pictures.shape[1]
        smooth = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        method = smooth if kind == "frames" else cv2.INTER_NEAREST_EXACT
        return np.stack(
            [
                cv2.resize(picture, (self.size, self.size), interpolation=method)
                for picture in pictures
            ]
        )
