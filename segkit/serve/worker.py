"""The child process: reads tasks from standard input, a line of JSON each, and answers in lines."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from typing import Any, BinaryIO

_USER_ERRORS = (ValueError, KeyError, OSError, ImportError)


def main() -> None:
    """Work until standard input ends, which it does when the server goes away."""
    # Libraries print: only we may write to what the server reads.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    try:
        while True:
            _work(json.loads(lines.get()), answers)
    except KeyboardInterrupt:
        sys.exit(1)


def _read(lines: queue.Queue[bytes]) -> None:
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(1)


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


def _work(request: dict[str, Any], answers: BinaryIO) -> None:
    from segkit.progress import watched
    from segkit.serve import tasks

    def say(**event: Any) -> None:
        answers.write(json.dumps(event).encode() + b"\n")

    task = tasks.TASKS[request["task"]]
    last = {"stage": "", "share": -1.0}

    def tell(title: str, share: float) -> None:
        stage, whole = tasks.overall(request["task"], title, share)
        if stage != last["stage"] or whole - last["share"] >= 0.005 or share == 1:  # type: ignore[operator]
            last.update(stage=stage, share=whole)
            say(stage=stage, share=whole)

    try:
        with watched(tell):
            done = task(**request["arguments"])
    except _USER_ERRORS as error:
        traceback.print_exc()
        say(error=tasks.plainly(error, request["arguments"]))
    except Exception:  # ours: the log tells more, a stranger need not know
        traceback.print_exc()
        say(error="this failed for a reason of the program's own; the server's log tells more")
    else:
        say(done=done)


if __name__ == "__main__":
    main()
