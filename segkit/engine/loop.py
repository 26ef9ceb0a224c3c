"""The training loop: iterations only, and it starts at any of them without replaying data."""

from __future__ import annotations

from typing import Any

from mmengine.runner import BaseLoop
from torch import nn
from torch.utils.data import DataLoader


class TrainLoop(BaseLoop):
    """Run ``model.train_step`` until ``max_iters``, calling mmengine's hooks around it.

    Args:
        runner: mmengine's Runner.
        dataloader: loader or its config; its sampler is endless and has ``seek``
            (``SeekableSampler``).
        max_iters: iterations of the whole training.
        val_interval: iterations between validations, where the config has a validation loop.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: DataLoader | dict,
        *,
        max_iters: int,
        val_interval: int = 1000,
    ) -> None:
        super().__init__(runner, dataloader)
        if max_iters < 1:
            raise ValueError(f"train_cfg.max_iters: expected a positive number, got {max_iters}")
        # Names that mmengine's Runner and hooks read and write.
        self.max_iters, self.max_epochs = int(max_iters), 1
        self.val_interval, self.val_begin = val_interval, 1
        self._iter = self._epoch = 0
        self.stop_training = False

    @property
    def iter(self) -> int:
        """Iterations done."""
        return self._iter

    @property
    def epoch(self) -> int:
        """Always 0 while training: this loop knows iterations only."""
        return self._epoch

    def run(self) -> nn.Module:
        """Train from the current iteration to the last; return the model."""
        runner = self.runner
        self._seek()
        runner.call_hook("before_train")
        runner.call_hook("before_train_epoch")
        # Only now do the workers start: they inherit how signals are handled (see StopAfter).
        batches = iter(self.dataloader)
        while self._iter < self.max_iters and not self.stop_training:
            runner.model.train()
            self.run_iter(next(batches))
            last = self._iter == self.max_iters
            if runner.val_loop is not None and (last or self._iter % self.val_interval == 0):
                runner.val_loop.run()
        runner.call_hook("after_train_epoch")
        runner.call_hook("after_train")
        return runner.model

    def run_iter(self, batch: Any) -> None:
        """Train on one batch."""
        runner = self.runner
        runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=batch)
        outputs = runner.model.train_step(batch, optim_wrapper=runner.optim_wrapper)
        runner.call_hook(
            "after_train_iter", batch_idx=self._iter, data_batch=batch, outputs=outputs
        )
        self._iter += 1

    def _seek(self) -> None:
        sampler = self.dataloader.sampler
        if not hasattr(sampler, "seek"):
            raise ValueError(
                f"train_dataloader.sampler: {type(sampler).__name__} cannot seek; "
                "use segkit.engine.sampling.SeekableSampler"
            )
        sampler.seek(self._iter * (self.dataloader.batch_size or 1))
