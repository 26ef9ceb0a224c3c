"""bfloat16: where it is faster than float32, and components that compute in it.

It has the range of float32 and 8 bits of its 24: 2 to 3 digits. Processors with AMX or AVX512-BF16,
and GPUs from Ampere on, multiply it several times as fast; all others make it of float32, slowly.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def is_fast_on(device: torch.device) -> bool:
    """Tell whether a device has units for bfloat16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Private names: with a torch without them, nothing is known to be fast.
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in probes)


class InBfloat16(nn.Module):
    """A component some of whose methods compute in bfloat16, called as before.

    Convolutions and products are in bfloat16, by torch's autocast; results are float32 again. The
    weights of convolutions are kept as bfloat16, so that they are turned into it only once.

    Args:
        module: the component, of which a copy is kept.
        methods: names of those that compute in bfloat16, besides ``forward``; it need not have all.
        others: names of those that stay as they are.
    """

    def __init__(
        self, module: nn.Module, *, methods: Collection[str] = (), others: Collection[str] = ()
    ) -> None:
        super().__init__()
        self.module: Any = copy.deepcopy(module)
        device = next(module.parameters()).device
        for part in self.module.modules():
            if isinstance(part, _CONVOLUTIONS):
                # Stays channels last in memory, if it is.
                part.weight.data = part.weight.data.to(torch.bfloat16)
        for name in ("forward", *methods):
            if hasattr(module, name):
                setattr(self, name, _in_bfloat16(getattr(self.module, name), device))
        for name in others:
            if hasattr(module, name):
                setattr(self, name, getattr(self.module, name))


def _in_bfloat16(method: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    # With the method's own signature, by which a talk asks what it can leave out.
    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        with torch.autocast(device.type, torch.bfloat16):
            result = method(*arguments, **named)
        return result.float() if isinstance(result, Tensor) else result

    return call
