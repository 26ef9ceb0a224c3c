"""Published numbers of HDTF, to see one's own beside them, and why they hardly compare."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources

WHY_NOT_COMPARABLE = (
    "Published numbers of HDTF do not compare with each other nor with yours: splits, crops, frame "
    "counts, SyncNet crops and FID/FVD code differ; only rows of one source compare."
)
"""To be printed with every row."""

REAL_VIDEO = "Real video"
"""What the rows of ground truth are called, whatever their source calls them."""


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table.

    Attributes:
        source: whose table.
        method: what was measured.
        values: name of a value as our metrics report it -> number in the same unit; FVD is raw.
        second_hand: read in another publication than the source.
        note: what else is known.
    """

    source: str
    method: str
    second_hand: bool
    values: dict[str, float] = field(default_factory=dict)
    note: str = ""


def published_rows(source: str | None = None) -> list[PublishedRow]:
    """Return the rows of all tables, those of one source beside each other.

    Args:
        source: only of that source.

    Raises:
        KeyError: no such source; the message lists the known ones.

    Example:
        >>> [row.values["FVD/fvd"] for row in published_rows("SegTalker, table 1")][-1]
        92.05
    """
    text = resources.files("segkit_metrics").joinpath("published.json").read_text("utf-8")
    rows = [PublishedRow(**row) for row in json.loads(text)]
    if source is None:
        return rows
    known = list(dict.fromkeys(row.source for row in rows))
    if source not in known:
        raise KeyError(f"no published table {source!r}; known: {'; '.join(known)}")
    return [row for row in rows if row.source == source]


def published_spread(method: str, value: str) -> tuple[float, float] | None:
    """Return the lowest and the highest number that was published for one method.

    Args:
        method: name in the tables.
        value: name of a value, such as ``"FID/fid"``.

    Returns:
        None if there is no number.

    Example:
        >>> published_spread("SadTalker", "FID/fid")
        (21.58, 71.95)
    """
    found = [row.values[value] for row in published_rows() if row.method == method
             and value in row.values]  # fmt: skip
    return (min(found), max(found)) if found else None
