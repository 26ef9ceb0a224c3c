"""Threads beside the networks: frames decoded ahead of them, frames pasted and encoded after."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, Full, Queue
from types import TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_LOOK_S = 0.1
"""How often a thread that waits for room looks whether it is still wanted."""


class _End:
    """The last thing in the queue: the source is through, or broke."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterable[T], *, most: int) -> Iterator[T]:
    """Make items in a thread of their own, before they are asked for.

    The thread begins with the first item that is asked for and ends with the last, or when the
    iterator is closed. Errors of the source are raised where its next item would be.

    Args:
        items: iterated, and closed, in that thread alone.
        most: items that may wait to be taken; one more may be on the way.
    """
    queue: Queue[T | _End] = Queue(maxsize=most)
    stop = threading.Event()
    thread = threading.Thread(target=_fill, args=(queue, items, stop), name="ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        _empty(queue)
        thread.join()


def _fill(queue: Queue[T | _End], items: Iterable[T], stop: threading.Event) -> None:
    """Put items into a queue until it is told to stop; close their source."""
    source, error = iter(items), None
    try:
        for item in source:
            if not _put(queue, item, stop):
                break
    except BaseException as caught:
        error = caught
    finally:
        if close := getattr(source, "close", None):
            close()
        _put(queue, _End(error), stop)


def _put(queue: Queue[T], item: T, stop: threading.Event) -> bool:
    """Wait for room; returns whether the item is still wanted."""
    while not stop.is_set():
        with contextlib.suppress(Full):
            queue.put(item, timeout=_LOOK_S)
            return True
    return False


def _empty(queue: Queue[T]) -> None:
    """Drop what waits, with the memory it holds."""
    with contextlib.suppress(Empty):
        while True:
            queue.get_nowait()


class Aside:
    """A thread that does one thing after another while its owner goes on.

    Use as a context manager: leaving it waits for what was given, leaving it by an error drops
    what has not begun.

    Args:
        most: calls that may be unfinished; with more, giving another waits.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._given: deque[Future] = deque()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")

    def do(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have something done after all that was given before.

        Raises:
            Exception: what an earlier call raised.
        """
        while len(self._given) >= self._most:
            self._given.popleft().result()
        future = self._pool.submit(call, *args, **kwargs)
        self._given.append(future)
        return future

    def finish(self) -> None:
        """Wait until all is done.

        Raises:
            Exception: what a call raised.
        """
        while self._given:
            self._given.popleft().result()

    def drop(self) -> None:
        """Forget what has not begun, and wait for what has."""
        for future in self._given:
            future.cancel()
        wait(self._given)
        self._given.clear()

    def __enter__(self) -> Aside:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
