"""Label maps between the source, TSG and SGI: sizes, and back to pixels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature

import numpy as np
import torch
from torch import Tensor, nn

from segkit.decisions import decide
from segkit.regions import RegionScheme


def lower_logits(
    decode: Callable[..., Tensor], *, of: Callable[..., Tensor], side: int
) -> Callable[..., Tensor]:
    """Let a mask decoder leave out the rows that `compose_labels` never looks at, if it can.

    Args:
        decode: what is called.
        of: the function behind it, which may have an argument ``first_row``.
        side: of the masks; enlarging them mixes a row above the lower half into its first.
    """
    if "first_row" not in signature(of).parameters:
        return decode
    return partial(decode, first_row=side // 2 - 1)


def compose_labels(labels: np.ndarray, logits: Tensor, scheme: RegionScheme) -> np.ndarray:
    """Turn logits into the generator's label map.

    Args:
        labels: source labels ``S S``, whose upper half is kept.
        logits: ``R M M``; enlarged before the decision, so that borders stay smooth.
        scheme: of the labels.

    Returns:
        uint8 ``S S``.
    """
    side = labels.shape[0]
    composed = labels.copy()
    composed[side // 2 :] = decide(enlarged_lower(logits[None], side), scheme)[0].cpu().numpy()
    return composed


def enlarged_lower(logits: Tensor, side: int) -> Tensor:
    """Bring logits to another size, bilinearly, and return the lower half.

    Args:
        logits: ``B R M M``.
        side: S.

    Returns:
        ``B R S/2 S``.
    """
    size = logits.shape[-1]
    if size == side:
        return logits[:, :, size // 2 :]
    if side % size or size % 2:
        whole = nn.functional.interpolate(logits, (side, side), mode="bilinear")
        return whole[:, :, side // 2 :]
    # The row above the lower half is all that its own first rows mix with.
    rows = logits[:, :, size // 2 - 1 :]
    step = side // size
    taller = nn.functional.interpolate(rows, (rows.shape[2] * step, side), mode="bilinear")
    return taller[:, :, step:]


def shrunk(labels: Tensor, side: int) -> Tensor:
    """Bring label maps ``... S S`` to a smaller side by taking every k-th pixel."""
    if labels.shape[-1] == side:
        return labels
    step = labels.shape[-1] // side
    if step * side != labels.shape[-1]:
        raise ValueError(
            f"labels: expected a side that is a multiple of {side}, got {labels.shape[-1]}"
        )
    return labels[..., step // 2 :: step, step // 2 :: step]


def to_pixels(images: Tensor) -> np.ndarray:
    """Map images ``B 3 H W`` in [-1, 1] to uint8 ``B H W 3``."""
    return (
        ((images.float() + 1) * 127.5)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
        .permute(0, 2, 3, 1)
        .cpu()
        .numpy()
    )
