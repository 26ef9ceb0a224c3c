"""The mask decoder as machine code of torch.compile, which is kept between runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from segkit.backends.compiler import code_folder

logger = logging.getLogger("segkit.backends")


class CompileError(ValueError):
    """A network that torch.compile makes no code of."""


class CompiledCall:
    """A function of batches that is compiled at its first call, for the largest batch so far.

    Smaller batches, such as the last of a film, are left to torch: making code for one more size
    takes longer. On a GPU the work is recorded as a CUDA graph, whose every replay writes its
    result to the same memory: results are copied.

    Args:
        call: takes what is constant, if anything, and then tensors of B rows; gives one of B rows.
        device: where it computes.
    """

    def __init__(self, call: Callable[..., Tensor], *, device: torch.device) -> None:
        self._graphs = device.type == "cuda"
        self._plain = call
        # A CUDA graph has one shape. Weights are no constants of the code (Inductor's "freezing"):
        # such code is not kept between runs, and was no faster.
        mode = "reduce-overhead" if self._graphs else None
        with code_folder():
            self._compiled = torch.compile(call, dynamic=False, mode=mode)
        self._rows = 0

    @torch.no_grad()
    def __call__(self, *batches: Tensor, constant: tuple[Any, ...] = ()) -> Tensor:
        """Run the code.

        Args:
            batches: of B rows each.
            constant: arguments before them, numbers or tensors of the same shapes at every call.

        Raises:
            CompileError: no code could be made.
        """
        rows = len(batches[0])
        if rows < self._rows:
            return self._plain(*constant, *batches)
        if rows > self._rows:
            logger.warning(
                "making code for batches of %d: a minute for a new model, seconds for one "
                "that was compiled before", rows,
            )  # fmt: skip
            self._rows = rows
        # Code is made for the strides of its inputs too; those of an expanded mask are others.
        joined = [batch.contiguous() for batch in batches]
        with code_folder():
            result = self._checked(*constant, *joined)
        return result.clone() if self._graphs else result

    def _checked(self, *arguments: Any) -> Tensor:
        if self._graphs:
            torch.compiler.cudagraph_mark_step_begin()
        try:
            return self._compiled(*arguments)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = str(error).strip().splitlines()[0]
            raise CompileError(f"compile: {reason}; take --backend torch") from error


class CompiledDecoder(nn.Module):
    """A mask decoder that runs as code, called as before.

    Args:
        module: the decoder.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module: Any = module
        self._device = next(module.parameters()).device
        self._decode = CompiledCall(module.forward, device=self._device)

    def forward(self, pose: Tensor, reference: Tensor, audio: Tensor) -> Tensor:
        """Predict logits ``B R H W``; see `segkit.contracts.MaskDecoder`."""
        return self._decode(pose, reference, audio)


class CompiledHalvesDecoder(CompiledDecoder):
    """One that also leaves out rows nobody looks at, and does a portrait's share of work once.

    Args:
        module: a decoder with ``prepare`` and ``decode_prepared``, which takes ``first_row``.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        decoder = self.module
        self._decode = CompiledCall(
            lambda first_row, *given: decoder(*given, first_row=first_row), device=self._device
        )
        self._decode_prepared = CompiledCall(
            lambda first_row, *given: decoder.decode_prepared(*given, first_row=first_row),
            device=self._device,
        )

    def forward(
        self, pose: Tensor, reference: Tensor, audio: Tensor, *, first_row: int = 0
    ) -> Tensor:
        """Predict logits ``B R H W``, zero above ``first_row``."""
        return self._decode(pose, reference, audio, constant=(first_row,))

    def prepare(self, pose: Tensor, reference: Tensor) -> Any:
        """Do all that speech has no part in, in torch, for masks that stay the same."""
        return self.module.prepare(pose, reference)

    def decode_prepared(self, prepared: Any, audio: Tensor, *, first_row: int = 0) -> Tensor:
        """Grow logits ``B R H W`` from speech ``B D``, zero above ``first_row``."""
        return self._decode_prepared(audio, constant=(first_row, prepared))


def compiled_decoder(module: nn.Module) -> CompiledDecoder:
    """Return a mask decoder as code, with the methods of a portrait if it has them."""
    decode = getattr(module, "decode_prepared", None)
    if decode is None or "first_row" not in signature(decode).parameters:
        return CompiledDecoder(module)
    return CompiledHalvesDecoder(module)
