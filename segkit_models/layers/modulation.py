"""The modulated convolution of StyleGAN2 with one style per region.

All forms share the weights between samples and regions: activations are modulated, never weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from segkit_models.layers.equalised import EqualisedLinear
from segkit_models.layers.region_borders import by_borders
from segkit_models.layers.region_choice import takes_kernels
from segkit_models.layers.region_forms import (
    by_boxes,
    by_loop,
    by_taps,
    convolve,
    window_kernels,
)
from segkit_models.layers.region_hybrid import by_hybrid, scaled_by_label, window_matrices
from segkit_models.layers.region_triton import by_triton, output_rows

REGION_CONVS = ("spatial", "exact", "hybrid", "triton", "taps", "borders", "bbox", "loop")
"""All but the first are one network in forms of different cost, see ``region_forms``."""

_OF_MATRICES = {"hybrid": (by_hybrid, window_matrices), "triton": (by_triton, output_rows)}


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
        ``B C H W``, channels last in memory as feature maps are; or ``B C 1 1`` without mask.
    """
    if mask is None:
        return values[:, 0, :, None, None]
    if torch.jit.is_tracing() or torch.compiler.is_compiling():
        # What runs a graph keeps planes.
        return (values.transpose(1, 2) @ mask.flatten(2)).unflatten(2, mask.shape[2:])
    rows = mask.permute(0, 2, 3, 1).flatten(1, 2) @ values
    return rows.unflatten(1, mask.shape[2:]).permute(0, 3, 1, 2)


def scaled(x: Tensor, values: Tensor, mask: Tensor | None, labels: Tensor | None) -> Tensor:
    """Multiply every pixel by the values of its region.

    Args:
        x: ``B C H W``.
        values: ``B R C``, or ``1 R C``.
        mask: see `paint`.
        labels: ``B H W``, where the mask is known to be one-hot: two passes instead of four.
    """
    if labels is None or mask is None:
        return x * paint(values, mask).to(x.dtype)
    return scaled_by_label(x, values, labels)


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
            weights of one do not suit the other. ``"bbox"``, ``"taps"``, ``"borders"``,
            ``"hybrid"`` and ``"triton"`` give what ``"loop"`` gives for less (`region_forms`), the
            last four for one-hot masks only and ``"triton"`` on a GPU only. ``"exact"`` runs
            anywhere: it takes bbox for soft masks, and for one-hot ones the kernels of
            ``"triton"`` where they can run and no gradients are wanted, or the hybrid.

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
        self._made: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave what was made of the weight behind when the layer is copied or stored."""
        return {**self.__dict__, "_made": {}}

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
        bias: Tensor | None = None,
        noise: Tensor | None = None,
        labels: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Convolve with the styles painted by the mask, and add bias and noise.

        Args:
            x: ``B I H W``.
            table: from ``table``.
            mask_in: ``B R H W`` at the size of the input; None in a layer without mask (R is 1).
            mask_out: the same at the size of the output.
            bias: ``O``.
            noise: ``1 1 H' W'`` or ``B 1 H' W'``.
            labels: both masks as ``B H W``, from a caller who knows that they are one-hot.

        Returns:
            ``B O H' W'``.
        """
        if mask_in is None and self._is_cheaper_in_weights(x, table):
            y = convolve(x, self._styled_weight(table), bias=bias, up=self.up)
            bias = None
        elif mask_in is None or mask_out is None:
            y = self._by_input(x, table, None, None, (None, None))
        elif self.weight.shape[-1] == 1 and len(self.weight) * mask_in.shape[1] <= x.shape[1]:
            y = self._by_outputs_of_all(x, table, mask_in, None if labels is None else labels[0])
        elif self.region_conv == "spatial" or self.weight.shape[-1] == 1:
            # A 1 x 1 kernel sees one pixel, so all forms agree and one convolution is enough.
            y = self._by_input(x, table, mask_in, mask_out, labels or (None, None))
        else:
            y = self._by_output(x, table, mask_in, mask_out, labels)
        # Each of the map's own type, and one after the other: their sum would be a map of its own.
        if bias is not None:
            y.add_(bias.to(y.dtype)[:, None, None])
        return y if noise is None else y.add_(noise.to(y.dtype))

    def _multiplied_type(self) -> torch.dtype:
        """Return the weight's type, or the one that autocast multiplies in."""
        device = self.weight.device.type
        # Some devices, "meta" above all, know no autocast.
        if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
            return self.weight.dtype
        return torch.get_autocast_dtype(device)

    def _by_input(
        self,
        x: Tensor,
        table: StyleTable,
        mask_in: Tensor | None,
        mask_out: Tensor | None,
        labels: tuple[Tensor, Tensor] | tuple[None, None],
    ) -> Tensor:
        """Style every input pixel by its own region."""
        x = scaled(x, table.modulation, mask_in, labels[0])
        y = convolve(x, self._multiplied_weight(), up=self.up)
        if table.demodulation is None:
            return y
        return scaled(y, table.demodulation, mask_out, labels[1])

    def _by_outputs_of_all(
        self, x: Tensor, table: StyleTable, mask: Tensor, labels: Tensor | None
    ) -> Tensor:
        """Let a 1 x 1 kernel make every region's few outputs, and pick or mix them by the mask."""
        weight = self._scaled_weight()[:, :, 0, 0] * table.modulation[:, :, None]  # B R O I
        rows = x.permute(0, 2, 3, 1).flatten(1, 2)
        every = rows @ weight.to(x.dtype).flatten(1, 2).transpose(1, 2)
        every = every.unflatten(2, (-1, len(self.weight)))
        if labels is None:
            share = mask.to(x.dtype).flatten(2).transpose(1, 2)[..., None]
            mixed = (every * share).sum(2)
        else:
            own = labels.flatten(1)[..., None, None].expand(-1, -1, 1, len(self.weight))
            mixed = every.gather(2, own)[:, :, 0]
        return mixed.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)

    def _by_output(
        self,
        x: Tensor,
        table: StyleTable,
        mask_in: Tensor,
        mask_out: Tensor,
        labels: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """Style every output pixel by its own region."""
        modulation, demodulation = table
        assert demodulation is not None
        form = self.region_conv
        one_hot = form in ("bbox", "loop") or labels is not None
        one_hot = one_hot or (is_one_hot(mask_in) and is_one_hot(mask_out))
        if form == "exact":
            hard = "triton" if takes_kernels(x, outputs=len(self.weight)) else "hybrid"
            form = hard if one_hot else "bbox"
        if not one_hot and form != "bbox":
            raise ValueError(
                f"mask: region_conv={form!r} needs a one-hot mask and got a soft one; harden it "
                "(argmax), or use region_conv='exact', 'bbox' or 'loop'"
            )
        if form in ("hybrid", "triton"):
            maps = (mask_in.argmax(1), mask_out.argmax(1)) if labels is None else labels
            run, layout = _OF_MATRICES[form]
            weight, matrices = self._multiplied_weight(), self._window_matrices(layout)
            return run(x, weight, matrices, modulation, demodulation, *maps, up=self.up)
        weight = self._scaled_weight()
        if form == "borders":
            masks = (mask_in, mask_out)
            return by_borders(x, weight, modulation, demodulation, *masks, up=self.up)
        each = {"taps": by_taps, "bbox": by_boxes, "loop": by_loop}[form]
        return each(x, weight, modulation, demodulation, mask_out, up=self.up)

    def _scaled_weight(self) -> Tensor:
        """Return the weight times its scale, channels last in memory."""

        def make() -> Tensor:
            return (self.weight * self.scale).contiguous(memory_format=torch.channels_last)

        return self._kept("weight", make)

    def _multiplied_weight(self) -> Tensor:
        """Return the same in the type in which it will be multiplied."""
        dtype = self._multiplied_type()
        return self._kept(f"weight {dtype}", lambda: self._scaled_weight().to(dtype))

    def _is_cheaper_in_weights(self, x: Tensor, table: StyleTable) -> bool:
        """Tell whether the one style of a map is better multiplied into weights than into pixels.

        It must be that of all samples; and a graph that is traced for one sample must take more.
        """
        one_style = len(table.modulation) == 1 and has_values(x)
        return one_style and not torch.is_grad_enabled() and self.weight.numel() < x.numel()

    def _styled_weight(self, table: StyleTable) -> Tensor:
        """Return the weight with the style of the only region in it."""
        weight = self._scaled_weight() * table.modulation[0, 0, :, None, None]
        if table.demodulation is not None:
            weight = weight * table.demodulation[0, 0, :, None, None, None]
        return weight.to(self._multiplied_type())

    def _window_matrices(self, layout: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the weight as matrices of the type in which they will be multiplied."""
        dtype = self._multiplied_type()

        def make() -> Tensor:
            return layout(window_kernels(self._scaled_weight(), up=self.up)).to(dtype)

        return self._kept(f"{layout.__name__} {dtype}", make)

    def _kept(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Make something of the weight; without gradients only once, until the weight changes."""
        weight = self.weight
        if torch.is_grad_enabled() or not has_values(weight) or weight.is_inference():
            return make()
        state = (weight._version, weight.data_ptr(), weight.dtype, weight.device)
        if self._made.get("state") != state:
            self._made = {"state": state}
        if name not in self._made:
            self._made[name] = make()
        return cast(Tensor, self._made[name])


def is_one_hot(mask: Tensor) -> bool:
    """Tell whether every pixel of a mask ``B R H W`` is of one region, wholly."""
    if not has_values(mask):
        return True  # what is exported or counted cannot look
    return bool((mask.amax(1) == 1).all() and (mask.sum(1) == 1).all())


def has_values(tensor: Tensor) -> bool:
    """Tell a tensor from what stands in for one while a module is exported or its work counted."""
    traced = torch.jit.is_tracing() or torch.compiler.is_compiling()
    return not traced and not tensor.is_meta and type(tensor.data) is Tensor
