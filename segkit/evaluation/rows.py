"""The numbers of a report as text: the same names, units and directions in every form of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from segkit.evaluation.results import Report

ARROWS = {"up": "↑", "down": "↓"}

PUBLISHED_COLUMNS = {
    "PSNR/psnr": "up",
    "SSIM/ssim": "up",
    "LPIPS/lpips": "down",
    "FID/fid": "down",
    "FVD/fvd": "down",
    "Sync/lse_c": "up",
    "Sync/lse_d": "down",
    "LMD/F": "down",
    "LMD/M": "down",
}
"""Values that publications print -> which way is better."""

# What a metric says of itself holds for its headline; these values are of another kind.
_OTHER_DIRECTIONS = {
    "lse_d": "down",
    "offset": "",
    "abs_offset": "down",
    "gap_error": "down",
    "valid_ratio": "up",
}
_OTHER_UNITS = {
    "offset": "frames",
    "abs_offset": "frames",
    "gap_error": "eye distances",
    "kid_x1000": "",
    "opening": "correlation",
    "valid_ratio": "share",
}


@dataclass(frozen=True)
class Row:
    """A number over all clips and what belongs to it.

    Attributes:
        name: ``metric/value``.
        value: the number.
        direction: ``"up"`` or ``"down"`` is better; empty where neither is.
        unit: empty for a plain number.
        count: frames, clips or windows that entered it; None where that is not known.
        definition: what the number is.
    """

    name: str
    value: float
    direction: str
    unit: str
    count: float | None
    definition: str


def number_rows(report: Report) -> list[Row]:
    """Return a row per number, counts left out."""
    rows = []
    for name, value in report.values.items():
        prefix, _, short = name.partition("/")
        if is_count(short):
            continue
        rows.append(
            Row(
                name=name,
                value=value,
                direction=direction_of(report, name),
                unit=unit_of(report, name),
                count=report.values.get(f"{prefix}/n", report.values.get(f"{prefix}/n_clips")),
                definition=report.definitions.get(_metric(report, name), ""),
            )
        )
    return rows


def rows_of(report: Report) -> list[tuple[str, str, str, str, str]]:
    """Return a row of text per number: name, value, better direction, how many, definition."""
    return [
        (
            row.name,
            format_number(row.value),
            ARROWS.get(row.direction, ""),
            "" if row.count is None else format_number(row.count),
            row.definition,
        )
        for row in number_rows(report)
    ]


def direction_of(report: Report, name: str) -> str:
    """Return ``"up"``, ``"down"``, or nothing where no direction is better.

    Args:
        report: that has the value.
        name: ``metric/value``.
    """
    short = name.rpartition("/")[2]
    if is_count(short):
        return ""
    return _OTHER_DIRECTIONS.get(short, report.directions.get(_metric(report, name), ""))


def unit_of(report: Report, name: str) -> str:
    """Return the unit of a value, empty for a plain number; arguments as `direction_of`."""
    short = name.rpartition("/")[2]
    if is_count(short):
        return ""
    return _OTHER_UNITS.get(short, report.units.get(_metric(report, name), ""))


def clip_columns(report: Report) -> list[str]:
    """Return what a table of clips shows, see `headlines`."""
    return headlines(name for numbers in report.clips.values() for name in numbers)


def headlines(names: Iterable[str]) -> list[str]:
    """Return the first name of each metric, and those that publications print; no name twice."""
    seen: set[str] = set()
    found = []
    for name in dict.fromkeys(names):
        prefix, _, short = name.partition("/")
        if is_count(short):
            continue
        if prefix not in seen or name in PUBLISHED_COLUMNS:
            found.append(name)
        seen.add(prefix)
    return found


def worst_first(report: Report) -> tuple[str, list[str]]:
    """Order the clips by what their frames were chosen by, or else by their first number.

    Returns:
        The name of that value, empty if there is none, and the clips; those without it are last.
    """
    chosen = [frame.name for frames in report.shown.values() for frame in frames]
    names = [*chosen, *clip_columns(report)]
    name = next((each for each in names if direction_of(report, each)), "")
    clips = list(report.clips) + [clip for clip in report.shown if clip not in report.clips]
    sign = 1.0 if direction_of(report, name) == "up" else -1.0

    def badness(clip: str) -> float:
        value = report.clips.get(clip, {}).get(name, math.nan)
        # Clips without the number go last: nothing says that they are bad.
        return math.inf if math.isnan(value) else sign * value

    return name, sorted(clips, key=badness) if name else clips


def format_number(value: float) -> str:
    """Write a number with four significant digits; a count as it is."""
    if math.isnan(value):
        return "not measured"
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e6 else f"{value:.4g}"


def is_count(name: str) -> bool:
    """Tell whether a value says how much was measured, not how well."""
    return name in ("n", "trimmed") or name.startswith(("n_", "num_"))


def _metric(report: Report, name: str) -> str:
    prefix = name.partition("/")[0]
    return report.prefixes.get(prefix, prefix)
