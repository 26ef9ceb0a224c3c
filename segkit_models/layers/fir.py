"""The [1, 3, 3, 1] low-pass filter of StyleGAN2 for up- and downsampling without aliases."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from segkit_models.layers.plain_convolution import conv2d

TAPS = (1.0, 3.0, 3.0, 1.0)

_NARROW, _NARROW_VALUES = 128, 64 * 256**2
"""Most channels, and most numbers in a sample, of a map that a CPU convolves faster by the
transpose itself. On one core, maps of 16 to 128 channels at 8 to 256 px: 0.9 to 2.2 times the speed
of four convolutions drawing (at 128 channels and 256 px 0.7 times), 1.1 to 3.1 times learning; maps
of 256 and more: 0.4 to 0.9 times either way."""


def blur(
    x: Tensor, bias: Tensor | None = None, *, pad: tuple[int, int], gain: float = 1.0
) -> Tensor:
    """Filter every channel with the outer product of [1, 3, 3, 1] / 8.

    Args:
        x: ``B C H W``.
        bias: ``C``, added to the result.
        pad: zeros before and after each axis; (2, 1) or (1, 2) keep the size, (1, 1) takes one off.
        gain: factor of the result.

    Returns:
        ``B C H' W'`` with ``H' = H + sum(pad) - 3``.
    """
    channels = int(x.shape[1])  # a constant where the graph is traced
    bias = None if bias is None else bias.to(x.dtype)
    taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device) * (gain**0.5 / sum(TAPS))
    if is_channels_last(x) and pad[0] == pad[1]:
        kernel = torch.outer(taps, taps).expand(channels, 1, 4, 4)
        return functional.conv2d(x, kernel, bias, padding=pad[0], groups=channels)
    x = functional.pad(x, (*pad, *pad))
    # The filter is separable: 8 products per value instead of 16.
    x = functional.conv2d(x, taps.view(1, 1, 4, 1).expand(channels, 1, 4, 1), groups=channels)
    row = taps.view(1, 1, 1, 4).expand(channels, 1, 1, 4)
    return functional.conv2d(x, row, bias, groups=channels)


def transposed(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve by the transpose with stride 2.

    Wide maps on a CPU in four plain convolutions, one for each parity of row and column, which are
    products of the same numbers at up to twice the speed; narrow ones are faster whole.

    Args:
        x: ``B I H W``.
        weight: ``O I 3 3``.

    Returns:
        ``B O 2H+1 2W+1``.
    """
    traced = torch.jit.is_tracing() or torch.compiler.is_compiling()
    if x.device.type != "cpu" or traced or _is_narrow(x):
        return functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    parts: dict[tuple[int, int], Tensor] = {}
    places = weight.flatten(2).unbind(2)
    # Even rows see two rows of the kernel, from below upwards, odd ones its middle.
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        rows, columns = ((1,) if odd else (2, 0) for odd in (row, column))
        # Channels last, as the maps are.
        kernel = torch.stack([places[3 * a + b] for a in rows for b in columns], 1)
        kernel = kernel.unflatten(1, (len(rows), len(columns))).permute(0, 3, 1, 2)
        parts[row, column] = conv2d(x, kernel, padding=(1 - row, 1 - column))
    height, width = x.shape[2:]
    whole = torch.empty(
        (len(x), len(weight), 2 * height + 1, 2 * width + 1),
        dtype=parts[0, 0].dtype,
        device=x.device,
        memory_format=torch.channels_last if is_channels_last(x) else torch.contiguous_format,
    )
    for (row, column), part in parts.items():
        whole[:, :, row::2, column::2] = part
    return whole


def _is_narrow(x: Tensor) -> bool:
    """Tell whether four convolutions of a map would take longer than one, above all to learn."""
    return x.shape[1] <= _NARROW and x.shape[1] * x.shape[2] * x.shape[3] <= _NARROW_VALUES


def is_channels_last(x: Tensor) -> bool:
    """Tell whether a map has its channels last in memory, and not both ways at once."""
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def upsample(x: Tensor) -> Tensor:
    """Double the size: zeros between the pixels, then the filter with gain 4.

    Args:
        x: ``B C H W``.

    Returns:
        ``B C 2H 2W``.
    """
    # The filter at twice the rate is bilinear interpolation, except that outside the image it sees
    # zeros.
    x = functional.pad(x, (1, 1, 1, 1))
    x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    return x[..., 2:-2, 2:-2]
