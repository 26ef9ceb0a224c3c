"""What trainings with a frozen SyncNet share: it joins at an iteration, and never changes."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn


class SyncTaught(BaseModel):
    """A training whose generator is taught by a SyncNet from some iteration on.

    Attributes:
        sync_expert: the frozen SyncNet, or None.
        sync_begin: iterations before it joins.
        iteration: how many have passed, in the checkpoint, so that a resumed training knows.
    """

    sync_expert: Any
    sync_begin: int
    iteration: Tensor

    def take_expert(self, expert: nn.Module | None, *, begin: int) -> None:
        """Freeze an expert and keep it; called once, in the constructor.

        Args:
            expert: a SyncNet; None trains without.
            begin: iterations before it joins.
        """
        self.sync_expert = None if expert is None else expert.requires_grad_(False).eval()
        self.sync_begin = begin
        self.register_buffer("iteration", torch.zeros((), dtype=torch.long))

    def train(self, mode: bool = True) -> SyncTaught:
        """Set training or evaluation; the expert stays in evaluation: its statistics are fixed."""
        super().train(mode)
        if self.sync_expert is not None:
            self.sync_expert.eval()
        return self

    def sync_has_begun(self) -> bool:
        """Tell whether the SyncNet joins this iteration, and count it in training."""
        begun = self.sync_expert is not None and int(self.iteration) >= self.sync_begin
        if self.training:
            self.iteration += 1
        return begun
