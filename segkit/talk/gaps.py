"""Beside a gap: the mouth turns into the film's own before the film shows it."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_cdt
from torch import Tensor

_REACH_S = 0.12
"""How far from a gap the film's mouth is felt. Paper: no gaps; ours: three frames at 25 fps, in
which a mouth goes from wide open to closed."""

_LEAST = 1e-6
"""Of a probability, before its logarithm."""


def film_shares(valid: np.ndarray, *, fps: float) -> np.ndarray:
    """Say how much of each frame's mouth is the film's own, so that none leaps where a gap begins.

    Args:
        valid: ``T`` bool, whether the frame has a face; the others pass through as they are.
        fps: frames per second.

    Returns:
        ``T`` float32 in [0, 1): highest beside a gap, 0 from 0.12 s on and where nothing is
        missed. The ends of a film are no gaps.
    """
    valid = np.asarray(valid, bool)
    if valid.all():
        return np.zeros(len(valid), np.float32)
    reach = round(_REACH_S * fps) + 1
    distance = distance_transform_cdt(valid[None], metric="taxicab")[0]
    return np.where(valid, np.maximum(0, 1 - distance / reach), 0).astype(np.float32)


def towards_film(logits: Tensor, planes: Tensor, share: float) -> Tensor:
    """Mix the mask of the film into a spoken one: areas go over from one to the other.

    Args:
        logits: ``R M M``, of the spoken mask.
        planes: ``R M M`` one-hot, the film's.
        share: of the film, in [0, 1).
    """
    mixed = torch.lerp(logits.float().softmax(0), planes.float(), share)
    return mixed.clamp_min(_LEAST).log().to(logits.dtype)
