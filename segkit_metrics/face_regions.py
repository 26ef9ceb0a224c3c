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
    points: np.ndarray, size: tuple[int, int], *, margin: float, smallest: int = 1
) -> tuple[slice, slice] | None:
    """Return rows and columns of the box around some landmarks, cut at the frame's border.

    Args:
        points: ``K 2`` pixels, x then y.
        size: ``(H, W)`` of the frame.
        margin: added on each side, as a share of the longer side.
        smallest: pixels of a side, to which a smaller box grows about its middle, where the frame
            has room.

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
    rows = _span(top, bottom, length=size[0], smallest=smallest)
    columns = _span(left, right, length=size[1], smallest=smallest)
    return None if rows is None or columns is None else (rows, columns)


def _span(low: float, high: float, *, length: int, smallest: int) -> slice | None:
    start, stop = max(math.floor(low), 0), min(math.ceil(high) + 1, length)
    if stop <= start:
        return None
    missing = min(smallest, length) - (stop - start)
    if missing > 0:
        start = min(max(start - missing // 2, 0), length - min(smallest, length))
        stop = start + min(smallest, length)
    return slice(start, stop)
