"""Pictures that the page draws itself: the timeline of blinks above the voice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segkit.edits import BlinkSchedule

WIDTH, HEIGHT = 900, 150
_MARGIN = 24
_INK, _VOICE, _LID, _NOW = (92, 98, 110), (150, 176, 214), (214, 88, 110), (40, 44, 52)


def time_at(column: float, duration_s: float) -> float:
    """Return the time below a column of the timeline, within the talk."""
    share = (column - _MARGIN) / (WIDTH - 2 * _MARGIN)
    return round(min(max(share, 0.0), 1.0) * duration_s, 2)


def draw_timeline(
    path: Path, *, loudness: Sequence[float], blinks: BlinkSchedule, duration_s: float, now_s: float
) -> None:
    """Draw when the voice speaks and when the eyes are closed.

    Args:
        path: PNG to write.
        loudness: of the voice in equal steps, in [0, 1].
        blinks: of the whole talk.
        duration_s: length of the talk.
        now_s: moment of the preview.
    """
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (WIDTH, HEIGHT), (250, 250, 251))
    draw = ImageDraw.Draw(picture)
    top, middle, bottom = 12, 72, 122
    inner = WIDTH - 2 * _MARGIN
    for column in range(inner):
        if loudness:
            level = loudness[min(len(loudness) - 1, column * len(loudness) // inner)]
            half = max(1, round(level * (bottom - middle) / 2))
            centre = (middle + bottom) // 2
            draw.line(
                [(_MARGIN + column, centre - half), (_MARGIN + column, centre + half)], _VOICE
            )
        closed = blinks.amount_at(column / inner * duration_s)
        if closed > 0:
            end = top + round(closed * (middle - top - 8))
            draw.line([(_MARGIN + column, top), (_MARGIN + column, end)], _LID)
    step_s = next(step for step in (0.5, 1, 2, 5, 10, 30, 60, 1e9) if duration_s / step <= 12)
    tick = 0
    while duration_s > 0 and tick * step_s <= duration_s:
        column = _MARGIN + round(tick * step_s / duration_s * inner)
        draw.line([(column, bottom + 2), (column, bottom + 8)], _INK)
        draw.text((column, bottom + 10), f"{tick * step_s:g} s", _INK, anchor="ma")
        tick += 1
    if duration_s > 0:
        column = _MARGIN + round(min(now_s / duration_s, 1.0) * inner)
        draw.line([(column, 4), (column, bottom)], _NOW, width=2)
    picture.save(path, compress_level=2)
