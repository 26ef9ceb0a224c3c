"""The modulated convolution of StyleGAN2 with one style per region.

All forms share the weights between samples and regions: activations are modulated, never weights.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segkit_models.layers.equalised import EqualisedLinear
from segkit_models.layers.region_forms import (
    by_boxes,
    by_hybrid,
    by_loop,
    by_taps,
    convolve,
)

REGION_CONVS = ("spatial", "exact", "hybrid", "taps", "bbox", "loop")
"""All but the first are one network in forms of different cost, see ``region_forms``."""


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
            convolution. ``"loop"`` runs one convolution per region and keeps each region's own
            *output* pixels (E4S). They differ where the window of the kernel crosses a border, so
            weights of one do not suit the other. ``"bbox"``, ``"taps"`` and ``"hybrid"`` give what
            ``"loop"`` gives for less (`region_forms`), the last two for one-hot masks only;
            ``"exact"`` takes the hybrid for one-hot masks and bbox for soft ones.

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
            mixed = self._by_output(x, table, mask_in, mask_out)
            return mixed + offset.to(mixed.dtype)
        x = x * paint(table.modulation, mask_in).to(x.dtype)
        x = convolve(x, self.weight * self.scale, up=self.up)
        # Autocast leaves these in float32, and one of them would lift the whole feature map to it.
        offset = offset.to(x.dtype)
        if table.demodulation is None:
            return x + offset
        return torch.addcmul(offset, x, paint(table.demodulation, mask_out).to(x.dtype))

    def _by_output(self, x: Tensor, table: StyleTable, mask_in: Tensor, mask_out: Tensor) -> Tensor:
        """Style every output pixel by its own region."""
        modulation, demodulation = table
        assert demodulation is not None
        weight, form = self.weight * self.scale, self.region_conv
        one_hot = form in ("bbox", "loop") or (is_one_hot(mask_in) and is_one_hot(mask_out))
        if form == "exact":
            form = "hybrid" if one_hot else "bbox"
        if not one_hot and form != "bbox":
            raise ValueError(
                f"mask: region_conv={form!r} needs a one-hot mask and got a soft one; harden it "
                "(argmax), or use region_conv='exact', 'bbox' or 'loop'"
            )
        if form == "hybrid":
            return by_hybrid(x, weight, modulation, demodulation, mask_in, mask_out, up=self.up)
        run = {"taps": by_taps, "bbox": by_boxes, "loop": by_loop}[form]
        return run(x, weight, modulation, demodulation, mask_out, up=self.up)


def is_one_hot(mask: Tensor) -> bool:
    """Tell whether every pixel of a mask ``B R H W`` is of one region, wholly."""
    if torch.jit.is_tracing() or torch.compiler.is_compiling():
        return True  # what is exported cannot look
    return bool((mask.amax(1) == 1).all() and (mask.sum(1) == 1).all())
