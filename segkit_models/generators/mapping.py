"""StyleGAN2's mapping network: random vectors to style codes."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit_models.layers.equalised import scaled_leaky_relu

_LEARNING_RATE = 0.01
"""The weights learn this much more slowly than those of the generator (StyleGAN's ``lr_mul``)."""


class SlowLinear(nn.Module):
    """Equalised linear layer and scaled leaky ReLU, with a hundredth of the learning rate.

    Args:
        in_dim: width of the input.
        out_dim: width of the output.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_dim, in_dim) / _LEARNING_RATE)
        self.bias = nn.Parameter(torch.zeros(out_dim))
        self.scale = _LEARNING_RATE / math.sqrt(in_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``... in_dim`` to ``... out_dim``."""
        x = functional.linear(x, self.weight * self.scale, self.bias * _LEARNING_RATE)
        return scaled_leaky_relu(x)


class MappingNetwork(nn.Module):
    """Map random vectors to the style codes that StyleGAN2's generator was trained on.

    SGI has no use for it: its codes come from pictures. It samples faces, and its average code is
    the start of every region's code.

    Args:
        weights: a file made by ``segkit convert stylegan2``; random weights when not given.
        dim: width of the input.
        style_dim: width D of a style code.
        num_layers: linear layers; StyleGAN2's 8, StyleGAN2-ADA often 2.

    Source:
        StyleGAN2 (Karras et al. 2020).
    """

    EXTRA = "mapping"
    """Name of its tensors in a converted file."""

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        dim: int = 512,
        style_dim: int = 512,
        num_layers: int = 8,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.Sequential(
            *(SlowLinear(style_dim if index else dim, style_dim) for index in range(num_layers))
        )
        if weights is not None:
            from segkit.weights import load_extras

            load_extras(self, weights, self.EXTRA)

    def forward(self, z: Tensor) -> Tensor:
        """Map ``B dim``, drawn from N(0, 1), to ``B D``."""
        check_shape(z, f"B Z={self.dim}", name="z")
        return self.layers(z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8))

    @torch.no_grad()
    def average(self, *, num_samples: int = 100_000, seed: int = 0) -> Tensor:
        """Estimate the average style code.

        Args:
            num_samples: random vectors; of 100 000 the error is about 0.3% of a code's spread.
            seed: of the vectors.

        Returns:
            ``D``.
        """
        random = torch.Generator().manual_seed(seed)
        weight = next(self.parameters())
        total, left = 0.0, num_samples
        while left:
            count = min(left, 4096)
            z = torch.randn(count, self.dim, generator=random, dtype=weight.dtype)
            total = total + self(z.to(weight.device)).sum(0)
            left -= count
        return torch.as_tensor(total) / num_samples
