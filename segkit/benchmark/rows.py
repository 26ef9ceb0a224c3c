"""The rows of the tables: which trainings make a method, and how its frames are put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Scale = Literal["tiny", "full"]


@dataclass(frozen=True)
class Row:
    """A method, or an ablation of ours.

    Attributes:
        key: by which a user names it.
        title: in tables.
        trainings: what is trained -> name of its full-size config; nothing for a method that
            learns nothing.
        compose: see `Wav2LipMethod`.
        note: what else to know.
    """

    key: str
    title: str
    trainings: dict[str, str] = field(default_factory=dict)
    compose: Literal["full", "face"] = "full"
    note: str = ""


_OURS = {"tsg": "tsg", "sgi": "sgi"}

ROWS = (
    Row("no_prior_learning", "w/o prior learning", {**_OURS, "sgi": "no_prior_learning"}),
    Row("no_cross_entropy", "w/o cross entropy", {**_OURS, "tsg": "no_cross_entropy"}),
    Row("no_syncnet", "w/o SyncNet", {**_OURS, "tsg": "no_syncnet"}),
    Row("ours", "SegTalker", _OURS),
    Row("wav2lip", "Wav2Lip", {"wav2lip": "wav2lip"}, "full", "its whole picture, as published"),
    Row(
        "wav2lip_pasted", "Wav2Lip, pasted", {"wav2lip": "wav2lip"}, "face",
        "its picture laid over the lower face as ours is",
    ),
    Row("still", "still frame", note="the reference frame again and again"),
    Row(
        "units", "unit selection",
        note="lower faces of other footage of the person, by the sound of 0.2 s",
    ),
)  # fmt: skip
"""Every row, in the order of a table."""

TABLE_2 = ("no_prior_learning", "no_cross_entropy", "no_syncnet", "ours")
"""What the paper's table 2 compares."""

EXPERTS = {
    "tsg": "syncnet", "no_cross_entropy": "syncnet", "wav2lip": "wav2lip_syncnet",
}  # fmt: skip
"""Training -> training of the frozen expert that it needs."""


def chosen_rows(keys: Iterable[str] | None) -> list[Row]:
    """Return rows by their keys, in the order of a table; all when none is named.

    Raises:
        KeyError: an unknown key; the message lists the known ones.
    """
    if keys is None:
        return list(ROWS)
    known = {row.key for row in ROWS}
    wanted = list(keys)
    for key in wanted:
        if key not in known:
            raise KeyError(f"no row {key!r}; known: {', '.join(row.key for row in ROWS)}")
    return [row for row in ROWS if row.key in wanted]


def config_of(training: str, scale: Scale) -> str:
    """Return the name of a training's config: full size, or the tiny one beside it."""
    return training if scale == "full" else f"{training}_tiny"
