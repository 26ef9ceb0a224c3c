"""The jobs of a server, in an SQLite file: what was accepted is there after any restart."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)
ENDED = (DONE, FAILED, CANCELLED)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
    options TEXT NOT NULL, stage TEXT NOT NULL DEFAULT '', progress REAL NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '', report TEXT NOT NULL DEFAULT '{}',
    created REAL NOT NULL, changed REAL NOT NULL
)
"""


class QueueFullError(Exception):
    """As many jobs wait as are allowed to."""


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        id: random and unguessable.
        owner: who may see it.
        kind: ``"talk"`` or ``"fit"``.
        state: one of ``STATES``.
        options: what was asked for, plain data.
        stage: what it is doing.
        progress: share that is done, in [0, 1].
        message: why it failed, for its owner.
        report: what `talk` or `fit` told.
        created: seconds since the epoch.
        changed: seconds since the epoch.
    """

    id: str
    owner: str
    kind: str
    state: str
    options: dict[str, Any]
    stage: str = ""
    progress: float = 0.0
    message: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0
    changed: float = 0.0

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will happen."""
        return self.state in ENDED


class JobStore:
    """Jobs in a file; safe to use from several threads.

    Args:
        path: of the SQLite file, made if it is not there.
    """

    def __init__(self, path: str | Path) -> None:
        self._lock = threading.RLock()
        self._base = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._base.row_factory = sqlite3.Row
        self._base.execute("PRAGMA journal_mode=WAL")
        # An accepted job must be on the disk before its sender hears of it.
        self._base.execute("PRAGMA synchronous=FULL")
        self._base.execute(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    def add(
        self, id: str, *, owner: str, kind: str, options: dict[str, Any], most_waiting: int
    ) -> Job:
        """Accept a job.

        Raises:
            QueueFullError: ``most_waiting`` jobs wait already.
        """
        now = time.time()
        with self._lock, self._base:
            self._base.execute("BEGIN IMMEDIATE")
            if self.count(QUEUED) >= most_waiting:
                raise QueueFullError
            self._base.execute(
                "INSERT INTO jobs (id, owner, kind, state, options, created, changed) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (id, owner, kind, QUEUED, json.dumps(options), now, now),
            )
        return self.get(id)

    def get(self, id: str, *, owner: str | None = None) -> Job:
        """Return a job.

        Args:
            id: of the job.
            owner: who asks; None may see all.

        Raises:
            KeyError: no such job, or not this owner's.
        """
        with self._lock:
            row = self._base.execute("SELECT * FROM jobs WHERE id = ?", (id,)).fetchone()
        if row is None or (owner is not None and row["owner"] != owner):
            raise KeyError("no such job")
        return _job(row)

    def count(self, *states: str) -> int:
        """Return how many jobs are in some states."""
        marks = ",".join("?" * len(states))
        with self._lock:
            query = f"SELECT COUNT(*) FROM jobs WHERE state IN ({marks})"
            return int(self._base.execute(query, states).fetchone()[0])

    def ahead_of(self, job: Job) -> int:
        """Return how many jobs wait before this one."""
        with self._lock:
            query = "SELECT COUNT(*) FROM jobs WHERE state = ? AND created < ?"
            return int(self._base.execute(query, (QUEUED, job.created)).fetchone()[0])

    def take(self) -> Job | None:
        """Move the oldest waiting job to running, and return it."""
        with self._lock, self._base:
            self._base.execute("BEGIN IMMEDIATE")
            row = self._base.execute(
                "SELECT id FROM jobs WHERE state = ? ORDER BY created, rowid LIMIT 1", (QUEUED,)
            ).fetchone()
            if row is None:
                return None
            self._change(row["id"], state=RUNNING, stage="starting", progress=0.0)
        return self.get(row["id"])

    def move(self, id: str, *, stage: str, progress: float) -> None:
        """Note how far a running job is."""
        with self._lock:
            self._base.execute(
                "UPDATE jobs SET stage = ?, progress = ? WHERE id = ? AND state = ?",
                (stage, progress, id, RUNNING),
            )

    def end(
        self, id: str, *, state: str, message: str = "", report: dict[str, Any] | None = None
    ) -> bool:
        """End a job that has not ended yet; returns whether it did.

        Args:
            id: of the job.
            state: one of ``ENDED``.
            message: why, for its owner.
            report: what came of it.
        """
        with self._lock:
            cursor = self._base.execute(
                "UPDATE jobs SET state = ?, message = ?, report = ?, stage = '', changed = ?, "
                "progress = CASE WHEN ? = 'done' THEN 1.0 ELSE progress END "
                "WHERE id = ? AND state IN (?, ?)",
                (state, message, json.dumps(report or {}), time.time(), state, id, QUEUED, RUNNING),
            )
        return cursor.rowcount > 0

    def put_back(self) -> int:
        """Let running jobs wait again, as after a restart; returns how many."""
        with self._lock:
            cursor = self._base.execute(
                "UPDATE jobs SET state = ?, stage = '', progress = 0 WHERE state = ?",
                (QUEUED, RUNNING),
            )
        return cursor.rowcount

    def remove(self, id: str) -> None:
        """Forget a job."""
        with self._lock:
            self._base.execute("DELETE FROM jobs WHERE id = ?", (id,))

    def of_owner(self, owner: str) -> list[Job]:
        """Return somebody's jobs, oldest first."""
        return self._jobs("SELECT * FROM jobs WHERE owner = ? ORDER BY created", (owner,))

    def ended_before(self, when: float) -> list[Job]:
        """Return jobs that ended before a time in seconds since the epoch."""
        marks = ",".join("?" * len(ENDED))
        query = f"SELECT * FROM jobs WHERE state IN ({marks}) AND changed < ?"
        return self._jobs(query, (*ENDED, when))

    def ids(self) -> set[str]:
        """Return the ids of all jobs."""
        return {job.id for job in self._jobs("SELECT * FROM jobs", ())}

    def _jobs(self, query: str, values: Iterable[Any]) -> list[Job]:
        with self._lock:
            return [_job(row) for row in self._base.execute(query, tuple(values)).fetchall()]

    def _change(self, id: str, *, state: str, stage: str, progress: float) -> None:
        self._base.execute(
            "UPDATE jobs SET state = ?, stage = ?, progress = ?, changed = ? WHERE id = ?",
            (state, stage, progress, time.time(), id),
        )


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    return Job(**values | {key: json.loads(values[key]) for key in ("options", "report")})
