"""A process that works for the server: it may crash, hang or be stopped, and the server goes on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Tell = Callable[[str, float], None]
"""Called with a stage and the share of the whole that is done, in [0, 1]."""

_GRACE_S = 5.0
_PRIVATE = ("SEGKIT_WEB_TOKEN",)


class TaskError(Exception):
    """The child could not do it; the message is for the user."""


class StoppedError(Exception):
    """The child was stopped on purpose."""


class Child:
    """A process that does one task after another, see ``segkit.serve.tasks``.

    Args:
        folder: where it writes its log; readable by nobody else.
    """

    def __init__(self, folder: Path) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in _PRIVATE}
        with (folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "segkit.serve.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C at the terminal is the server's to handle
                umask=0o077,
            )
        self._stopped = False

    @property
    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    def do(
        self, task: str, arguments: dict[str, Any], *, seconds: float, tell: Tell | None = None
    ) -> dict[str, Any]:
        """Do a task and wait for it.

        Args:
            task: name of a function of ``segkit.serve.tasks``.
            arguments: its keyword arguments, plain data.
            seconds: it is stopped after this time.
            tell: hears of its progress.

        Returns:
            What the function returned.

        Raises:
            TaskError: it failed, crashed, or took too long.
            StoppedError: `stop` was called.
        """
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self.stop()

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            return self._answer(task, arguments, tell)
        except (OSError, ValueError, EOFError):
            if late.is_set():
                raise TaskError(f"this took longer than {seconds / 60:g} minutes") from None
            if self._stopped:
                raise StoppedError from None
            code = self._process.wait(_GRACE_S)
            raise TaskError(
                f"the process that worked on this ended with code {code}; the file may be damaged, "
                "or memory was short"
            ) from None
        finally:
            timer.cancel()

    def _answer(self, task: str, arguments: dict[str, Any], tell: Tell | None) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"task": task, "arguments": arguments})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        for answer in self._process.stdout:
            event = json.loads(answer)
            if "done" in event:
                return dict(event["done"])
            if "error" in event:
                raise TaskError(event["error"])
            if tell is not None:
                tell(event["stage"], event["share"])
        raise EOFError

    def stop(self) -> None:
        """End the process, gently and then not."""
        self._stopped = True
        if not self.alive:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End the process and its pipes."""
        self.stop()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                # What was still to be written has no reader any more.
                with contextlib.suppress(OSError):
                    pipe.close()
