"""The two layers that StyleGAN2's generator is made of, guided by a mask."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit_models.layers.equalised import SLOPE
from segkit_models.layers.modulation import RegionModulatedConv2d, StyleTable


class StyledConv(nn.Module):
    """Region-modulated convolution, noise, bias and activation.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        size: side of the output.
        style_dim: width of the style codes.
        up: double the size.
        region_conv: see ``RegionModulatedConv2d``.
    """

    noise: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        size: int,
        style_dim: int,
        up: bool,
        region_conv: str,
    ) -> None:
        super().__init__()
        self.conv = RegionModulatedConv2d(
            in_channels, out_channels, style_dim=style_dim, up=up, region_conv=region_conv
        )
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        # Stored, so that the texture of a video stands still.
        self.register_buffer("noise", torch.randn(1, 1, size, size))

    def table(self, codes: Tensor) -> StyleTable:
        """Compute the factors of this layer from codes ``B R D``.

        The sqrt(2) of the scaled leaky ReLU is in them: two fewer passes over the feature map.
        """
        modulation, demodulation = self.conv.table(codes)
        assert demodulation is not None
        return StyleTable(modulation, demodulation * math.sqrt(2.0))

    def forward(
        self,
        x: Tensor,
        table: StyleTable,
        mask_in: Tensor | None,
        mask_out: Tensor | None,
        *,
        random_noise: bool,
        labels: tuple[Tensor, Tensor] | None = None,
        box: tuple[int, int, int, int] | None = None,
    ) -> Tensor:
        """Return ``B out_channels size size``.

        The arguments are those of the convolution; ``box`` says which rows and columns of the
        whole map (top, bottom, left, right) the result is, where it is a part.
        """
        noise = self.noise
        if box is not None:
            noise = noise[..., box[0] : box[1], box[2] : box[3]]
        if random_noise:
            noise = torch.randn(len(x), *noise.shape[1:], dtype=x.dtype, device=x.device)
        noise = noise * (self.noise_strength * math.sqrt(2.0))
        bias = self.bias * math.sqrt(2.0)
        x = self.conv(x, table, mask_in, mask_out, bias=bias, noise=noise, labels=labels)
        return functional.leaky_relu(x, SLOPE, inplace=True)


class ToRGB(nn.Module):
    """Region-modulated 1 x 1 convolution to RGB, without demodulation; exact for soft masks too.

    Args:
        in_channels: channels of the input.
        style_dim: width of the style codes.
    """

    def __init__(self, in_channels: int, *, style_dim: int) -> None:
        super().__init__()
        self.conv = RegionModulatedConv2d(
            in_channels, 3, style_dim=style_dim, kernel_size=1, demodulate=False
        )
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(
        self, x: Tensor, table: StyleTable, mask: Tensor | None, *, labels: Tensor | None = None
    ) -> Tensor:
        """Return ``B 3 H W``; ``labels`` as for the convolution, of the one size there is."""
        known = None if labels is None else (labels, labels)
        return self.conv(x, table, mask, mask, bias=self.bias, labels=known)
