"""Quiet the messages that tell a user nothing, and say at the start what is about to be trained."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.hooks import Hook

COSMETIC = (
    "pkg_resources is deprecated",
    "Deprecated call to `pkg_resources",
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    "`torch.jit.script` is deprecated",
    "'pin_memory' argument is set as true but no accelerator",
)
"""Beginnings of messages that mmengine and torch raise about their own code."""


@contextmanager
def without_cosmetic_warnings() -> Iterator[None]:
    """Hide warnings that a user can do nothing about; all others stay as they were."""
    with warnings.catch_warnings():
        for beginning in COSMETIC:
            warnings.filterwarnings("ignore", message=re.escape(beginning))
        yield


def tidy(logger: logging.Logger, *, level: int) -> None:
    """Set the level of a built logger and of its handlers, and drop the cosmetic messages.

    Args:
        logger: mmengine's logger; handlers that show errors only (of the other processes) stay so.
        level: such as ``logging.INFO``.
    """
    logger.setLevel(level)
    logger.addFilter(lambda record: not record.getMessage().startswith(COSMETIC))
    for handler in logger.handlers:
        if handler.level != logging.ERROR:
            handler.setLevel(level)


class Announce(Hook):
    """Log, before the first iteration, what is trained, on what and from what."""

    def before_train(self, runner: Any) -> None:
        """Log the lines of :func:`describe`."""
        runner.logger.info(describe(runner))


def describe(runner: Any) -> str:
    """Return what is trained, on what and from what, in a few lines.

    Args:
        runner: mmengine's Runner, its training loop built.
    """
    model = getattr(runner.model, "module", runner.model)
    loader = runner.train_dataloader
    lines = [
        f"{type(model).__name__}, {runner.max_iters} iterations, seed {runner.seed}, "
        f"{_machine(model, runner)}"
    ]
    for name, child in model.named_children():
        count = sum(parameter.numel() for parameter in child.parameters())
        if count:
            frozen = (
                ""
                if any(parameter.requires_grad for parameter in child.parameters())
                else ", frozen"
            )
            lines.append(
                f"  {name}: {type(child).__name__}, {count / 1e6:.2f} M parameters{frozen}"
            )
    dataset = loader.dataset
    lines.append(
        f"  data: {type(dataset).__name__}, {len(dataset)} samples, batch {loader.batch_size}"
    )
    lines.append(f"  work directory: {runner.work_dir}")
    return "\n".join(lines)


def _machine(model: Any, runner: Any) -> str:
    import torch

    device = next(model.parameters()).device
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"CPU ({torch.get_num_threads()} threads)"
    )
    return name if runner.world_size == 1 else f"{runner.world_size} processes, {name}"
