"""The forms of the region-modulated convolution whose output pixel is styled by its own region.

With a one-hot mask all of them give ``y(p) = d(p) sum_q W(p - q) s(p) x(q)``, s and d being the
factors of the region of the *output* pixel p (E4S), and differ in cost alone:

- loop: one convolution per region; the definition, and exact for soft masks too;
- bbox: the same within the rectangle around each region;
- taps: one 1 x 1 convolution per place of the kernel; nothing depends on the mask's content;
- hybrid: one convolution for all regions, amended at their borders (``region_hybrid``);
- borders: the same in few, plain operations, for graphs that leave torch (``region_borders``);
- triton: kernels for GPUs, which style each output pixel inside the product (``region_triton``).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from segkit_models.layers.fir import TAPS, blur, transposed
from segkit_models.layers.plain_convolution import conv2d


def convolve(x: Tensor, weight: Tensor, *, bias: Tensor | None = None, up: bool) -> Tensor:
    """Convolve ``B I H W`` by ``O I k k``, or by its transpose with stride 2 and the low-pass."""
    if not up:
        side = weight.shape[-1] // 2
        return conv2d(x, weight, bias, padding=(side, side))
    return blur(transposed(x, weight), bias, pad=(1, 1), gain=4.0)


def window_kernels(weight: Tensor, *, up: bool) -> Tensor:
    """Return the 3 x 3 kernels by which a window of the input makes output pixels.

    A transposed convolution of stride 2 and the low-pass are together four ordinary convolutions,
    one for each parity of the output pixel's row and column.

    Args:
        weight: ``O I 3 3``.
        up: whether the size doubles.

    Returns:
        ``P O I 3 3``, P = 4 (even even, even odd, odd even, odd odd) or 1.
    """
    if not up:
        return weight[None]
    taps = [tap * 2 / sum(TAPS) for tap in TAPS]
    # Row 2 m + a sees input row m + t - 1 through kernel row k by the filter's tap 2 t - 1 + k - a.
    mixing = weight.new_tensor(
        [
            [[taps[n] if 0 <= (n := 2 * t - 1 + k - a) < 4 else 0.0 for k in range(3)]
             for t in range(3)]
            for a in range(2)
        ]
    )  # fmt: skip
    mixing = torch.einsum("atk,bsl->abtskl", mixing, mixing).flatten(4).flatten(0, 3)
    out_channels, in_channels = weight.shape[:2]
    # One product, whose rows are the matrices that a window's places are multiplied by.
    mixed = mixing @ weight.permute(2, 3, 1, 0).flatten(2).flatten(0, 1)
    return mixed.view(4, 3, 3, in_channels, out_channels).permute(0, 4, 3, 1, 2)


def by_loop(
    x: Tensor, weight: Tensor, modulation: Tensor, demodulation: Tensor, mask: Tensor, *, up: bool
) -> Tensor:
    """Run one convolution per region and keep each region's own pixels.

    Args:
        x: ``B I H W``.
        weight: ``O I 3 3``.
        modulation: ``B R I``, or ``1 R I`` for all.
        demodulation: ``B R O`` likewise.
        mask: ``B R H' W'`` at the size of the output.
        up: whether the size doubles.

    Returns:
        ``B O H' W'``.
    """
    total = x.new_zeros(())
    for region in range(mask.shape[1]):
        part = convolve(x * modulation[:, region, :, None, None], weight, up=up)
        factor = demodulation[:, region, :, None, None]
        total = total + part * (factor * mask[:, region, None])
    return total


def by_boxes(
    x: Tensor, weight: Tensor, modulation: Tensor, demodulation: Tensor, mask: Tensor, *, up: bool
) -> Tensor:
    """Convolve each region's box with a rim of one input pixel; arguments as of `by_loop`."""
    modulation = modulation.expand(len(x), -1, -1)
    demodulation = demodulation.expand(len(x), -1, -1)
    factor = 2 if up else 1
    padded = functional.pad(x, (1, 1, 1, 1))
    total = x.new_zeros(len(x), len(weight), *mask.shape[2:])
    for sample, region, top, bottom, left, right in region_boxes(mask):
        window = padded[
            sample,
            None,
            :,
            top // factor : (bottom - 1) // factor + 3,
            left // factor : (right - 1) // factor + 3,
        ]
        part = convolve(window * modulation[sample, region, :, None, None], weight, up=up)
        part = part[0, :, factor + top % factor :, factor + left % factor :]
        part = part[:, : bottom - top, : right - left]
        shown = mask[sample, region, None, top:bottom, left:right]
        part = part * (demodulation[sample, region, :, None, None] * shown)
        total[sample, :, top:bottom, left:right] += part
    return total


def region_boxes(mask: Tensor) -> list[list[int]]:
    """Return the smallest rectangle around every region that has pixels.

    Args:
        mask: ``B R H W``.

    Returns:
        Lists of sample, region, top, bottom, left and right; bottom and right are exclusive.
    """
    edges = []
    for line in (mask.amax(3) > 0, mask.amax(2) > 0):
        first = line.int().argmax(2)
        edges += [first, line.shape[2] - line.flip(2).int().argmax(2)]
    present = mask.flatten(2).amax(2) > 0
    return torch.cat([present.nonzero(), torch.stack(edges, 2)[present]], 1).tolist()


def by_taps(
    x: Tensor, weight: Tensor, modulation: Tensor, demodulation: Tensor, mask: Tensor, *, up: bool
) -> Tensor:
    """Sum the kernel's places, each a 1 x 1 convolution of the shifted and styled input.

    Arguments as of `by_loop`, of which the mask must be one-hot. Shapes do not depend on it, so
    that the form can be exported and captured.
    """
    height, width = x.shape[2:]
    padded = functional.pad(x, (1, 1, 1, 1))
    step = 2 if up else 1
    planes = []
    for number, kernel in enumerate(window_kernels(weight, up=up)):
        own = mask[:, :, number // 2 :: step, number % 2 :: step] if up else mask
        style = _painted(modulation, own).to(x.dtype)
        plane = x.new_zeros(())
        for row in range(3):
            for column in range(3):
                shifted = padded[:, :, row : row + height, column : column + width]
                plane = plane + functional.conv2d(
                    shifted * style, kernel[:, :, row, column, None, None]
                )
        planes.append(plane * _painted(demodulation, own).to(x.dtype))
    if not up:
        return planes[0]
    return functional.pixel_shuffle(torch.stack(planes, 2).flatten(1, 2), 2)


def _painted(values: Tensor, mask: Tensor) -> Tensor:
    return (values.transpose(1, 2) @ mask.flatten(2)).unflatten(2, mask.shape[2:])
