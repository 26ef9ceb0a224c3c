"""Contact sheets: many moments of many videos in one labelled picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

_GAP, _TITLE = 4, 22
_PAPER, _INK = (250, 250, 248), (40, 40, 44)


def sample_frames(path: str | Path, *, count: int) -> list[np.ndarray]:
    """Read frames spread evenly over a video, without holding the others in memory.

    Args:
        path: of the video.
        count: how many frames; fewer if the video has fewer.

    Returns:
        Pictures ``H W 3`` uint8.
    """
    from segkit.video import VideoReader

    with VideoReader(path) as video:
        wanted = np.linspace(0, max(0, video.num_frames - 1), count).round().astype(int)
        chosen = set(wanted.tolist())
        return [frame.image for index, frame in enumerate(video) if index in chosen]


def contact_sheet(rows: Mapping[str, Sequence[np.ndarray]], *, tile: int = 160) -> np.ndarray:
    """Lay pictures out in titled rows.

    Args:
        rows: title -> pictures ``H W 3`` uint8 of any size.
        tile: height of every picture on the sheet, in pixels.

    Returns:
        The sheet ``H W 3`` uint8.

    Raises:
        ValueError: no pictures at all.
    """
    from PIL import Image, ImageDraw

    if not any(len(pictures) for pictures in rows.values()):
        raise ValueError("contact sheet: expected at least one picture, got none")
    scaled = {
        title: [
            Image.fromarray(picture).resize(
                (max(1, round(picture.shape[1] * tile / picture.shape[0])), tile)
            )
            for picture in pictures
        ]
        for title, pictures in rows.items()
    }
    width = (
        max(sum(picture.width + _GAP for picture in pictures) for pictures in scaled.values())
        + _GAP
    )
    sheet = Image.new("RGB", (width, len(scaled) * (tile + _TITLE) + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, (title, pictures) in enumerate(scaled.items()):
        top = row * (tile + _TITLE)
        draw.text((_GAP, top + 5), title, fill=_INK)
        left = _GAP
        for picture in pictures:
            sheet.paste(picture, (left, top + _TITLE))
            left += picture.width + _GAP
    return np.asarray(sheet)
