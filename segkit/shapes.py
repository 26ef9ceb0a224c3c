"""Shapes in binary maps: where they are, how deep inside a pixel lies, their largest part."""

from __future__ import annotations

import numpy as np


def box_around(mask: np.ndarray, reach: int) -> tuple[slice, slice] | None:
    """Return the box of a mask and ``reach`` pixels around; None of an empty mask.

    From 2 pixels on, none outside of the box is the nearest without the mask.

    Args:
        mask: ``H W``, what is not 0 belongs to it.
        reach: pixels on every side, as far as there are any.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return (
        slice(max(0, rows[0] - reach), rows[-1] + 1 + reach),
        slice(max(0, columns[0] - reach), columns[-1] + 1 + reach),
    )


def depth(mask: np.ndarray) -> np.ndarray:
    """Return how deep inside the mask each pixel lies; outside, the negative way to it.

    Args:
        mask: ``H W`` uint8, 0 or 1.
    """
    import cv2

    def distance(plane: np.ndarray) -> np.ndarray:
        # Repeated edges: the map's own border is none of the mask's.
        padded = np.pad(plane, 1, mode="edge")
        return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]

    # Both distances are at least 1 on their own side: half a pixel each makes them one scale.
    return distance(mask) - distance(1 - mask) + 0.5 - mask


def largest_part(mask: np.ndarray) -> np.ndarray:
    """Keep the largest connected part of a binary map ``H W``, which is all of an empty one."""
    import cv2

    box = box_around(mask, 0)
    if box is None:
        return mask
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask[box].astype(np.uint8))
    largest = np.zeros_like(mask)
    largest[box] = parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    return largest
