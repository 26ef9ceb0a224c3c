"""What an evaluation found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from segkit.evaluation.pictures import ShownFrame

MOST_POINTS = 400
"""Of a curve: more than a plot shows, and little to keep of an hour."""


@dataclass
class Report:
    """What an evaluation found; plain data.

    Attributes:
        values: ``metric/value`` -> number over all clips.
        definitions: metric -> what its numbers are.
        directions: metric -> ``"up"`` or ``"down"`` is better.
        units: metric -> unit of its headline.
        prefixes: what a value's name begins with -> metric.
        clips: name -> ``metric/value`` -> number of that clip.
        skipped: metric -> why it was not measured at all.
        problems: clip -> sentences about what went wrong or is worth knowing.
        failed: clips of which nothing could be measured.
        trimmed: clip -> frames left out at the end of the longer video.
        curves: clip -> ``metric/value`` -> that value over time, at most `MOST_POINTS`; NaN where
            it could not be measured.
        curve_step_s: clip -> seconds from one point of its curves to the next.
        shown: clip -> frames to look at.
    """

    values: dict[str, float] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    directions: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)
    clips: dict[str, dict[str, float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    trimmed: dict[str, int] = field(default_factory=dict)
    curves: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    curve_step_s: dict[str, float] = field(default_factory=dict)
    shown: dict[str, list[ShownFrame]] = field(default_factory=dict)

    def tell(self, clip: str, sentence: str) -> None:
        """Note something about a clip."""
        self.problems.setdefault(clip, []).append(sentence)


def thinned(values: np.ndarray, *, most: int = MOST_POINTS) -> tuple[list[float], int]:
    """Average runs of frames so that a curve has few points.

    Args:
        values: one for each frame; NaN: not measured.
        most: number of points.

    Returns:
        The points, and how many frames each stands for. A point is NaN only if its whole run is.

    Example:
        >>> thinned(np.array([1.0, 3.0, np.nan, 5.0, 7.0]), most=3)
        ([2.0, 5.0, 7.0], 2)
    """
    step = max(1, -(-len(values) // most))
    padded = np.pad(
        np.asarray(values, np.float64), (0, -len(values) % step), constant_values=np.nan
    )
    runs = padded.reshape(-1, step)
    known = np.isfinite(runs)
    # An infinite PSNR of equal frames is a gap of a plot too.
    total = np.where(known, runs, 0).sum(1)
    points = np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)
    return points.tolist(), step
