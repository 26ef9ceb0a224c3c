"""The modulated convolution of StyleGAN2 with one style per region.

All forms share the weights between samples and regions: activations are modulated, never weights.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit_models.layers.equalised import EqualisedLinear
from segkit_models.layers.fir import blur

REGION_CONVS = ("spatial", "bbox", "loop")


class StyleTable(NamedTuple):
    """What one layer needs of the style codes; computed once per identity.

    Attributes:
        modulation: factor of each input channel, ``B R I`` (R is 1 in a layer without mask).
        demodulation: factor of each output channel, ``B R O``; None in a layer that does not
            normalise.
    """

    modulation: Tensor
    demodulation: Tensor | None


def paint(values: Tensor, mask: Tensor | None) -> Tensor:
    """Give every pixel the values of its region.

    Args:
        values: ``B R C``, or ``1 R C`` for a whole batch of masks.
        mask: ``B R H W``; a soft mask mixes the values. Without one all pixels take those of the
            first region.

    Returns:
        ``B C H W``, or ``B C 1 1`` without mask.
    """
    if mask is None:
        return values[:, 0, :, None, None]
    return (values.transpose(1, 2) @ mask.flatten(2)).unflatten(2, mask.shape[2:])


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


class RegionModulatedConv2d(nn.Module):
    """Convolution whose input channels are scaled by the style of the region.

    Args:
        in_channels: I.
        out_channels: O.
        style_dim: width D of the style codes.
        kernel_size: side of the kernel.
        up: double the size.
        demodulate: normalise the output by the norm of the modulated weights.
        region_conv: ``"spatial"`` scales by the style of the *input* pixel and runs one
            convolution; ``"loop"`` runs one convolution per region and keeps each region's own
            *output* pixels (E4S). They differ where the window of the kernel crosses a border, so
            weights of one do not suit the other. ``"bbox"`` gives what ``"loop"`` gives, but looks
            only at the rectangle around each region: 3 to 5 times faster on faces.

    Source:
        StyleGAN2 (Karras et al. 2020) section 2.2; the regions: E4S (Liu et al. 2023) section 3.2.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        style_dim: int,
        kernel_size: int = 3,
        up: bool = False,
        demodulate: bool = True,
        region_conv: str = "spatial",
    ) -> None:
        super().__init__()
        if region_conv not in REGION_CONVS:
            raise ValueError(
                f"region_conv: expected one of {', '.join(REGION_CONVS)}, got {region_conv!r}"
            )
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.modulation = EqualisedLinear(style_dim, in_channels, bias=1.0)
        self.scale = 1.0 / math.sqrt(in_channels * kernel_size**2)
        self.up = up
        self.demodulate = demodulate
        self.region_conv = region_conv

    def table(self, codes: Tensor) -> StyleTable:
        """Compute the factors of this layer.

        Args:
            codes: ``B R D``.
        """
        modulation = self.modulation(codes)
        if not self.demodulate:
            return StyleTable(modulation, None)
        # The norm of the weights of every region in closed form, without making those weights.
        energy = (self.weight * self.scale).square().sum((2, 3))
        return StyleTable(modulation, torch.rsqrt(modulation.square() @ energy.T + 1e-8))

    def forward(
        self,
        x: Tensor,
        table: StyleTable,
        mask_in: Tensor | None,
        mask_out: Tensor | None,
        *,
        offset: Tensor,
    ) -> Tensor:
        """Convolve with the styles painted by the mask, and add an offset.

        Args:
            x: ``B I H W``.
            table: from ``table``.
            mask_in: ``B R H W`` at the size of the input; None in a layer without mask (R is 1).
            mask_out: the same at the size of the output.
            offset: bias and noise, any shape that broadcasts to the output.

        Returns:
            ``B O H' W'``.
        """
        # A 1 x 1 kernel sees one pixel, so all forms agree and one convolution is enough.
        if mask_in is not None and self.region_conv != "spatial" and self.weight.shape[-1] > 1:
            assert mask_out is not None
            convolve = self._boxes if self.region_conv == "bbox" else self._loop
            mixed = convolve(x, table, mask_out)
            return mixed + offset.to(mixed.dtype)
        x = self._convolve(x * paint(table.modulation, mask_in).to(x.dtype))
        # Autocast leaves these in float32, and one of them would lift the whole feature map to it.
        offset = offset.to(x.dtype)
        if table.demodulation is None:
            return x + offset
        return torch.addcmul(offset, x, paint(table.demodulation, mask_out).to(x.dtype))

    def _convolve(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        if not self.up:
            return functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
        x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        return blur(x, pad=(1, 1), gain=4.0)

    def _loop(self, x: Tensor, table: StyleTable, mask_out: Tensor) -> Tensor:
        assert table.demodulation is not None
        total = x.new_zeros(())
        for region in range(mask_out.shape[1]):
            part = self._convolve(x * table.modulation[:, region, :, None, None])
            factor = table.demodulation[:, region, :, None, None]
            total = total + part * (factor * mask_out[:, region, None])
        return total

    def _boxes(self, x: Tensor, table: StyleTable, mask_out: Tensor) -> Tensor:
        """Convolve each region's box with a rim of one input pixel, as far as its window sees."""
        assert table.demodulation is not None
        modulation = table.modulation.expand(len(x), -1, -1)
        demodulation = table.demodulation.expand(len(x), -1, -1)
        factor = 2 if self.up else 1
        padded = functional.pad(x, (1, 1, 1, 1))
        total = x.new_zeros(len(x), len(self.weight), *mask_out.shape[2:])
        for sample, region, top, bottom, left, right in region_boxes(mask_out):
            window = padded[
                sample,
                None,
                :,
                top // factor : (bottom - 1) // factor + 3,
                left // factor : (right - 1) // factor + 3,
            ]
            part = self._convolve(window * modulation[sample, region, :, None, None])
            part = part[0, :, factor + top % factor :, factor + left % factor :]
            part = part[:, : bottom - top, : right - left]
            shown = mask_out[sample, region, None, top:bottom, left:right]
            part = part * (demodulation[sample, region, :, None, None] * shown)
            total[sample, :, top:bottom, left:right] += part
        return total
