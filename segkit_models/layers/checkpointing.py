"""Activation checkpointing: a part of a network forgets its maps, and backward makes them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

T = TypeVar("T")


def run_part(part: nn.Module, run: Callable[..., T], *arguments: object, forget: bool) -> T:
    """Run a part of a network, and keep only its inputs for the backward pass if asked to.

    Forgetting costs a second forward pass of the part. Gradients are the same to the last bit: the
    second pass draws the same random numbers, and leaves the running statistics of norms alone,
    which have counted the batch already.

    Args:
        part: the module that ``run`` runs, or that has all its norms.
        run: what computes; it may also use tensors that are not among its arguments.
        arguments: of ``run``.
        forget: whether to forget; without gradients nothing is kept in any case.

    Returns:
        What ``run`` returns.
    """
    if not forget or not torch.is_grad_enabled():
        return run(*arguments)
    return checkpoint(
        run,
        *arguments,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _lent_statistics(part)),
    )


@contextmanager
def _lent_statistics(part: nn.Module) -> Iterator[None]:
    """Give the norms copies of their running statistics, to be thrown away."""
    norms = [module for module in part.modules() if isinstance(module, _NormBase)]
    own = [dict(norm._buffers) for norm in norms]
    try:
        for norm, buffers in zip(norms, own, strict=True):
            for name, buffer in buffers.items():
                norm._buffers[name] = None if buffer is None else buffer.clone()
        yield
    finally:
        for norm, buffers in zip(norms, own, strict=True):
            norm._buffers.update(buffers)
