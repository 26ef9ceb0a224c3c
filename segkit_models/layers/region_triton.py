"""The exact form as kernels of Triton, for GPUs: a pixel's style is read inside the product.

A layer that keeps the size is one kernel: the product of all windows and the weights, each window
styled by the region of the pixel in its middle, and the result normalised. A layer that doubles the
size would be four such products, with four times the work of a transposed convolution. So there one
convolution is run for all, and the pixels that see a border are amended as in `region_hybrid`: they
are listed by the lines of their window that are wrong, and only those are multiplied.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from segkit_models.layers.region_forms import convolve, window_kernels
from segkit_models.layers.region_hybrid import by_hybrid, scaled_by_label, window_matrices

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
"""What the kernels multiply; sums are float32."""

# Below this, four products of few pixels cost less than the many small steps of the other way.
_SMALL_PLANE = 16 * 16


def by_triton(
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
    """Convolve with the style of the output pixel's region.

    Arguments are those of `by_hybrid`, but for the matrices, which are from `output_rows`. Under
    autocast everything is brought to its type. The backward pass makes the result again by
    `by_hybrid`, whose gradients it takes; there is no second derivative.

    Returns:
        ``B O H' W'``, channels last in memory.

    Raises:
        ValueError: a device or a type that the kernels do not run on.
    """
    device = x.device.type
    if torch.is_autocast_enabled(device):
        x = x.to(torch.get_autocast_dtype(device))
    _check(x)
    modulation, matrices = modulation.to(x.dtype), matrices.detach().to(x.dtype)
    return _Styled.apply(x, weight, modulation, demodulation, matrices, labels_in, labels, up)


def output_rows(kernels: Tensor) -> Tensor:
    """Turn kernels ``P O I 3 3`` into the matrices of `by_triton`: ``9 P O I``.

    Tensor cores want what is summed to lie side by side, in float32 above all.
    """
    return kernels.permute(0, 3, 4, 1, 2).flatten(0, 2).contiguous()


def _check(x: Tensor) -> None:
    """Refuse what the kernels do not run on, and name what does."""
    if x.dtype not in DTYPES:
        raise ValueError(
            f"region_conv='triton' multiplies float32, float16 or bfloat16, got {x.dtype}; "
            "use region_conv='exact', which gives the same"
        )
    try:
        from segkit_models.layers.region_kernels import INTERPRETED
    except ImportError:
        found = "no triton (it comes with torch on Linux)"
    else:
        if x.device.type == "cuda" or INTERPRETED:
            return
        found = f"a map on {x.device.type!r}"
    raise ValueError(
        f"region_conv='triton' needs triton and a CUDA device, got {found}; "
        "use region_conv='exact', which gives the same anywhere and takes the kernels by itself"
    )


class _Styled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        modulation: Tensor,
        demodulation: Tensor,
        matrices: Tensor,
        labels_in: Tensor,
        labels: Tensor,
        up: bool,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, modulation, demodulation, labels_in, labels)
        ctx.up = up
        tables = (modulation.contiguous(), demodulation.float().contiguous())
        maps = (labels_in.contiguous(), labels.contiguous())
        if not up or x.shape[2] * x.shape[3] <= _SMALL_PLANE:
            batch, _, height, width = x.shape
            factor = 2 if up else 1
            y = torch.empty(
                (batch, len(weight), factor * height, factor * width),
                dtype=x.dtype,
                device=x.device,
                memory_format=torch.channels_last,
            )
            _multiply(_last(x), _last(y), matrices, *tables, maps[1])
            return y
        plain = convolve(scaled_by_label(x, modulation, labels_in), weight.to(x.dtype), up=True)
        y = scaled_by_label(plain, demodulation, labels)
        _amend(_last(x), _last(y), matrices, *tables, *maps)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, labels_in, labels = ctx.saved_tensors
        needed = ctx.needs_input_grad[: len(inputs)]
        with torch.enable_grad(), torch.autocast(gradient.device.type, enabled=False):
            leaves = [
                each.detach().requires_grad_(wanted)
                for each, wanted in zip(inputs, needed, strict=True)
            ]
            x, weight, modulation, demodulation = leaves
            weight = weight.to(x.dtype)
            matrices = window_matrices(window_kernels(weight, up=ctx.up))
            y = by_hybrid(
                x, weight, matrices, modulation, demodulation, labels_in, labels, up=ctx.up
            )
            wanted = [leaf for leaf in leaves if leaf.requires_grad]
            found = iter(torch.autograd.grad(y, wanted, gradient.to(y.dtype)))
        return *(next(found) if each else None for each in needed), None, None, None, None


def _multiply(
    x: Tensor,
    y: Tensor,
    matrices: Tensor,
    modulation: Tensor,
    demodulation: Tensor,
    labels: Tensor,
) -> None:
    """Write all pixels of ``y``, channels last as ``x``."""
    from segkit_models.layers.region_kernels import styled_convolution

    tensors = (x, y, matrices, modulation, demodulation, labels)
    _launch(styled_convolution, tensors, spare_tiles=0)


def _amend(
    x: Tensor,
    y: Tensor,
    matrices: Tensor,
    modulation: Tensor,
    demodulation: Tensor,
    labels_in: Tensor,
    labels: Tensor,
) -> None:
    """Put the pixels of ``y`` right whose window sees a border."""
    from segkit_models.layers.region_border_kernels import KINDS, amend_borders

    lists = list_borders(labels_in, labels)
    tensors = (x, y, matrices, modulation, demodulation, labels_in, labels, *lists)
    # Every list may end in the midst of a tile.
    _launch(amend_borders, tensors, spare_tiles=KINDS, KINDS=KINDS)


def _launch(
    kernel: Any, tensors: tuple[Tensor, ...], *, spare_tiles: int, **constants: int
) -> None:
    """Launch one of the two kernels that multiply, whose arguments begin with ``x`` and ``y``."""
    import triton

    from segkit_models.layers.region_kernels import INTERPRETED

    x, y, _, modulation, demodulation, *_ = tensors
    batch, height, width, channels = x.shape
    rows, outputs, step = batch * height * width, y.shape[-1], y.shape[1] // height

    def grid(blocks: dict[str, int]) -> tuple[int]:
        across = triton.cdiv(outputs, blocks["BLOCK_N"]) * step**2
        return ((triton.cdiv(rows, blocks["BLOCK_M"]) + spare_tiles) * across,)

    with _on(x):
        kernel[grid](
            *tensors, rows, height, width, channels, outputs,
            0 if len(modulation) == 1 else modulation[0].numel(),
            0 if len(demodulation) == 1 else demodulation[0].numel(),
            triton.next_power_of_2(rows),
            STEP=step, PRECISION=precision(), WIDENED=INTERPRETED and x.dtype == torch.bfloat16,
            **constants,
        )  # fmt: skip


def list_borders(labels_in: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """List the pixels of the output whose window sees another region than their own.

    Args:
        labels_in: ``B H W``, the regions at the size of the input.
        labels: ``B H' W'``, the same at the size of the output.

    Returns:
        ``P K B*H*W`` numbers of pixels of the input, by plane (parity of row and column) and kind
        (`region_border_kernels.KINDS`), and how many of them count, ``P K``.
    """
    import triton

    from segkit_models.layers import region_border_kernels as kernels

    batch, height, width = labels_in.shape
    rows, step, kinds = batch * height * width, labels.shape[1] // height, kernels.KINDS
    listed = torch.empty((step**2, kinds, rows), dtype=torch.int32, device=labels.device)
    counts = torch.zeros((step**2, kinds), dtype=torch.int32, device=labels.device)
    block = kernels.BLOCK_LISTED
    with _on(labels):
        kernels.list_borders[triton.cdiv(rows, block), step**2](
            labels_in, labels, listed, counts, rows, height, width,
            STEP=step, KINDS=kinds, BLOCK=block,
        )  # fmt: skip
    return listed, counts


def precision() -> str:
    """Return how float32 is multiplied: as torch's own convolutions would be at this moment.

    ``tf32x3`` is nearly float32's accuracy, on the units that multiply tf32.
    """
    # Where torch has the newer setting, reading the older one may fail.
    setting = getattr(torch.backends.cudnn, "conv", None)
    if setting is None:
        return "tf32" if torch.backends.cudnn.allow_tf32 else "tf32x3"
    return "tf32" if setting.fp32_precision == "tf32" else "tf32x3"


def _last(x: Tensor) -> Tensor:
    """Return a map as ``B H W C``; no copy where channels are last in memory."""
    return x.permute(0, 2, 3, 1).contiguous()


def _on(x: Tensor) -> AbstractContextManager[object]:
    """Launch on the device of a tensor, which need not be the current one."""
    return torch.cuda.device(x.device) if x.device.type == "cuda" else nullcontext()
