"""Memory of a training step at the paper's sizes, counted on tensors that hold no numbers.

Run: ``python benchmarks/training_memory.py [--only NAME] [--quick]``. The step itself runs:
forward, losses, backward. Every tensor it makes has a shape and a lifetime but no memory, so that
100 GB are counted on a laptop in seconds. Counted are what forward keeps for backward and the most
that is alive at once, gradients of the weights included; weights and Adam's two averages are a
column of their own. What an allocator adds, and workspaces of convolutions, are not counted.
"""

from __future__ import annotations

import sys
import weakref
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.training_steps import Step, steps

GIB = 2**30


class Live(TorchDispatchMode):
    """Count the bytes of all storages that are made inside and still alive.

    Attributes:
        now: bytes alive.
        most: largest value of ``now`` so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and look at what it made."""
        if func is torch.ops.aten._local_scalar_dense.default:
            # Nothing holds numbers: what is asked is whether masks are one-hot, and labels small.
            return 1
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._take(tensor.untyped_storage())
        return made

    def _take(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._seen:
            return
        self._seen.add(key)
        size = storage.nbytes()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._leave, key, size)

    def _leave(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


class Counted(NamedTuple):
    """What a step holds, in bytes.

    Attributes:
        kept: when forward has ended, beside the weights and the batch.
        most: at once, during backward too, the gradients of the weights included.
        weights: of the trained networks, with Adam's averages.
    """

    kept: int
    most: int
    weights: int


def count(step: Step, *, precision: str = "float32", checkpoint: bool = False) -> Counted:
    """Count one training step.

    Args:
        step: of `training_steps.steps`.
        precision: ``"float32"``, or ``"bfloat16"`` for the forward pass under autocast.
        checkpoint: turn on ``checkpoint_activations`` wherever a network has it.
    """
    model = step.build().train()
    for module in model.modules():
        if hasattr(module, "checkpoint_activations"):
            module.checkpoint_activations = checkpoint
    mode = FakeTensorMode()
    empty(model, mode)
    with mode:
        batch = step.batch()
        trained = [each for each in model.parameters() if each.requires_grad]
        weights = sum(each.numel() * each.element_size() for each in trained)
        with Live() as live:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                loss = step.loss(model, batch)
            kept = live.now
            loss.backward()
    return Counted(kept, live.most, 3 * weights)


def empty(model: nn.Module, mode: FakeTensorMode) -> None:
    """Replace the weights by tensors without numbers."""
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                fake = mode.from_tensor(weight.detach())
                module._parameters[name] = nn.Parameter(fake, weight.requires_grad)
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else mode.from_tensor(buffer)


def main(
    only: Annotated[str, typer.Option(help="Part of the names of the steps to count.")] = "",
    quick: Annotated[bool, typer.Option(help="Tiny sizes: does it run?")] = False,
) -> None:
    """Print a table in Markdown, a step and a way a line."""
    print("| step | precision | checkpointed | kept GiB | most GiB | weights and Adam GiB |")
    print("|---|---|---|---|---|---|")
    for name, step in steps(quick=quick).items():
        if only.lower() not in name.lower():
            continue
        for precision in ("float32", "bfloat16"):
            for checkpoint in (False, True):
                found = count(step, precision=precision, checkpoint=checkpoint)
                numbers = " | ".join(f"{each / GIB:.3g}" for each in found)
                answer = "yes" if checkpoint else "no"
                print(f"| {name} | {precision} | {answer} | {numbers} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
