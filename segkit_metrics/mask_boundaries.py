"""F-measure of the boundaries of two masks."""

from __future__ import annotations

import math

import cv2
import numpy as np


def inner_boundary(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a region that touch, on one of four sides, a pixel outside of it.

    Args:
        mask: ``H W`` bool. The frame's edge is no boundary: nobody drew it.

    Returns:
        ``H W`` bool.
    """
    boundary = np.zeros_like(mask)
    boundary[1:] |= mask[1:] & ~mask[:-1]
    boundary[:-1] |= mask[:-1] & ~mask[1:]
    boundary[:, 1:] |= mask[:, 1:] & ~mask[:, :-1]
    boundary[:, :-1] |= mask[:, :-1] & ~mask[:, 1:]
    return boundary


def boundary_f(prediction: np.ndarray, target: np.ndarray, *, tolerance: float) -> float:
    """Return how well two boundaries lie on one another.

    Args:
        prediction: ``H W`` bool.
        target: the same shape.
        tolerance: Euclidean pixels within which two boundary pixels meet.

    Returns:
        Harmonic mean of the shares of either boundary that meet the other; NaN if neither mask has
        one, 0 if one has.

    Source: Martin et al. 2004; Perazzi et al. 2016 (DAVIS), which dilates the same way.
    """
    boundaries = [inner_boundary(mask) for mask in (prediction, target)]
    counts = [int(boundary.sum()) for boundary in boundaries]
    if not any(counts):
        return float("nan")
    if not all(counts):
        return 0.0
    disc = _disc(tolerance)
    near = [cv2.dilate(boundary.astype(np.uint8), disc) > 0 for boundary in boundaries]
    precision = (boundaries[0] & near[1]).sum() / counts[0]
    recall = (boundaries[1] & near[0]).sum() / counts[1]
    total = precision + recall
    return float(2 * precision * recall / total) if total else 0.0


def _disc(radius: float) -> np.ndarray:
    reach = np.arange(-math.floor(radius), math.floor(radius) + 1)
    return (reach**2 + reach[:, None] ** 2 <= radius**2).astype(np.uint8)
