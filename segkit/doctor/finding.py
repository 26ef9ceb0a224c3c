"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        topic: heading it belongs below.
        name: of what was looked at.
        value: what is there, in a few words.
        todo: what to do before segkit works; None when all is well.
        hint: what could be done for more.
    """

    topic: str
    name: str
    value: str
    todo: str | None = None
    hint: str | None = None
