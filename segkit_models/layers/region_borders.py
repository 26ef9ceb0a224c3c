"""The exact hybrid in few, plain operations, for graphs that leave torch (`segkit.export`).

As `region_hybrid`, but every border pixel's whole window is taken together, so that one look for
borders and one matrix product do for all places of a kernel. Three times the products, a tenth of
the operations; the number of border pixels is the only size that depends on the mask.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from segkit_models.layers.region_forms import convolve, window_kernels


def by_borders(
    x: Tensor,
    weight: Tensor,
    modulation: Tensor,
    demodulation: Tensor,
    mask_in: Tensor,
    mask_out: Tensor,
    *,
    up: bool,
) -> Tensor:
    """Convolve once, then put the windows of border pixels right.

    Args:
        x: ``B I H W``.
        weight: ``O I 3 3``.
        modulation: ``B R I``, or ``1 R I`` for all.
        demodulation: ``B R O`` likewise.
        mask_in: one-hot ``B R H W``.
        mask_out: one-hot ``B R H' W'`` at the size of the output.
        up: whether the size doubles.

    Returns:
        ``B O H' W'``.
    """
    y = convolve(x * _painted(modulation, mask_in).to(x.dtype), weight, up=up)
    styles = modulation.expand(x.shape[0], -1, -1).to(x.dtype)
    labels_in, labels_out = mask_in.argmax(1), mask_out.argmax(1)
    planes = []
    step = 2 if up else 1
    for number, kernel in enumerate(window_kernels(weight, up=up)):
        row, column = divmod(number, step)
        plane, own = y[:, :, row::step, column::step], labels_out[:, row::step, column::step]
        planes.append(_amended(plane, x, styles, kernel, labels_in, own))
    y = functional.pixel_shuffle(torch.stack(planes, 2).flatten(1, 2), 2) if up else planes[0]
    return y * _painted(demodulation, mask_out).to(y.dtype)


def _amended(
    y: Tensor, x: Tensor, styles: Tensor, kernel: Tensor, labels_in: Tensor, own: Tensor
) -> Tensor:
    """Add to pixels ``B O H W`` at borders what the styles of their neighbours left out."""
    height, width = x.shape[2:]
    # Beyond the image are zeros, which any style leaves zero: they may have the pixel's own.
    known = functional.pad(labels_in[:, None].to(x.dtype), (1, 1, 1, 1), value=-1)[:, 0].long()
    beside = torch.stack(
        [known[:, t : t + height, u : u + width] for t in range(3) for u in range(3)], -1
    )
    beside = torch.where(beside < 0, own[..., None], beside)
    sample, row, column = (beside != own[..., None]).any(-1).nonzero().unbind(1)
    place = torch.arange(9, device=x.device)
    padded = functional.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    window = padded[sample[:, None], row[:, None] + place // 3, column[:, None] + place % 3]
    excess = styles[sample, own[sample, row, column]][:, None]
    excess = excess - styles[sample[:, None], beside[sample, row, column]]
    matrix = kernel.permute(2, 3, 1, 0).flatten(0, 2)
    rows = y.permute(0, 2, 3, 1)
    amended = rows[sample, row, column] + (window * excess).flatten(1) @ matrix.to(x.dtype)
    return rows.index_put((sample, row, column), amended).permute(0, 3, 1, 2)


def _painted(values: Tensor, mask: Tensor) -> Tensor:
    return (values.transpose(1, 2) @ mask.flatten(2)).unflatten(2, mask.shape[2:])
