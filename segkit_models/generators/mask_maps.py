"""The mask of a guided generator at every size it works in, whole or in part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from segkit_models.generators.boxes import Box, cut
from segkit_models.layers.modulation import is_one_hot
from segkit_models.layers.region_pooling import mask_pyramid


class MaskMap(NamedTuple):
    """A mask at one size.

    Attributes:
        mask: ``B R H W``.
        labels: ``B H W``, looked up faster; None where the mask is soft or cannot be looked at.
    """

    mask: Tensor
    labels: Tensor | None


class MaskMaps:
    """A mask brought to several sizes.

    Args:
        mask: ``B R H H``, one-hot or soft.
        sides: the sizes.
        mode: how it is brought to size, see `resize_mask`.
    """

    def __init__(self, mask: Tensor, sides: Sequence[int], *, mode: str) -> None:
        self._masks = mask_pyramid(mask, tuple(sides), mode=mode)
        # A graph that is traced for one mask must draw any other.
        traced = torch.jit.is_tracing() or torch.compiler.is_compiling()
        hard = not traced and all(map(is_one_hot, self._masks.values()))
        self._labels = {side: each.argmax(1) for side, each in self._masks.items() if hard}

    def at(self, side: int, box: Box) -> MaskMap:
        """Return the part of the mask in a box of the size ``side``."""
        whole = Box.whole(side)
        labels = self._labels.get(side)
        return MaskMap(
            cut(self._masks[side], box, of=whole),
            None if labels is None else cut(labels, box, of=whole),
        )
