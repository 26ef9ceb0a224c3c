"""Where the time of a stream goes: seconds per stage, nested stages counted once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Add up wall seconds per stage; while an inner stage runs, the outer one stands still.

    Threads are told apart: the stages of the one that made the watch are in ``seconds`` and follow
    one another; those of others run at the same time and are in ``meanwhile``.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.meanwhile: dict[str, float] = {}
        self._owner = threading.get_ident()
        self._thread = threading.local()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the block for ``name``."""
        running = self._book()
        running.append(name)
        try:
            yield
        finally:
            self._book()
            running.pop()

    def over(self, items: Iterable[T], name: str) -> Iterator[T]:
        """Pass items on, counting for ``name`` the time it takes to get each."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def _book(self) -> list[str]:
        """Count the time since the last booking of this thread; returns its running stages."""
        now, own = time.perf_counter(), self._thread
        if not hasattr(own, "running"):
            own.running, own.since = [], now
        if own.running:
            mine = threading.get_ident() == self._owner
            seconds = self.seconds if mine else self.meanwhile
            name = own.running[-1]
            seconds[name] = seconds.get(name, 0.0) + now - own.since
        own.since = now
        return own.running
