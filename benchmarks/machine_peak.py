"""The rate that a machine reaches at its best, which shares of the peak are of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from segkit.bfloat16 import is_fast_on

_MOVED = 0.15
"""Of a peak between two measurements, from where on shares of it mean little."""


def peaks(*, side: int = 64, channels: int = 256) -> dict[torch.dtype, float]:
    """Measure the GFLOP/s of every type that the machine has units for, on one thread.

    Of a plain 3 x 3 convolution with channels last, the best of five.
    """
    dtypes = [torch.float32]
    if is_fast_on(torch.device("cpu")):
        dtypes.append(torch.bfloat16)
    return {dtype: _peak_gflops(dtype, side, channels) for dtype in dtypes}


def peak_lines(before: dict[torch.dtype, float], after: dict[torch.dtype, float]) -> Iterator[str]:
    """Yield what was measured before and after, and a warning where it is not the same."""
    for dtype, peak in before.items():
        name = str(dtype).removeprefix("torch.")
        yield f"peak before {peak:.1f}, after {after[dtype]:.1f} GFLOP/s, one thread, {name}"
        if abs(after[dtype] / peak - 1) > _MOVED:
            yield "it moved by more than 15 %: trust the ratios, not the shares of it"


def peak_numbers(
    before: dict[torch.dtype, float], after: dict[torch.dtype, float]
) -> dict[str, list[float]]:
    """Return the same for a JSON file."""
    return {str(dtype): [peak, after[dtype]] for dtype, peak in before.items()}


def seconds_of(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds that this thread took, above zero, and the result."""
    begun = time.thread_time()
    result = run()
    return max(time.thread_time() - begun, 1e-9), result


def _peak_gflops(dtype: torch.dtype, side: int, channels: int) -> float:
    x = torch.randn(1, channels, side, side, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3, dtype=dtype)
    weight = weight.to(memory_format=torch.channels_last)
    work = 2 * 9 * channels**2 * side**2
    with torch.no_grad():
        return max(
            work / seconds_of(lambda: torch.conv2d(x, weight, padding=1))[0] / 1e9 for _ in range(5)
        )
