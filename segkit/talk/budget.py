"""How long a fit may take, the learning rate that follows, and the best weights on the way."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from segkit.bfloat16 import is_fast_on

if TYPE_CHECKING:
    from rich.progress import Progress


class Budget:
    """Steps until the time is used up; the bar shows how much is left.

    Args:
        seconds: wall time.
        bars: where progress shows.
        title: of the bar.
        steps: a number of steps instead of the time, for a training that can be repeated.
        most_steps: ends before the time is used up, where more steps would do harm.
    """

    def __init__(
        self,
        seconds: float,
        bars: Progress,
        title: str,
        *,
        steps: int | None = None,
        most_steps: int | None = None,
    ) -> None:
        self.seconds = seconds
        self.steps = steps
        self.most_steps = most_steps
        self.step = 0
        self._bars = bars
        self._task = bars.add_task(title, total=1000, note="")
        self._begun = time.perf_counter()

    @property
    def share(self) -> float:
        """Used part of the budget, in [0, 1]."""
        if self.steps is not None:
            return min(self.step / max(self.steps, 1), 1.0)
        time_share = (time.perf_counter() - self._begun) / max(self.seconds, 1e-9)
        step_share = 0.0 if self.most_steps is None else self.step / max(self.most_steps, 1)
        return min(max(time_share, step_share), 1.0)

    def __iter__(self) -> Iterator[int]:
        while self.share < 1:
            yield self.step
            self.step += 1
            self._bars.update(self._task, completed=round(1000 * self.share))
        self._bars.update(self._task, completed=1000)

    def note(self, text: str) -> None:
        """Show a few words behind the bar."""
        self._bars.update(self._task, note=text)

    def cosine(self, *, warm_up: float = 0.03, floor: float = 0.02) -> float:
        """Return the factor of the learning rate: a short rise, then half a cosine."""
        share = self.share
        if share < warm_up:
            return max(share / warm_up, 0.05)
        return floor + (1 - floor) * (0.5 + 0.5 * math.cos(math.pi * share))


class BestWeights:
    """A running average of weights, and the average that did best on held-out frames.

    Args:
        module: whose weights are followed.
        decay: share of the average kept at each step, once warmed up.
    """

    def __init__(self, module: nn.Module, *, decay: float = 0.99) -> None:
        self.module = module
        self.decay = decay
        self.average = copy.deepcopy(module).requires_grad_(False).eval()
        # What does not learn stays equal by itself; of large frozen parts that saves the time.
        frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
        self._followed = [name for name in module.state_dict() if name not in frozen]
        self.score = math.inf
        self._best = self.average.state_dict()
        self._steps = 0

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards the weights of now."""
        self._steps += 1
        decay = min(self.decay, (1 + self._steps) / (10 + self._steps))
        average, module = self.average.state_dict(), self.module.state_dict()
        for kept, new in ((average[name], module[name]) for name in self._followed):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)

    def consider(self, score: float) -> None:
        """Keep the average of now if its held-out score (lower is better) is the best so far."""
        if score < self.score:
            self.score = score
            self._best = copy.deepcopy(self.average.state_dict())

    def restore(self) -> None:
        """Give the module the best weights."""
        self.module.load_state_dict(self._best)


def fast_precision(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where the processor has units for it; elsewhere it would be slower."""
    return torch.autocast(device.type, torch.bfloat16, enabled=is_fast_on(device))
