"""Optimisers: mixed precision on any device, and one or several of them per model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from segkit.engine.replicas import average_gradients

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


class AutocastOptimWrapper(OptimWrapper):
    """mmengine's optimiser wrapper with autocast on any device and averaged gradients.

    The averaging stands before the clipping, so that several processes clip as one would.

    Args:
        optimizer: the optimiser.
        precision: ``"float32"``, or ``"bfloat16"`` to run the forward pass under autocast.
        accumulative_counts: iterations whose gradients are summed before a step.
        clip_grad: arguments of ``torch.nn.utils.clip_grad_norm_``, such as ``dict(max_norm=1.0)``.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        precision: str = "float32",
        accumulative_counts: int = 1,
        clip_grad: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(optimizer, accumulative_counts=accumulative_counts, clip_grad=clip_grad)
        if precision not in PRECISIONS:
            raise ValueError(
                f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}"
            )
        self.precision = precision

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass inside this context."""
        dtype = PRECISIONS[self.precision]
        device = next(model.parameters()).device.type
        with (
            super().optim_context(model),
            torch.autocast(device, dtype=dtype, enabled=dtype is not None),
        ):
            yield

    def step(self, **arguments: Any) -> None:
        """Average the gradients over the processes, clip them, and update the parameters."""
        average_gradients(
            parameter for group in self.optimizer.param_groups for parameter in group["params"]
        )
        super().step(**arguments)


class OptimisersOfModules:
    """Build one optimiser for all trainable parameters, or one for each named group of submodules.

    ``dict(optimizer=...)`` is the first; ``dict(generator=dict(optimizer=...),
    discriminator=dict(...))`` the second, where a group takes the submodule of its name, or those
    listed in its ``modules``. Frozen parameters reach no optimiser.

    Args:
        optim_wrapper_cfg: the config above.
        paramwise_cfg: not supported; mmengine passes it.
    """

    def __init__(
        self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        if paramwise_cfg:
            raise ValueError("paramwise_cfg: give groups of modules their own optimiser instead")
        self.config = optim_wrapper_cfg

    def __call__(self, model: nn.Module) -> OptimWrapper | OptimWrapperDict:
        """Return the wrapper of ``model``."""
        model = cast(nn.Module, model.module) if is_model_wrapper(model) else model
        if "optimizer" in self.config:
            return _build(dict(self.config), [model])
        wrappers = {}
        for name, group in self.config.items():
            group = dict(group)
            modules = [model.get_submodule(module) for module in group.pop("modules", (name,))]
            wrappers[name] = _build(group, modules)
        return OptimWrapperDict(**wrappers)


def _build(config: dict[str, Any], modules: list[nn.Module]) -> OptimWrapper:
    parameters = [
        parameter
        for module in modules
        for parameter in module.parameters()
        if parameter.requires_grad
    ]
    if not parameters:
        raise ValueError("an optimiser was given no trainable parameter")
    optimizer = OPTIMIZERS.build({**config.pop("optimizer"), "params": parameters})
    config.setdefault("type", AutocastOptimWrapper)
    return OPTIM_WRAPPERS.build({**config, "optimizer": optimizer})
