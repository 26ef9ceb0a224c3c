"""Training in several processes: equal replicas whose gradients are averaged before a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed
from mmengine.dist import get_world_size
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor, nn


@MODEL_WRAPPERS.register_module()
class Replica(nn.Module):
    """One process's copy of the model, equal to that of the first process.

    ``DistributedDataParallel`` averages during the backward pass and so must know which forward led
    to it; a training step with a generator and a discriminator breaks that. Here the model keeps
    its own ``train_step``, and ``AutocastOptimWrapper`` averages before it steps.

    Args:
        module: the model.
    """

    module: Any

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        if get_world_size() > 1:
            for tensor in (*module.parameters(), *module.buffers()):
                torch.distributed.broadcast(tensor.data, src=0)

    def forward(self, *arguments: Any) -> Any:
        """Call the model."""
        return self.module(*arguments)

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Run the model's own training step."""
        return self.module.train_step(data, optim_wrapper)

    def val_step(self, data: Any) -> Any:
        """Run the model's own validation step."""
        return self.module.val_step(data)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes; one absent everywhere stays so.

    Args:
        parameters: the same parameters in the same order in every process.
    """
    world_size = get_world_size()
    if world_size == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    present = torch.tensor(
        [parameter.grad is not None for parameter in trained], dtype=torch.float32
    )
    present = present.to(trained[0].device)
    parts = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten().float() for p in trained]
    # One message for all: many small ones would wait for the network's latency each.
    message = torch.cat([present, *parts])
    torch.distributed.all_reduce(message)
    counts, message = message[: len(trained)].tolist(), message[len(trained) :] / world_size
    for parameter, count, mean in zip(
        trained, counts, message.split([p.numel() for p in trained]), strict=True
    ):
        if count:
            parameter.grad = mean.view_as(parameter).to(parameter.dtype)
