"""The mask of a guided generator at every size it works in, whole or in part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from segkit_models.generators.boxes import Box, cut
from segkit_models.layers.modulation import is_one_hot
from segkit_models.layers.region_pooling import mask_pyramid, smooth_mask


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
        mode: how it is brought to size, see `resize_mask`; or ``"smooth"``, which is ``"area"``
            and, where no averages soften the borders, mixes each pixel with its neighbours.
    """

    def __init__(self, mask: Tensor, sides: Sequence[int], *, mode: str) -> None:
        # A graph that is traced for one mask must draw any other.
        traced = torch.jit.is_tracing() or torch.compiler.is_compiling()
        hard = not traced and mode == "nearest" and is_one_hot(mask)
        # Channels last, as the features that are multiplied by what a mask paints; averages and
        # the choice of labels take a third and less of the time on a CPU, too.
        mask = mask.contiguous(memory_format=torch.channels_last)
        self._hard_from = mask.shape[-1] if mode == "smooth" else math.inf
        mode = "area" if mode == "smooth" else mode
        self._masks = mask_pyramid(mask, tuple(sides), mode=mode)
        self._labels: dict[int, Tensor] = {}
        if hard:
            labels = mask_pyramid(mask.max(1, keepdim=True).indices.byte(), tuple(sides))
            self._labels = {side: each[:, 0].long() for side, each in labels.items()}
        self._parts: dict[tuple[int, Box], MaskMap] = {}

    def at(self, side: int, box: Box) -> MaskMap:
        """Return the part of the mask in a box of the size ``side``, cut once for all layers."""
        if (side, box) not in self._parts:
            whole, labels = Box.whole(side), self._labels.get(side)
            smooth = side >= self._hard_from
            around = box.grown(1, side) if smooth else box
            mask = cut(self._masks[side], around, of=whole)
            if smooth:
                mask = cut(smooth_mask(mask), box, of=around)
            self._parts[side, box] = MaskMap(
                mask.contiguous(memory_format=torch.channels_last),
                None if labels is None else cut(labels, box, of=whole),
            )
        return self._parts[side, box]
