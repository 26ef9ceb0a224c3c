"""Whether ``"exact"`` takes the kernels of Triton by itself: on a GPU where they proved right."""

from __future__ import annotations

import functools
import logging

import torch
from torch import Tensor
from torch.nn import functional

from segkit_models.layers.region_forms import by_taps, window_kernels
from segkit_models.layers.region_triton import DTYPES, by_triton, output_rows, precision

logger = logging.getLogger(__name__)

# In parts of the range; those of tf32 and of float16 keep 11 bits, bfloat16 keeps 8.
_TOLERANCES = {torch.float16: 1e-2, torch.bfloat16: 5e-2}


def takes_kernels(x: Tensor, *, outputs: int) -> bool:
    """Tell whether a map is to be convolved by the kernels when nobody asked for them.

    That is on CUDA devices from Ampere on, without gradients (whose backward pass would make the
    result a second time), for numbers of channels that can be read in whole vectors, in a precision
    that tensor cores have, and after a small example has come out right on that device.

    Args:
        x: ``B I H W``.
        outputs: O.
    """
    if x.device.type != "cuda" or torch.version.hip is not None or x.shape[1] % 16 or outputs % 16:
        return False
    if torch.is_grad_enabled() or torch.jit.is_tracing() or torch.compiler.is_compiling():
        return False
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x.dtype
    if dtype not in DTYPES or torch.cuda.get_device_capability(x.device) < (8, 0):
        return False
    # Float32 in full takes the kernels three products for one; the hybrid's library has others.
    if dtype == torch.float32 and precision() != "tf32":
        return False
    return are_right(x.device, dtype, precision())


@functools.cache
def are_right(device: torch.device, dtype: torch.dtype, precision: str) -> bool:
    """Run the kernels on a small example beside plain torch; asked once per process.

    Args:
        device: where.
        dtype: of the map.
        precision: how float32 is multiplied, see `region_triton.precision`.

    Returns:
        Whether they ran, and agreed; if not, a warning says why.
    """
    tolerance = _TOLERANCES.get(dtype, 1e-2 if precision == "tf32" else 1e-5)
    try:
        with torch.autocast(device.type, enabled=False):
            worst = max(_difference(device, dtype, up, side) for up, side in _EXAMPLES)
        # A number that is none is not below anything.
        reason = "" if worst < tolerance else f"they differ from torch by {worst:.1e} of the range"
    except Exception as error:  # no compiler, a driver too old: whatever it is, torch alone works
        reason = f"{type(error).__name__}: {error}"
    if reason:
        logger.warning("kernels of Triton are not used on %s (%s): %s", device, dtype, reason)
    return not reason


_EXAMPLES = ((False, 12), (True, 12), (True, 20))
"""Doubling or not, and side of the input: one for each way of `by_triton`."""


@torch.no_grad()
def _difference(device: torch.device, dtype: torch.dtype, up: bool, side: int) -> float:
    """Compare one example with `by_taps` in float32; return parts of the range."""
    random = torch.Generator().manual_seed(0)
    factor = 2 if up else 1
    labels = torch.randint(3, (1, side * factor // 4, side * factor // 4), generator=random)
    labels = labels.repeat_interleave(4, 1).repeat_interleave(4, 2).to(device)
    x = torch.randn(1, 32, side, side, generator=random).to(device, dtype)
    weight = torch.randn(48, 32, 3, 3, generator=random).to(device, dtype)
    modulation = torch.rand(1, 3, 32, generator=random).add(0.5).to(device, dtype)
    demodulation = torch.rand(1, 3, 48, generator=random).add(0.5).to(device, dtype)
    matrices = output_rows(window_kernels(weight, up=up))
    maps = (labels[:, ::factor, ::factor], labels)
    found = by_triton(x, weight, matrices, modulation, demodulation, *maps, up=up)
    mask = functional.one_hot(labels, 3).movedim(-1, 1).float()
    tables = (modulation.float(), demodulation.float())
    expected = by_taps(x.float(), weight.float(), *tables, mask, up=up)
    return float((found.float() - expected).abs().max() / expected.abs().max())
