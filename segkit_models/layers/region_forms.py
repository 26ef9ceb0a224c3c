"""The forms of the region-modulated convolution whose output pixel is styled by its own region.

With a one-hot mask all of them give ``y(p) = d(p) sum_q W(p - q) s(p) x(q)``, s and d being the
factors of the region of the *output* pixel p (E4S), and differ in cost alone:

- loop: one convolution per region; the definition, and exact for soft masks too;
- bbox: the same within the rectangle around each region;
- taps: one 1 x 1 convolution per place of the kernel; nothing depends on the mask's content;
- hybrid: one convolution modulated by the *input* pixels' regions, which is right wherever the
  window sees one region only, and every other pixel again by a gathered matrix product.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from segkit_models.layers.fir import TAPS, blur

_ALL_FROM = 0.5
"""Share of border pixels from which gathering all of them costs less than the mixed convolution."""

_CHUNK = 8192
"""Pixels gathered at once: 9 C floats each."""


def convolve(x: Tensor, weight: Tensor, *, up: bool) -> Tensor:
    """Convolve ``B I H W`` by ``O I k k``, or by its transpose with stride 2 and the low-pass."""
    if not up:
        return functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
    x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return blur(x, pad=(1, 1), gain=4.0)


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
    return torch.einsum("atk,oikl,bsl->aboits", mixing, weight, mixing).flatten(0, 1)


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


def by_hybrid(
    x: Tensor,
    weight: Tensor,
    modulation: Tensor,
    demodulation: Tensor,
    mask_in: Tensor,
    mask: Tensor,
    *,
    up: bool,
) -> Tensor:
    """Convolve once, and once more by matrix products where a window crosses a border.

    Arguments as of `by_loop`, of which both masks must be one-hot; ``mask_in`` is the mask at the
    size of the input. Small maps, which are mostly border, are gathered whole.
    """
    labels_in, labels = mask_in.argmax(1), mask.argmax(1)
    border = _sees_others(labels_in, labels, up=up)
    modulation = modulation.expand(len(x), -1, -1).to(x.dtype)
    demodulation = demodulation.expand(len(x), -1, -1).to(x.dtype)
    if float(border.float().mean()) > _ALL_FROM:
        border = torch.ones_like(border)
        y = x.new_zeros(len(x), *labels.shape[1:], len(weight))
    else:
        mixed = convolve(x * _picked(modulation, labels_in), weight, up=up)
        y = (mixed * _picked(demodulation, labels)).permute(0, 2, 3, 1)
    return _repaired(y, x, weight, modulation, demodulation, labels, border, up=up)


def _repaired(
    y: Tensor,
    x: Tensor,
    weight: Tensor,
    modulation: Tensor,
    demodulation: Tensor,
    labels: Tensor,
    border: Tensor,
    *,
    up: bool,
) -> Tensor:
    """Replace the border pixels of ``y`` ``B H' W' O`` by products of their whole windows."""
    _, channels, height, width = x.shape
    rows = functional.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1).reshape(-1, channels)
    steps = torch.arange(3, device=x.device)
    window = (steps[:, None] * (width + 2) + steps).flatten()
    y = y.contiguous()
    size, flat = y.shape, y.view(-1, len(weight))
    scale = 2 if up else 1
    places, values = [], []
    for number, kernel in enumerate(window_kernels(weight, up=up)):
        first_row, first_column = number // 2, number % 2
        matrix = kernel.permute(2, 3, 1, 0).reshape(-1, len(kernel))
        wanted = border[:, first_row::scale, first_column::scale].nonzero()
        for sample, row, column in (part.unbind(1) for part in wanted.split(_CHUNK)):
            out_row, out_column = scale * row + first_row, scale * column + first_column
            label = labels[sample, out_row, out_column]
            start = (sample * (height + 2) + row) * (width + 2) + column
            seen = rows[start[:, None] + window] * modulation[sample, label][:, None]
            values.append((seen.flatten(1) @ matrix) * demodulation[sample, label])
            places.append((sample * size[1] + out_row) * size[2] + out_column)
    if places:
        flat = flat.index_put((torch.cat(places),), torch.cat(values).to(flat.dtype))
    return flat.view(size).permute(0, 3, 1, 2)


def _sees_others(labels_in: Tensor, labels: Tensor, *, up: bool) -> Tensor:
    """Mark output pixels whose window of the input holds another label than their own."""
    known = labels_in[:, None].float()
    known = functional.pad(known, (1, 1, 1, 1), mode="replicate")  # outside are zeros, of no region
    highest, lowest = functional.max_pool2d(known, 3, 1), -functional.max_pool2d(-known, 3, 1)
    if up:
        highest, lowest = (
            level.repeat_interleave(2, 2).repeat_interleave(2, 3) for level in (highest, lowest)
        )
    return (highest[:, 0] != labels) | (lowest[:, 0] != labels)


def _painted(values: Tensor, mask: Tensor) -> Tensor:
    return (values.transpose(1, 2) @ mask.flatten(2)).unflatten(2, mask.shape[2:])


def _picked(values: Tensor, labels: Tensor) -> Tensor:
    """Give every pixel the values ``B R C`` of its label: ``B C H W``, channels last in memory."""
    batch, height, width = labels.shape
    index = labels + values.shape[1] * torch.arange(batch, device=labels.device)[:, None, None]
    picked = values.reshape(-1, values.shape[2])[index.flatten()]
    return picked.view(batch, height, width, -1).permute(0, 3, 1, 2)
