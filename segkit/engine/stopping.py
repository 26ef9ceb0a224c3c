"""End a training early without losing anything: after some minutes, or at Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook

SAME_REQUEST_S = 1.0
"""Signals closer than this are one request: a terminal and a launcher may both send it."""


class StopAfter(Hook):
    """Stop between two iterations, so that ``SaveCheckpoint`` saves and ``--resume`` continues.

    The first Ctrl-C (or SIGTERM, as job schedulers send) asks for such a stop; a second one stops
    at once, and the newest checkpoint stays.

    Args:
        minutes: wall-clock limit from the first iteration of this run; None for none.
        agree_every: with several processes, iterations between two agreements on whether to stop.
    """

    priority = "LOW"

    def __init__(self, *, minutes: float | None = None, agree_every: int = 10) -> None:
        if minutes is not None and minutes <= 0:
            raise ValueError(f"StopAfter: expected minutes > 0, got {minutes}")
        self.minutes, self.agree_every = minutes, agree_every
        self.interrupted = False
        self._deadline = float("inf")
        self._previous: dict[int, Any] = {}
        self._process = os.getpid()
        self._asked_at = 0.0

    def before_train(self, runner: Any) -> None:
        """Start the clock and listen for Ctrl-C."""
        if self.minutes is not None:
            self._deadline = time.monotonic() + 60 * self.minutes
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._on_signal)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop the loop when somebody wants so."""
        wanted = self.interrupted or time.monotonic() >= self._deadline
        if get_world_size() > 1:
            if (batch_idx + 1) % self.agree_every:
                return
            votes = torch.tensor(float(wanted), device=_device_of(runner.model))
            torch.distributed.all_reduce(votes)
            wanted = bool(votes.item())
        if wanted:
            runner.train_loop.stop_training = True
            reason = "interrupted" if self.interrupted else "time is up"
            runner.logger.info(f"Stopping after iteration {batch_idx + 1}: {reason}.")

    def after_train(self, runner: Any) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A worker of the data loader: Ctrl-C is for the training, SIGTERM is how it ends.
            if number == signal.SIGTERM:
                os._exit(0)
            return
        now = time.monotonic()
        if self.interrupted and now - self._asked_at > SAME_REQUEST_S:
            raise KeyboardInterrupt
        if self.interrupted:
            return
        self.interrupted, self._asked_at = True, now
        print(
            "\nStopping after this iteration; --resume continues. Once more: stop at once.",
            file=sys.stderr,
            flush=True,
        )


def _device_of(model: torch.nn.Module) -> torch.device:
    return next(model.parameters()).device
