"""Swatches: looks of drawn persons to choose from, a small picture for each region."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SEEDS = {
    "a": 990_051,
    "b": 990_017,
    "c": 990_004,
    "d": 990_023,
    "e": 990_031,
    "f": 990_042,
}
"""Name -> seed; none of them was seen in training."""

FACE_SIZE = 256
_TILE = 72


def tile_of(image: np.ndarray, inside: np.ndarray) -> np.ndarray | None:
    """Cut a square out of a picture that shows as much of a region as can be.

    Args:
        image: uint8 RGB ``H W 3``.
        inside: bool ``H W``, the region.

    Returns:
        uint8 RGB, square; None where the region is too small to show.
    """
    import cv2

    num_pixels = int(inside.sum())
    if num_pixels < 60:
        return None
    # The square of the region's area, or as wide as a flat region is high, where most of it is.
    rows, columns = np.nonzero(inside)
    height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    side = int(np.clip(1.6 * min(height, width), 16, min(image.shape[:2])))
    share = cv2.boxFilter(
        inside.astype(np.float32), -1, (side, side), borderType=cv2.BORDER_CONSTANT
    )
    row, column = np.unravel_index(int(share.argmax()), share.shape)
    top = int(np.clip(row - side // 2, 0, image.shape[0] - side))
    left = int(np.clip(column - side // 2, 0, image.shape[1] - side))
    return cv2.resize(
        image[top : top + side, left : left + side], (_TILE, _TILE), interpolation=cv2.INTER_AREA
    )


def portraits(*, folder: str, seeds: dict[str, int], size: int) -> dict[str, Any]:
    """Draw faces that nobody has, with a tile for each of their regions.

    Args:
        folder: gets ``NAME.png`` and ``NAME-REGION.png``.
        seeds: name -> seed of a synthetic person.
        size: side of the faces in pixels.

    Returns:
        ``tiles``: name -> regions that have one.
    """
    from PIL import Image

    from segkit.regions import SCHEME_12
    from segkit.synthetic import portrait

    tiles: dict[str, list[str]] = {}
    for name, seed in seeds.items():
        image, labels = portrait(seed, size=size)
        Image.fromarray(image).save(Path(folder) / f"{name}.png")
        tiles[name] = []
        for label, region in enumerate(SCHEME_12.regions):
            tile = tile_of(image, labels == label)
            if region != "background" and tile is not None:
                Image.fromarray(tile).save(Path(folder) / f"{name}-{region}.png")
                tiles[name].append(region)
    return {"tiles": tiles}
