"""The exact hybrid: one convolution for all regions, amended where a window crosses a border.

Modulated by the regions of the *input* pixels, a convolution is right wherever the window sees one
region. Elsewhere only the window's pixels of other regions are styled wrongly, about three of nine
along a straight border, and ``W(p - q) (s(p) - s(q)) x(q)`` puts each of them right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from segkit_models.layers.region_forms import convolve


class Amends(NamedTuple):
    """What one place of a kernel gets wrong.

    Attributes:
        kernel: number of the place, of ``window_matrices``.
        output: rows of the output's pixels.
        seen: rows of the input's pixels.
        own: rows of the style that the output's pixel has.
        other: rows of the style that the input's pixel has.
    """

    kernel: int
    output: Tensor
    seen: Tensor
    own: Tensor
    other: Tensor


def by_hybrid(
    x: Tensor,
    weight: Tensor,
    matrices: Tensor,
    modulation: Tensor,
    demodulation: Tensor,
    labels_in: Tensor,
    labels: Tensor,
    *,
    up: bool,
) -> Tensor:
    """Convolve once, then amend the pixels at borders.

    Args:
        x: ``B I H W``.
        weight: ``O I 3 3``.
        matrices: of the same weight, from `window_matrices`.
        modulation: ``B R I``, or ``1 R I`` for all.
        demodulation: ``B R O`` likewise.
        labels_in: ``B H W``, the regions at the size of the input.
        labels: ``B H' W'``, the same at the size of the output.
        up: whether the size doubles.

    Returns:
        ``B O H' W'``, channels last in memory.
    """
    y = convolve(scaled_by_label(x, modulation, labels_in), weight, up=up)
    y = y.contiguous(memory_format=torch.channels_last)
    amends = find_amends(labels_in, labels, modulation.shape[1], up=up)
    if amends:
        styles = modulation.expand(len(x), -1, -1).flatten(0, 1)
        y = _Amended.apply(y, *(each.to(y.dtype) for each in (_rows(x), styles, matrices)), amends)
    return scaled_by_label(y, demodulation, labels)


def window_matrices(kernels: Tensor) -> Tensor:
    """Turn kernels ``P O I 3 3`` into one matrix for each place: ``9 P I O``."""
    return kernels.permute(0, 3, 4, 2, 1).flatten(0, 2).contiguous()


def find_amends(labels_in: Tensor, labels: Tensor, num_regions: int, *, up: bool) -> list[Amends]:
    """Find, for each place of the kernels, the output pixels that see another region there.

    Args:
        labels_in: ``B H W``.
        labels: ``B H' W'``.
        num_regions: R; rows of styles are ``sample R + label``.
        up: whether the size doubles.
    """
    height, width = labels_in.shape[1:]
    step = 2 if up else 1
    own = torch.stack([labels[:, a::step, b::step] for a in range(step) for b in range(step)])
    # Beyond the image are zeros, which have no style.
    known = functional.pad(labels_in, (1, 1, 1, 1), value=-1)
    beside = torch.stack(
        [known[:, t : t + height, u : u + width] for t in range(3) for u in range(3)]
    )
    differs = ((beside != own[:, None]) & (beside >= 0)).flatten(0, 1).flatten(1)
    place, pixel = differs.nonzero().unbind(1)
    counts = differs.sum(1).tolist()
    tap, phase = place % 9, place // 9
    seen = pixel + (tap // 3 - 1) * width + tap % 3 - 1
    row = step * torch.div(pixel, width, rounding_mode="floor") + phase // 2
    output = row * (step * width) + step * (pixel % width) + phase % 2
    first = torch.div(pixel, height * width, rounding_mode="floor") * num_regions
    styles = (first + labels.flatten()[output], first + labels_in.flatten()[seen])
    parts = zip(*(each.split(counts) for each in (output, seen, *styles)), strict=True)
    return [Amends(number, *part) for number, part in enumerate(parts) if counts[number]]


def scaled_by_label(x: Tensor, values: Tensor, labels: Tensor) -> Tensor:
    """Multiply every pixel by the values of its label; only x and the labels are kept for backward.

    Args:
        x: ``B C H W``.
        values: ``B R C``, or ``1 R C`` for all.
        labels: ``B H W``.

    Returns:
        ``B C H W``, channels last in memory, of the type of x.
    """
    return _Scaled.apply(x, values.to(x.dtype).expand(len(x), -1, -1), labels)


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Tensor, labels: Tensor) -> Tensor:
        ctx.save_for_backward(x, values, labels)
        return _picked(values, labels).mul_(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, values, labels = ctx.saved_tensors
        to_x = _picked(values, labels).mul_(gradient) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return to_x, None, None
        mask = labels.flatten(1)[:, None] == torch.arange(values.shape[1], device=x.device)[:, None]
        product = (gradient * x).permute(0, 2, 3, 1).flatten(1, 2)
        return to_x, mask.to(x.dtype) @ product, None


class _Amended(torch.autograd.Function):
    """Adds the amends to ``y`` in place; backward gathers again instead of keeping what was."""

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, x: Tensor, styles: Tensor, matrices: Tensor, amends: list[Amends]
    ) -> Tensor:
        ctx.save_for_backward(x, styles, matrices)
        ctx.amends = amends
        ctx.mark_dirty(y)
        rows = _view_of_rows(y)
        for kernel, output, seen, own, other in amends:
            excess = styles.index_select(0, own) - styles.index_select(0, other)
            rows.index_add_(0, output, (x.index_select(0, seen) * excess) @ matrices[kernel])
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, styles, matrices = ctx.saved_tensors
        rows = _rows(gradient)
        to_x, to_styles = torch.zeros_like(x), torch.zeros_like(styles)
        to_matrices = None
        if ctx.needs_input_grad[3]:
            to_matrices = torch.empty_like(matrices)
            to_matrices[
                sorted(set(range(len(matrices))) - {each.kernel for each in ctx.amends})
            ] = 0
        for kernel, output, seen, own, other in ctx.amends:
            excess = styles.index_select(0, own) - styles.index_select(0, other)
            pixels, wanted = x.index_select(0, seen), rows.index_select(0, output)
            if to_matrices is not None:
                to_matrices[kernel] = (pixels * excess).T @ wanted
            back = wanted @ matrices[kernel].T
            to_x.index_add_(0, seen, back * excess)
            back *= pixels
            to_styles.index_add_(0, own, back).index_add_(0, other, back, alpha=-1)
        return gradient, to_x, to_styles, to_matrices, None


def _rows(x: Tensor) -> Tensor:
    """Turn ``B C H W`` into ``B H W`` rows of C; no copy where channels are last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _picked(values: Tensor, labels: Tensor) -> Tensor:
    """Give every pixel the values ``B R C`` of its label: ``B C H W``, channels last in memory."""
    batch, height, width = labels.shape
    first = values.shape[1] * torch.arange(batch, device=labels.device)[:, None, None]
    picked = torch.empty(
        (batch, values.shape[2], height, width),
        dtype=values.dtype,
        device=values.device,
        memory_format=torch.channels_last,
    )
    torch.index_select(
        values.flatten(0, 1), 0, (labels + first).flatten(), out=_view_of_rows(picked)
    )
    return picked


def _view_of_rows(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).view(-1, x.shape[1])
