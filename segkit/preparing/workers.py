"""Run jobs in processes of one thread each; a process that dies costs its own job only."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
Step = Callable[[str, int, int], None]
"""Shows progress inside a job: title, how many are done, of how many."""
Counted = Callable[[Iterable[T], str, int], Iterator[T]]
"""Passes the items of a job on and shows progress: items, title, how many."""
Setup = Callable[[], Callable[[Any, Step], Any]]
"""Makes the function that does the jobs of one process; it goes to the process by pickle."""

_EVERY_S = 0.2
_PATIENCE_S = 15.0


@dataclass(frozen=True)
class Died:
    """A process ended in the middle of a job.

    Args:
        exit_code: minus the signal's number where a signal ended it; None where nobody knows.
        times: how often that happened with this job.
    """

    exit_code: int | None
    times: int = 1

    def __str__(self) -> str:
        code = self.exit_code
        name = "code unknown" if code is None else f"exit code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
        often = f" {self.times} times" if self.times > 1 else ""
        return f"the process that worked on it was killed{often} ({name}); too little memory?"


def num_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_jobs(
    setup: Setup, jobs: Sequence[Any], *, processes: int, step: Callable[[int, str, int, int], None]
) -> Iterator[tuple[int, Any]]:
    """Do jobs, in the order in which they get ready.

    With one process they are done in this one. With several the calling script needs the usual
    ``if __name__ == "__main__":``. When the caller stops listening, by an exception or Ctrl-C, the
    processes are asked to end, and clean up as for Ctrl-C.

    Args:
        setup: called once in each process.
        jobs: what the function that it returns takes; goes there by pickle.
        processes: at most so many at once.
        step: shows progress: number of the process, title, how many are done, of how many.

    Yields:
        The number of a job, and its answer or `Died`.
    """
    processes = min(processes, len(jobs))
    if processes <= 1:
        work = setup() if jobs else None
        for number, job in enumerate(jobs):
            assert work is not None
            yield number, work(job, lambda title, done, total: step(0, title, done, total))
        return
    waiting = deque(enumerate(jobs))
    crew = [_Worker(setup, place) for place in range(processes)]
    try:
        while waiting or any(worker.job is not None for worker in crew):
            for worker in crew:
                if worker.job is None and waiting:
                    worker.give(*waiting.popleft())
            busy = {worker.pipe: worker for worker in crew if worker.job is not None}
            for pipe in wait(list(busy)):
                yield from busy[pipe].listen(step)  # type: ignore[index]
    finally:
        for worker in crew:
            worker.end()
        for worker in crew:
            worker.join()


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, setup: Setup, place: int) -> None:
        self._setup, self._place = setup, place
        self._ready = False
        self.job: int | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._setup), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, number: int, job: Any) -> None:
        self.job = number
        with contextlib.suppress(BrokenPipeError):  # listening will tell
            self.pipe.send(job)

    def listen(self, step: Callable[[int, str, int, int], None]) -> Iterator[tuple[int, Any]]:
        """Take one message; a dead process is replaced."""
        number = self.job
        assert number is not None
        try:
            kind, content = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.join()
            died = Died(self._process.exitcode)
            if not self._ready:
                raise RuntimeError(f"a worker could not begin: {died}") from None
            self.job = None
            self._start()
            yield number, died
            return
        if kind == "ready":
            self._ready = True
        elif kind == "step":
            step(self._place, *content)
        elif kind == "raised":
            raise content
        else:
            self.job = None
            yield number, content

    def end(self) -> None:
        if self.job is not None:
            self._process.terminate()
        self.pipe.close()

    def join(self) -> None:
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection, setup: Setup) -> None:
    """Do jobs until the other side closes the pipe."""
    # Ctrl-C reaches every process of a terminal; the parent decides and sends SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    use_one_thread()
    shown_s = 0.0

    def step(title: str, done: int, total: int) -> None:
        nonlocal shown_s
        if done == 1 or time.monotonic() - shown_s > _EVERY_S:
            shown_s = time.monotonic()
            pipe.send(("step", (title, done, total)))

    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            work = setup()
            pipe.send(("ready", None))
            while True:
                pipe.send(("done", work(pipe.recv(), step)))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:
            pipe.send(("raised", _sendable(error)))


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # not an Exception: only clean-up runs on its way


def use_one_thread() -> None:
    """Keep to one thread: with a process per processor, threads inside them would only fight."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _sendable(error: Exception) -> Exception:
    """Return an error that survives pickling."""
    import pickle

    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
