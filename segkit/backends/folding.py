"""Batch norms folded into the convolutions before them: two passes over every map less."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def with_folded_norms(module: nn.Module) -> nn.Module:
    """Return a copy whose convolutions do what the batch norms after them did.

    Those of an ``nn.Sequential`` alone, whose order is known, and of norms that keep running
    statistics. Results differ by the rounding of products.

    Args:
        module: in evaluation mode; it is not changed, and returned where there is no such norm.
    """
    if not any(_pairs(module)):
        return module
    folded = copy.deepcopy(module)
    for part, place in _pairs(folded):
        both: tuple[Any, Any] = (part[place], part[place + 1])
        swapped = isinstance(both[0], nn.ConvTranspose2d)
        part[place] = fuse_conv_bn_eval(*both, transpose=swapped)
        part[place + 1] = nn.Identity()
    return folded


def _pairs(module: nn.Module) -> Iterator[tuple[nn.Sequential, int]]:
    """Yield where a convolution is followed by a batch norm."""
    for part in module.modules():
        if isinstance(part, nn.Sequential):
            for place in range(len(part) - 1):
                is_convolution = isinstance(part[place], nn.Conv2d | nn.ConvTranspose2d)
                norm = part[place + 1]
                if is_convolution and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
                    yield part, place
