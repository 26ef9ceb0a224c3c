"""Eyes, brows, nose, lips and mouth drawn from the face mesh with anti-aliased edges."""

from __future__ import annotations

import cv2
import numpy as np

from segkit.faces.topology import (
    INNER_LIP,
    LEFT_BROW,
    LEFT_EYE,
    NOSE,
    OUTER_LIP,
    RIGHT_BROW,
    RIGHT_EYE,
)

_SUPERSAMPLING = 4

FEATURES: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...] = (
    ("nose", (NOSE,)),
    ("eyebrows", (LEFT_BROW, RIGHT_BROW)),
    ("eyes", (LEFT_EYE, RIGHT_EYE)),
    ("lip", (OUTER_LIP,)),
    ("mouth", (INNER_LIP,)),
)
"""Region names and outlines in painting order: later ones cover earlier ones."""


def coverage(
    landmarks: np.ndarray, outlines: tuple[tuple[int, ...], ...], height: int, width: int
) -> np.ndarray:
    """Return how much of each pixel the outlines cover.

    Args:
        landmarks: ``468 2`` pixels.
        outlines: closed polygons of landmark indices.
        height: of the result.
        width: of the result.

    Returns:
        ``H W`` float32 in [0, 1].
    """
    result = np.zeros((height, width), np.float32)
    for outline in outlines:
        points = landmarks[list(outline)].astype(np.float64)
        x0, y0 = np.clip(np.floor(points.min(0)).astype(int) - 1, 0, (width, height))
        x1, y1 = np.clip(np.ceil(points.max(0)).astype(int) + 1, 0, (width, height))
        if x1 <= x0 or y1 <= y0:
            continue
        canvas = np.zeros(((y1 - y0) * _SUPERSAMPLING, (x1 - x0) * _SUPERSAMPLING), np.uint8)
        polygon = np.rint(((points - (x0, y0)) * _SUPERSAMPLING - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(canvas, [polygon], 255, shift=4)
        drawn = cv2.resize(canvas, (int(x1 - x0), int(y1 - y0)), interpolation=cv2.INTER_AREA)
        window = result[y0:y1, x0:x1]
        np.maximum(window, drawn.astype(np.float32) / 255, out=window)
    return result
