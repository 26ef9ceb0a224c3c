"""The bench: one child process that keeps faces ready, for previews while somebody edits."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from segkit.serve.child import Child, StoppedError, TaskError

_SECONDS = 120.0


class Bench:
    """Does small tasks, one at a time; a crash costs the task and not the server.

    Args:
        folder: for the log of the process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._closed = False

    def do(self, task: str, **arguments: Any) -> dict[str, Any]:
        """Do a task of ``segkit.serve.tasks``.

        Raises:
            TaskError: it cannot be done; the message is for the user.
        """
        with self._lock:
            if self._closed:
                raise TaskError("the server is being stopped")
            if self._child is None or not self._child.alive:
                self._child = Child(self._folder)
            try:
                return self._child.do(task, arguments, seconds=_SECONDS)
            except StoppedError:
                raise TaskError("the server is being stopped") from None

    def close(self) -> None:
        """End the process."""
        self._closed = True
        if self._child is not None:
            self._child.close()
