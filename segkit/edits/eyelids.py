"""Eyelids: the eyes of a label map, closed as far as wanted."""

from __future__ import annotations

import numpy as np

from segkit.regions import SCHEME_12, RegionScheme


def blink(labels: np.ndarray, amount: float, *, scheme: RegionScheme = SCHEME_12) -> np.ndarray:
    """Close the eyes of a mask: the upper lid of each eye sinks towards the lower lid.

    Args:
        labels: integer label map ``H W``.
        amount: 0 leaves the eyes as they are, 1 closes them.
        scheme: tells which labels are eyes and skin.

    Returns:
        A new label map; only pixels that were eyes can differ, and those become skin.

    Raises:
        ValueError: not a map ``H W``, or an amount outside [0, 1].
    """
    if labels.ndim != 2:
        raise ValueError(f"labels: expected a map (H, W), got shape {labels.shape}")
    if not 0 <= amount <= 1:
        raise ValueError(f"amount: expected 0 (open) .. 1 (closed), got {amount}")
    import cv2

    skin = scheme.index("skin")
    eyes = np.isin(labels, [scheme.index(name) for name in scheme.eyes])
    closed = labels.copy()
    num_eyes, components = cv2.connectedComponents(eyes.astype(np.uint8), connectivity=8)
    rows = np.arange(labels.shape[0])[:, None]
    for index in range(1, num_eyes):
        eye = components == index
        top = np.where(eye, rows, labels.shape[0]).min(0)
        bottom = np.where(eye, rows, -1).max(0)
        # Every column keeps the lower part of its own height: a lid, not a shrinking eye.
        kept = np.rint((1 - amount) * (bottom + 1 - top))
        closed[eye & (rows <= bottom - kept)] = skin
    return closed
