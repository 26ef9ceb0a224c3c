"""Keep a module out of the gradient for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Let gradients flow through a module but not into its parameters.

    An optimiser clears gradients after its own step, so what a generator's step leaves in the
    discriminator would be added to the discriminator's next step.

    Args:
        module: whose trainable parameters are frozen inside the context, and trainable again after
            it.
    """
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield module
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
