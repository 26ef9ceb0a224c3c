"""Linear and convolution layers with the equalised learning rate of StyleGAN."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
"""Negative slope of every activation of StyleGAN2."""


def scaled_leaky_relu(x: Tensor) -> Tensor:
    """Apply leaky ReLU (slope 0.2) times sqrt(2), which keeps the variance of its input.

    Source: StyleGAN2 (Karras et al. 2020), appendix B.
    """
    # Scaling the input is the same and lets the activation be the last, in-place capable step.
    return functional.leaky_relu(x * math.sqrt(2.0), SLOPE)


class EqualisedLinear(nn.Module):
    """Linear layer whose weight is stored as N(0, 1) and scaled by ``1 / sqrt(in_dim)`` when used.

    Args:
        in_dim: width of the input.
        out_dim: width of the output.
        bias: initial value of the bias.
        activation: end with the scaled leaky ReLU.
    """

    def __init__(
        self, in_dim: int, out_dim: int, *, bias: float = 0.0, activation: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_dim, in_dim))
        self.bias = nn.Parameter(torch.full((out_dim,), float(bias)))
        self.scale = 1.0 / math.sqrt(in_dim)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map ``... in_dim`` to ``... out_dim``."""
        x = functional.linear(x, self.weight * self.scale, self.bias)
        return scaled_leaky_relu(x) if self.activation else x


class EqualisedConv2d(nn.Module):
    """Convolution whose weight is stored as N(0, 1) and scaled by ``1 / sqrt(fan_in)`` when used.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the kernel.
        stride: step of the kernel.
        padding: zeros added on each side.
        bias: add a bias, zero at first.
        activation: end with the scaled leaky ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        activation: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale = 1.0 / math.sqrt(in_channels * kernel_size**2)
        self.stride = stride
        self.padding = padding
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``B in_channels H W``."""
        weight = self.weight * self.scale
        x = functional.conv2d(x, weight, self.bias, self.stride, self.padding)
        return scaled_leaky_relu(x) if self.activation else x


class RegionLinear(nn.Module):
    """One equalised linear layer per region, as a single batched product.

    Args:
        num_regions: R.
        in_dim: width of the input.
        out_dim: width of the output.
    """

    def __init__(self, num_regions: int, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_regions, out_dim, in_dim))
        self.bias = nn.Parameter(torch.zeros(num_regions, out_dim))
        self.scale = 1.0 / math.sqrt(in_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``B R in_dim`` to ``B R out_dim``, region by region."""
        product = torch.einsum("bri,roi->bro", x, self.weight * self.scale)
        return product + self.bias
