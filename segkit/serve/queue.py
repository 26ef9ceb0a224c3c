"""The queue: jobs wait in the store, and are done one after another by processes of their own."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segkit.serve.child import Child, StoppedError, TaskError
from segkit.serve.limits import Limits
from segkit.serve.store import CANCELLED, DONE, FAILED, QUEUED, Job, JobStore, QueueFullError
from segkit.serve.tasks import EDIT_FILE, EDIT_FOLDER, MASKS, RESULT

_SWEEP_S = 30.0


class JobQueue:
    """Accepts jobs, runs them, and forgets them when their time has come.

    Args:
        folder: private; holds the store and a folder for each job.
        limits: how many, how large, how long.
        start: whether jobs are run; without, they only wait.
    """

    def __init__(self, folder: Path, *, limits: Limits, start: bool = True) -> None:
        self.limits = limits
        self._folder = folder / "jobs"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self.store = JobStore(folder / "jobs.sqlite3")
        self._children: dict[str, Child] = {}
        self._cancelled: set[str] = set()
        self._wake = threading.Condition()
        self._closing = False
        self._swept = 0.0
        self.store.put_back()
        self._drop_strays()
        self._threads = [
            threading.Thread(target=self._run, name=f"segkit-job-{number}", daemon=True)
            for number in range(limits.running if start else 0)
        ]
        for thread in self._threads:
            thread.start()

    def new_folder(self) -> tuple[str, Path]:
        """Make the folder of a job that is to come; returns its id too."""
        id = secrets.token_urlsafe(18)
        folder = self._folder / id
        folder.mkdir(mode=0o700)
        return id, folder

    def folder_of(self, job: Job) -> Path:
        """Return the folder of a job."""
        return self._folder / job.id

    def require_room(self) -> None:
        """Refuse early, before a large file is received.

        Raises:
            QueueFullError: as many jobs wait as are allowed to.
        """
        if self.store.count(QUEUED) >= self.limits.waiting:
            raise QueueFullError

    def submit(self, id: str, *, owner: str, kind: str, options: dict[str, Any]) -> Job:
        """Accept the job whose files lie in its folder.

        Raises:
            QueueFullError: as many jobs wait as are allowed to; its folder is gone.
        """
        try:
            job = self.store.add(
                id, owner=owner, kind=kind, options=options, most_waiting=self.limits.waiting
            )
        except QueueFullError:
            shutil.rmtree(self._folder / id, ignore_errors=True)
            raise
        with self._wake:
            self._wake.notify()
        return job

    def result(self, job: Job, what: str = "result") -> Path:
        """Return a file that a job made.

        Args:
            job: any.
            what: ``"result"`` or ``"masks"``.

        Raises:
            FileNotFoundError: there is none, or not yet.
        """
        name = RESULT[job.kind] if what == "result" else MASKS
        path = self.folder_of(job) / name
        if job.state != DONE or not path.is_file():
            raise FileNotFoundError(f"this job has no {what}; it is {job.state}")
        return path

    def cancel(self, job: Job) -> Job:
        """Stop a job, waiting or running; one that has ended stays as it is."""
        with self._wake:
            self._cancelled.add(job.id)
            child = self._children.get(job.id)
        if child is not None:
            child.stop()
        self.store.end(job.id, state=CANCELLED, message="cancelled")
        return self.store.get(job.id)

    def delete(self, job: Job) -> None:
        """Stop a job and remove everything of it."""
        self.cancel(job)
        self.store.remove(job.id)
        shutil.rmtree(self.folder_of(job), ignore_errors=True)

    def close(self) -> None:
        """Stop working; what was running begins again with the next start."""
        with self._wake:
            self._closing = True
            children = list(self._children.values())
            self._wake.notify_all()
        for child in children:
            child.stop()
        for thread in self._threads:
            thread.join()
        self.store.put_back()
        self.store.close()

    def _run(self) -> None:
        while not self._closing:
            self._sweep()
            job = self.store.take()
            if job is None:
                with self._wake:
                    if not self._closing:
                        self._wake.wait(timeout=1.0)
                continue
            self._do(job)

    def _do(self, job: Job) -> None:
        folder = self.folder_of(job)
        try:
            _clear(folder, job.kind)
            child = Child(folder)
        except OSError as error:
            self.store.end(job.id, state=FAILED, message=f"cannot start: {error.strerror}")
            return
        with self._wake:
            self._children[job.id] = child
            stop = self._closing or job.id in self._cancelled
        try:
            if stop:
                raise StoppedError
            report = child.do(
                job.kind,
                {
                    "folder": str(folder),
                    "options": job.options,
                    "limits": _plain(self.limits),
                },
                seconds=60 * self.limits.job_minutes,
                tell=self._teller(job.id),
            )
            self.store.end(job.id, state=DONE, report=report)
        except TaskError as error:
            self.store.end(job.id, state=FAILED, message=str(error))
        except StoppedError:
            # By `cancel`, which says so itself; or by `close`, and it is to run again.
            pass
        finally:
            child.close()
            with self._wake:
                self._children.pop(job.id, None)
                self._cancelled.discard(job.id)

    def _teller(self, id: str) -> Callable[[str, float], None]:
        def tell(stage: str, share: float) -> None:
            self.store.move(id, stage=stage, progress=share)

        return tell

    def _sweep(self) -> None:
        """Remove what was kept long enough."""
        if time.monotonic() - self._swept < _SWEEP_S:
            return
        self._swept = time.monotonic()
        for job in self.store.ended_before(time.time() - 60 * self.limits.keep_minutes):
            self.delete(job)

    def _drop_strays(self) -> None:
        """Remove folders of uploads that were cut off before they became jobs."""
        known = self.store.ids()
        for folder in self._folder.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)


def _clear(folder: Path, kind: str) -> None:
    """Remove what an interrupted run left."""
    for path in folder.iterdir():
        if path.name in (RESULT[kind], MASKS) or path.name.startswith("."):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _plain(limits: Limits) -> dict[str, float]:
    values = asdict(limits)
    return {key: values[key] for key in ("seconds", "megapixels")}


__all__ = ["EDIT_FILE", "EDIT_FOLDER", "JobQueue"]
