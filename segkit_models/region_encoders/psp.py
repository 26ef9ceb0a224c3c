"""pSp's encoder: a face to one style code per generator layer, without regions."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.weights import load_weights
from segkit_models.layers.equalised import EqualisedLinear
from segkit_models.layers.face_backbone import UNITS, WIDTH, make_stages, make_stem, stage_maps
from segkit_models.region_encoders.pyramid import join_pyramid

_FIRST_MEDIUM, _FIRST_FINE = 3, 7
"""The first layers whose codes come from the medium and from the fine map."""


class StyleHead(nn.Module):
    """Halve a map down to one pixel, then a linear layer: the code of one generator layer.

    Args:
        in_channels: channels of the map.
        style_dim: width D of the code.
        side: of the map, a power of two.
    """

    def __init__(self, in_channels: int, style_dim: int, *, side: int) -> None:
        super().__init__()
        num_halvings = int(math.log2(side))
        self.convs = nn.ModuleList(
            nn.Conv2d(style_dim if index else in_channels, style_dim, 3, 2, padding=1)
            for index in range(num_halvings)
        )
        self.linear = EqualisedLinear(style_dim, style_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``B in_channels side side`` to ``B D``."""
        for conv in self.convs:
            x = functional.leaky_relu(conv(x), 0.01)
        return self.linear(x.flatten(1))


class PSPEncoder(nn.Module):
    """Invert a face: one code per layer of a plain StyleGAN2 (W+).

    It knows no regions, so it is no region encoder; it is what `FPNRegionEncoder`'s backbone and
    pyramid are published in, and the codes it gives start an inversion.

    Args:
        weights: a file made by `segkit convert psp`; random weights when not given.
        num_layers: L, ``2 log2(size) - 2`` of the generator, at least 8; 18 at 1024 px.
        style_dim: width D of the codes.
        input_size: side the image is averaged to, a power of two from 32.
        width: channels of the stem and of the four stages.
        units: residual units per stage.

    Raises:
        ValueError: sizes no such encoder has.

    Source:
        pSp (Richardson et al. 2021), the paper's reference [25].
    """

    latent_average: Tensor

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        num_layers: int = 18,
        style_dim: int = 512,
        input_size: int = 256,
        width: tuple[int, int, int, int, int] = WIDTH,
        units: tuple[int, int, int, int] = UNITS,
    ) -> None:
        super().__init__()
        if input_size < 32 or input_size & (input_size - 1):
            raise ValueError(f"input_size: expected a power of two from 32, got {input_size}")
        if num_layers <= _FIRST_FINE:
            raise ValueError(f"num_layers: expected at least 8, got {num_layers}")
        self.input_size = input_size
        self.num_layers = num_layers
        fpn_dim = width[4]
        self.stem = make_stem(width)
        self.stages = make_stages(width, units)
        self.lateral_medium = nn.Conv2d(width[3], fpn_dim, 1)
        self.lateral_fine = nn.Conv2d(width[2], fpn_dim, 1)
        self.heads = nn.ModuleList(
            StyleHead(fpn_dim, style_dim, side=input_size // (16 >> _level(layer)))
            for layer in range(num_layers)
        )
        # Codes are offsets from the generator's average latent.
        self.register_buffer("latent_average", torch.zeros(num_layers, style_dim))
        if weights is not None:
            load_weights(self, weights)

    def pyramid(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the fine, medium and coarse map that the codes are made of.

        Args:
            image: ``B 3 H W`` in [-1, 1], any size.
        """
        check_shape(image, "B 3 H W", name="image")
        image = functional.adaptive_avg_pool2d(image, self.input_size)
        _, fine, medium, coarse = stage_maps(self.stem, self.stages, image)
        return join_pyramid(self.lateral_fine(fine), self.lateral_medium(medium), coarse)

    def forward(self, image: Tensor) -> Tensor:
        """Return the codes ``B L D`` of faces ``B 3 H W`` in [-1, 1], any size."""
        maps = self.pyramid(image)[::-1]
        codes = [head(maps[_level(layer)]) for layer, head in enumerate(self.heads)]
        return torch.stack(codes, 1) + self.latent_average


def _level(layer: int) -> int:
    """Return which map the code of a layer comes from: 0 coarse, 1 medium, 2 fine."""
    return int(layer >= _FIRST_MEDIUM) + int(layer >= _FIRST_FINE)
