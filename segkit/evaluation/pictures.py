"""Pictures of single frames for a report: real beside predicted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segkit.regions import SCHEME_12, RegionScheme

if TYPE_CHECKING:
    from PIL.Image import Image

GAIN = 4
"""Of the difference: an error of 64 levels or more is white."""

CAPTION_HEIGHT = 22
"""Pixels above each tile."""

GAP = 3
"""Pixels between tiles."""

_UNLABELLED = 255
_PAINT = 0.5
_PAPER, _INK = (27, 29, 33), (226, 228, 232)


@dataclass(frozen=True)
class ShownFrame:
    """A frame that a report shows.

    Attributes:
        kind: ``"best"``, ``"median"`` or ``"worst"``.
        number: of the frame, the first is 0.
        time_s: when it is seen.
        name: of the value it was chosen by, such as ``"LPIPS/lpips"``.
        value: what was measured of it.
        file: path of its picture, relative to the folder of the report; empty without one.
    """

    kind: str
    number: int
    time_s: float
    name: str
    value: float
    file: str = ""


def difference(real: np.ndarray, pred: np.ndarray) -> np.ndarray:
    """Return how far two pictures lie apart, as a grey picture.

    Args:
        real: ``H W 3`` uint8.
        pred: the same shape.

    Returns:
        ``H W`` uint8: the mean over RGB of the absolute difference, times `GAIN`.
    """
    apart = np.abs(real.astype(np.int16) - pred.astype(np.int16)).mean(-1)
    return np.clip(np.rint(GAIN * apart), 0, 255).astype(np.uint8)


def frame_strip(
    real: np.ndarray,
    pred: np.ndarray,
    *,
    real_labels: np.ndarray | None = None,
    pred_labels: np.ndarray | None = None,
    side: int = 256,
    scheme: RegionScheme = SCHEME_12,
) -> np.ndarray:
    """Lay a real and a predicted frame, their difference and their masks in one row.

    Args:
        real: ``H W 3`` uint8 RGB.
        pred: the same.
        real_labels: ``H W`` uint8; 255 is left unpainted, and so is the background.
        pred_labels: the same.
        side: height of a tile. Larger pictures are shrunk to it, smaller ones enlarged by whole
            factors without smoothing.
        scheme: what the labels mean.

    Returns:
        The row ``h w 3`` uint8, captions of `CAPTION_HEIGHT` above tiles that are `GAP` apart.

    Raises:
        ValueError: pictures or labels of another size or kind, or a label outside the scheme.
    """
    _check_picture(real, "real")
    _check_picture(pred, "pred")
    if real.shape != pred.shape:
        raise ValueError(f"expected pictures of one size, got {real.shape} and {pred.shape}")
    apart = np.repeat(difference(real, pred)[..., None], 3, axis=-1)
    tiles = {"real": real, "predicted": pred, f"|difference| x {GAIN}": apart}
    for name, picture, labels in (
        ("real mask", real, real_labels),
        ("predicted mask", pred, pred_labels),
    ):
        if labels is not None:
            tiles[name] = _painted(picture, labels, scheme, name)
    return _row({name: _resized(tile, side) for name, tile in tiles.items()})


def write_png(path: str | Path, image: np.ndarray) -> None:
    """Write a picture; the file appears whole or not at all.

    Args:
        path: of the file; its folder is made if it is not there.
        image: ``H W 3`` uint8.

    Raises:
        ValueError: no such picture.
    """
    from PIL import Image

    _check_picture(image, "image")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        Image.fromarray(image).save(part, format="PNG")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _check_picture(picture: np.ndarray, name: str) -> None:
    if picture.ndim != 3 or picture.shape[-1] != 3 or picture.dtype != np.uint8:
        raise ValueError(
            f"{name}: expected a picture (H, W, 3) of uint8, got {picture.shape} {picture.dtype}"
        )


def _painted(
    picture: np.ndarray, labels: np.ndarray, scheme: RegionScheme, name: str
) -> np.ndarray:
    """Lay the colours of the regions over a picture."""
    if labels.shape != picture.shape[:2]:
        raise ValueError(f"{name}: expected labels {picture.shape[:2]}, got {labels.shape}")
    unknown = labels == _UNLABELLED
    if (found := int(np.where(unknown, 0, labels).max(initial=0))) >= len(scheme):
        raise ValueError(f"{name}: expected labels below {len(scheme)} or 255, got {found}")
    colours = scheme.colourise(np.where(unknown, 0, labels))
    mixed = (1 - _PAINT) * picture + _PAINT * colours
    bare = unknown | (labels == scheme.index("background"))
    return np.where(bare[..., None], picture, np.round(mixed)).astype(np.uint8)


def _resized(tile: np.ndarray, side: int) -> np.ndarray:
    from PIL import Image

    height, width = tile.shape[:2]
    if height > side:
        size = (max(1, round(width * side / height)), side)
        return np.asarray(Image.fromarray(tile).resize(size, Image.Resampling.BOX))
    factor = side // height
    return tile.repeat(factor, axis=0).repeat(factor, axis=1)


def _row(tiles: dict[str, np.ndarray]) -> np.ndarray:
    from PIL import Image

    height = CAPTION_HEIGHT + next(iter(tiles.values())).shape[0]
    width = sum(tile.shape[1] for tile in tiles.values()) + GAP * (len(tiles) - 1)
    row = Image.new("RGB", (width, height), _PAPER)
    left = 0
    for name, tile in tiles.items():
        row.paste(_caption(name, tile.shape[1]), (left, 0))
        row.paste(Image.fromarray(tile), (left, CAPTION_HEIGHT))
        left += tile.shape[1] + GAP
    return np.asarray(row)


def _caption(text: str, width: int) -> Image:
    # A picture of its own: a long name is cut at its tile's edge and never runs into the next.
    from PIL import Image, ImageDraw, ImageFont

    bar = Image.new("RGB", (width, CAPTION_HEIGHT), _PAPER)
    draw = ImageDraw.Draw(bar)
    draw.text((6, CAPTION_HEIGHT // 2), text, fill=_INK, anchor="lm",
              font=ImageFont.load_default(13))  # fmt: skip
    return bar
