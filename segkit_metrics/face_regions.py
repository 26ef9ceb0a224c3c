"""The part of a frame that is measured: all of it, or a box around true landmarks."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

Region = Literal["full", "face", "mouth"]

POINTS: dict[str, slice] = {"face": slice(0, 68), "mouth": slice(48, 68)}
"""Landmarks of each region in the 68-point layout."""

EYE_CORNERS = (36, 45)
"""The outer corners of both eyes in the 68-point layout."""


def landmark_box(
    points: np.ndarray, size: tuple[int, int], *, margin: float
) -> tuple[slice, slice] | None:
    """Return rows and columns of the box around some landmarks, cut at the frame's border.

    Args:
        points: ``K 2`` pixels, x then y.
        size: ``(H, W)`` of the frame.
        margin: added on each side, as a share of the longer side.

    Returns:
        None if a point is NaN, or the box lies outside of the frame.

    Example:
        >>> landmark_box(np.array([[10, 20], [30, 24]]), (64, 64), margin=0.5)
        (slice(10, 35, None), slice(0, 41, None))
    """
    if not np.isfinite(points).all():
        return None
    low, high = points.min(0), points.max(0)
    extra = margin * float((high - low).max())
    (left, top), (right, bottom) = low - extra, high + extra
    rows = slice(max(math.floor(top), 0), min(math.ceil(bottom) + 1, size[0]))
    columns = slice(max(math.floor(left), 0), min(math.ceil(right) + 1, size[1]))
    empty = rows.stop <= rows.start or columns.stop <= columns.start
    return None if empty else (rows, columns)
