"""Paintings: strokes in the colours of regions, laid over the mask of an aligned face."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segkit.regions import SCHEME_12, RegionScheme

UNTOUCHED = 255
"""Label of the places where nothing was painted."""

_MAX_SIDE = 2048


def read_painting(path: str | Path, *, scheme: RegionScheme = SCHEME_12) -> np.ndarray:
    """Read a painting.

    Args:
        path: PNG of the aligned face, of any size: transparent where nothing is painted, elsewhere
            the exact colours of the regions.
        scheme: names and colours of the regions.

    Returns:
        uint8 ``H W``, labels and ``UNTOUCHED``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no readable picture, one that is too large, or a colour that is no region's.
    """
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"painting {path} not found")
    try:
        with Image.open(path) as opened:
            if max(opened.size) > _MAX_SIDE:
                raise ValueError(
                    f"painting {path}: {opened.width} x {opened.height} pixels are too many; "
                    f"expected at most {_MAX_SIDE} a side"
                )
            pixels = np.asarray(opened.convert("RGBA"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"painting {path}: no readable picture ({error}); give a PNG") from error
    strokes = np.full(pixels.shape[:2], UNTOUCHED, np.uint8)
    shown = pixels[..., 3] >= 128
    known = np.zeros_like(shown)
    for label, colour in enumerate(scheme.colours):
        same = (pixels[..., :3] == colour).all(-1)
        strokes[same & shown] = label
        known |= same
    if (shown & ~known).any():
        row, column = np.argwhere(shown & ~known)[0]
        red, green, blue = pixels[row, column, :3]
        raise ValueError(
            f"painting {path}: #{red:02x}{green:02x}{blue:02x} at row {row}, column {column} is "
            f"the colour of no region; paint without soft edges, in the colours of {scheme.name!r}"
        )
    return strokes


def paint(
    labels: np.ndarray, strokes: np.ndarray, *, scheme: RegionScheme = SCHEME_12
) -> np.ndarray:
    """Lay strokes over a mask; an open mouth stays open beneath them.

    Args:
        labels: uint8 ``H W``; stays as it is.
        strokes: uint8 ``h w`` from `read_painting`.
        scheme: names of the labels.

    Returns:
        A new uint8 ``H W``.
    """
    height, width = labels.shape
    rows = (np.arange(height) * 2 + 1) * strokes.shape[0] // (2 * height)
    columns = (np.arange(width) * 2 + 1) * strokes.shape[1] // (2 * width)
    laid = strokes[rows[:, None], columns]
    covered = laid != UNTOUCHED
    if "mouth" in scheme.regions:
        covered &= labels != scheme.index("mouth")
    return np.where(covered, laid, labels)


def save_painting(
    path: str | Path, strokes: np.ndarray, *, scheme: RegionScheme = SCHEME_12
) -> None:
    """Write strokes ``H W`` as the PNG that `read_painting` reads."""
    from PIL import Image

    palette = np.zeros((256, 4), np.uint8)
    palette[: len(scheme)] = [(*colour, 255) for colour in scheme.colours]
    Image.fromarray(palette[strokes]).save(path, format="PNG")


def strokes_of_pixels(pixels: np.ndarray, *, scheme: RegionScheme = SCHEME_12) -> np.ndarray:
    """Turn what a soft brush painted into strokes: the region of the nearest colour.

    Args:
        pixels: uint8 RGBA ``H W 4``; less than half opaque counts as not painted.
        scheme: colours of the regions.

    Returns:
        uint8 ``H W``, labels and ``UNTOUCHED``.
    """
    colours = np.asarray(scheme.colours, np.int32)
    distance = ((pixels[..., None, :3].astype(np.int32) - colours) ** 2).sum(-1)
    nearest = distance.argmin(-1).astype(np.uint8)
    return np.where(pixels[..., 3] >= 128, nearest, np.uint8(UNTOUCHED))
