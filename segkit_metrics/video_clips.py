"""Cut streamed frames into clips of one length and resize them as I3D's users do."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Resizing = Literal["tf1", "bilinear"]


class ClipCutter:
    """Cut clips of equal length from frames that come in chunks; a tail is left over.

    Args:
        length: frames of a clip.
        stride: from the beginning of one clip to that of the next.
    """

    def __init__(self, *, length: int, stride: int) -> None:
        self.length, self.stride = length, stride
        self._rest: np.ndarray | None = None
        self._start = 0

    def add(self, frames: np.ndarray) -> list[np.ndarray]:
        """Take the next frames ``T ...`` and return the clips that they complete."""
        if self._rest is not None and len(self._rest):
            frames = np.concatenate([self._rest, frames])
        clips = []
        while self._start + self.length <= len(frames):
            clips.append(frames[self._start : self._start + self.length])
            self._start += self.stride
        # A view would keep the whole chunk alive.
        self._rest = frames[self._start :].copy()
        self._start = max(0, self._start - len(frames))
        return clips


def resize_clip(frames: Tensor, side: int, *, how: Resizing) -> Tensor:
    """Resize every frame by itself, without antialiasing.

    Args:
        frames: ``T C H W``, floats.
        side: of the result.
        how: ``"tf1"``: pixel k of the result lies at ``k H / side``, as TensorFlow 1 and so the
            first code of FVD; ``"bilinear"``: at ``(k + 0.5) H / side - 0.5``, as PyTorch.

    Returns:
        ``T C side side``.

    Example:
        >>> row = torch.tensor([0.0, 4.0, 8.0, 12.0]).expand(1, 1, 4, 4)
        >>> resize_clip(row, 2, how="tf1")[0, 0, 0]
        tensor([0., 8.])
        >>> resize_clip(row, 2, how="bilinear")[0, 0, 0]
        tensor([ 2., 10.])
    """
    if how == "bilinear":
        return functional.interpolate(frames, (side, side), mode="bilinear")
    return _at_corners(_at_corners(frames, side).mT, side).mT


def _at_corners(frames: Tensor, side: int) -> Tensor:
    """Resize the last axis."""
    size = frames.shape[-1]
    place = torch.arange(side, dtype=torch.float64, device=frames.device) * (size / side)
    left = place.floor().long().clamp(max=size - 1)
    right = (left + 1).clamp(max=size - 1)
    share = (place - left).to(frames.dtype)
    return frames[..., left] + (frames[..., right] - frames[..., left]) * share
