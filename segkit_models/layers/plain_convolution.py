"""Convolution with a cheaper weight gradient on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_input

_LEAST_PIXELS = 64
"""Of a map; with fewer, products win nothing."""

_LEAST_CHANNELS = 128
"""Of both maps; with fewer, products win nothing."""


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, padding: tuple[int, int]
) -> Tensor:
    """Convolve with stride 1, as `torch.nn.functional.conv2d`.

    For wide maps with channels last on a CPU, torch's gradient by the weight runs at a quarter to
    four fifths of the speed of matrix products; here it is one product for each place of the
    kernel.

    Args:
        x: ``B I H W``.
        weight: ``O I kh kw``.
        bias: ``O``.
        padding: zeros added above and below, left and right.

    Returns:
        ``B O H' W'``.
    """
    if not _learns_slowly(x, weight):
        bias = None if bias is None else bias.to(weight.dtype)
        return functional.conv2d(x, weight, bias, padding=padding)
    y = _Conv2d.apply(x, weight, padding)
    return y if bias is None else y + bias[:, None, None]


def _learns_slowly(x: Tensor, weight: Tensor) -> bool:
    """Tell whether torch would take long for the gradient by the weight."""
    return (
        torch.is_grad_enabled()
        and weight.requires_grad
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.shape[2] * x.shape[3] >= _LEAST_PIXELS
        and min(weight.shape[:2]) >= _LEAST_CHANNELS
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
        and not torch.compiler.is_compiling()
    )


class _Conv2d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return functional.conv2d(x, weight, padding=padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        to_x = to_weight = None
        if ctx.needs_input_grad[0]:
            to_x = conv2d_input(x.shape, weight, gradient, padding=ctx.padding)
        if ctx.needs_input_grad[1]:
            to_weight = _to_weight(x, gradient, weight.shape[2:], ctx.padding)
        return to_x, to_weight, None


def _to_weight(
    x: Tensor, gradient: Tensor, kernel: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """Multiply all pixels of the output with those that a place of the kernel saw, for each place.

    Both maps become rows of pixels of the padded map, where a place of the kernel is a shift; what
    the gradient is padded with is zero, so that windows across the border count for nothing.
    """
    down, across = padding
    seen = functional.pad(x, (across, across, down, down)).permute(0, 2, 3, 1)
    height, width = seen.shape[1:3]
    beyond = (0, width - gradient.shape[3], 0, height - gradient.shape[2])
    wanted = functional.pad(gradient, beyond).permute(0, 2, 3, 1).flatten(0, 2)
    rows = seen.flatten(0, 2)
    products = []
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            first = row * width + column
            products.append(rows[first:].T @ wanted[: len(rows) - first])
    return torch.stack(products).unflatten(0, tuple(kernel)).permute(3, 2, 0, 1)
