"""Progress bars that stay silent when asked to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")


@contextmanager
def progress_bars(*, show: bool) -> Iterator[Progress]:
    """Open a live display on standard error; without ``show`` nothing is printed."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bars:
        yield bars


def counted(items: Iterable[T], bars: Progress, title: str, total: int | None) -> Iterator[T]:
    """Pass items on and move a bar of their own."""
    task = bars.add_task(title, total=total, note="")
    number = 0
    for item in items:
        yield item
        number += 1
        bars.update(task, completed=number)
    bars.update(task, total=number, completed=number)
