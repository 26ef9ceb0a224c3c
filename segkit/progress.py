"""Progress bars that stay silent when asked to, and can be watched by a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

Watcher = Callable[[str, float], None]
"""Called with the title of a bar and how much of it is done, in [0, 1]."""

_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tell a function of every move of the bars that are opened inside, shown or not."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


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
    watcher = _WATCHER.get()

    class Watched(Progress):
        def update(self, task_id: Any, **changes: Any) -> None:
            super().update(task_id, **changes)
            task = self._tasks[task_id]
            if watcher is not None and task.total:
                watcher(task.description.strip(), min(task.completed / task.total, 1.0))

    with Watched(*columns, console=Console(stderr=True), disable=not show) as bars:
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
