"""Run jobs on the machines of a Ray cluster; one whose worker dies is tried again elsewhere."""

from __future__ import annotations

import os
import socket
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from segkit.preparing.workers import Died, Setup, num_processors, use_one_thread

ATTEMPTS = 3
"""A film that kills its worker so often is at fault itself."""

_work: dict[str, Callable[..., Any]] = {}
"""Run -> what its set-up made; lives in a worker, which does many jobs of one run."""


def run_on_ray(
    setup: Setup,
    jobs: Sequence[Any],
    *,
    at_once: int | None = None,
    shared: Sequence[Path] = (),
    clear: Callable[[int], None] = lambda number: None,
    step: Callable[[int, str, int, int], None] = lambda place, title, done, total: None,
) -> Iterator[tuple[int, Any]]:
    """Do jobs on a Ray cluster, in the order in which they get ready.

    The cluster is that of the variable RAY_ADDRESS, else one on this machine for as long as the
    jobs last; one that the calling program began (``ray.init``) is used as it is. When the caller
    stops listening, the workers are interrupted as by Ctrl-C.

    Args:
        setup: called once in each worker, see `segkit.preparing.workers`.
        jobs: what the function that it returns takes.
        at_once: at most so many; None for as many as the cluster has processors.
        shared: absolute paths that every machine must see.
        clear: removes what a dead worker left of a job, by its number, before the next attempt.
        step: shows progress: 0, how large the cluster is, how many jobs are done, of how many.

    Yields:
        The number of a job, and its answer, or `Died` after three attempts.

    Raises:
        ModuleNotFoundError: Ray is not installed.
        ConnectionError: no cluster at RAY_ADDRESS.
        RuntimeError: a machine with another segkit, or without the shared paths.
    """
    if not jobs:
        return
    ray = _ray()
    begun = not ray.is_initialized()
    if begun:
        _begin(ray, at_once)
    try:
        yield from _answers(ray, setup, jobs, at_once, [str(path) for path in shared], clear, step)
    finally:
        if begun:
            ray.shutdown()


def _answers(
    ray: Any,
    setup: Setup,
    jobs: Sequence[Any],
    at_once: int | None,
    shared: list[str],
    clear: Callable[[int], None],
    step: Callable[[int, str, int, int], None],
) -> Iterator[tuple[int, Any]]:
    from segkit import __version__

    # Retried here and not by Ray: what the dead worker left must go first.
    do = ray.remote(num_cpus=1, max_retries=0)(_do)
    fixed = (uuid.uuid4().hex, ray.put(setup), __version__, shared)
    waiting, deaths = deque(range(len(jobs))), Counter[int]()
    pending: dict[Any, int] = {}
    size = f"Ray: {int(ray.cluster_resources().get('CPU', 0))} processors"
    done = 0
    try:
        while waiting or pending:
            while waiting and (at_once is None or len(pending) < at_once):
                number = waiting.popleft()
                pending[do.remote(*fixed, jobs[number])] = number
            step(0, size, done, len(jobs))
            (ready, *_), _ = ray.wait(list(pending), num_returns=1)
            number = pending.pop(ready)
            answer = _answer(ray, ready)
            if isinstance(answer, Died):
                deaths[number] += 1
                clear(number)
                if deaths[number] < ATTEMPTS:
                    waiting.append(number)
                    continue
                answer = Died(None, times=ATTEMPTS)
            done += 1
            yield number, answer
    finally:
        for task in pending:
            ray.cancel(task)
        # Interrupted workers clean up behind them before anybody looks at the folder.
        ray.wait(list(pending), num_returns=len(pending), timeout=15) if pending else None


def _answer(ray: Any, ready: Any) -> Any:
    gone = (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.OutOfMemoryError,
    )
    try:
        return ray.get(ready)
    except gone:
        return Died(None)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None


def _do(run: str, setup: Setup, version: str, shared: list[str], job: Any) -> Any:
    """Do one job in a worker."""
    if run not in _work:
        _require_same(version, shared)
        use_one_thread()
        _work.clear()
        _work[run] = setup()
    return _work[run](job, lambda title, done, total: None)


def _require_same(version: str, shared: list[str]) -> None:
    from segkit import __version__

    here = f"the machine {socket.gethostname()} of the cluster"
    if version != __version__:
        raise RuntimeError(f"{here} has segkit {__version__}, this one {version}; install the same")
    unseen = [path for path in shared if not Path(path).exists()]
    if unseen:
        raise RuntimeError(
            f"{here} does not see {', '.join(unseen)}; films and data set must lie on a disk that "
            "all machines share, under one path"
        )


def _begin(ray: Any, at_once: int | None) -> None:
    # Nothing is told to anybody unless the user wants it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What Ray will do by default; without it, it warns of the change.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    address = os.environ.get("RAY_ADDRESS") or "local"
    own = {"num_cpus": at_once or num_processors(), "include_dashboard": False}
    ray.init(
        address=address, log_to_driver=False, logging_level="error",
        **(own if address == "local" else {}),
    )  # fmt: skip


def _ray() -> ModuleType:
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "--cluster ray needs Ray: pip install 'segkit[cluster]'", name="ray"
        ) from error
    return ray
