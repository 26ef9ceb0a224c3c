"""Normalisation shifted and scaled by a label map (SPADE) and by region styles (SEAN)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from segkit_models.layers.equalised import SLOPE
from segkit_models.layers.modulation import paint

WIDTHS = (16, 16, 16, 16, 8, 4, 2, 1)
"""Channels of the decoder, as multiples of the last: of the stem, then after every block."""

SIDES = (1, 2, 2, 4, 8, 16, 32)
"""Side at which each block works, as a multiple of the first."""


class RegionStyle(nn.Module):
    """Scale and shift from style codes: a layer per region, painted by the mask, 3 x 3 kernels.

    Args:
        num_regions: R.
        style_dim: width D of the codes.
        channels: C of the features.

    Source:
        SEAN (Zhu et al. 2020), section 3.2.
    """

    def __init__(self, num_regions: int, style_dim: int, channels: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(style_dim)
        shape = (num_regions, style_dim, style_dim)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_regions, style_dim).uniform_(-bound, bound))
        self.gamma = nn.Conv2d(style_dim, channels, 3, padding=1)
        self.beta = nn.Conv2d(style_dim, channels, 3, padding=1)

    def forward(self, styles: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and shift ``B C H W`` of codes ``B R D`` under a mask ``B R H W``."""
        codes = torch.einsum("bri,roi->bro", styles, self.weight) + self.bias
        painted = paint(codes.relu(), mask)
        return self.gamma(painted), self.beta(painted)


class SpadeNorm(nn.Module):
    """Batch norm without weights, then scale and shift that depend on the place.

    Args:
        channels: C.
        map_channels: M, planes of the label map.
        hidden: channels between the label map and its scales and shifts.
        style: R and D, to blend in `RegionStyle`; None leaves the styles out.
        noise_side: side of the features, to add noise of learned strength before the norm; None
            leaves the noise out.

    Source:
        SPADE (Park et al. 2019), section 3.1; styles and noise: SEAN (Zhu et al. 2020).
    """

    noise: Tensor

    def __init__(
        self,
        channels: int,
        map_channels: int,
        *,
        hidden: int,
        style: tuple[int, int] | None = None,
        noise_side: int | None = None,
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.shared = nn.Conv2d(map_channels, hidden, 3, padding=1)
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)
        self.style: RegionStyle | None = None
        if style is not None:
            self.style = RegionStyle(*style, channels)
            self.gamma_blend = nn.Parameter(torch.zeros(1))
            self.beta_blend = nn.Parameter(torch.zeros(1))
        self.noise_strength: nn.Parameter | None = None
        if noise_side is not None:
            self.noise_strength = nn.Parameter(torch.zeros(channels))
            # Stored, so that the texture of a video stands still.
            self.register_buffer("noise", torch.randn(1, 1, noise_side, noise_side))

    def forward(
        self,
        x: Tensor,
        label_map: Tensor,
        mask: Tensor,
        styles: Tensor | None,
        *,
        random_noise: bool = False,
    ) -> Tensor:
        """Normalise.

        Args:
            x: ``B C H W``.
            label_map: ``B M H W``.
            mask: ``B R H W``, where the styles go.
            styles: ``B R D``.
            random_noise: draw new noise instead of the stored.

        Returns:
            ``B C H W``.
        """
        if self.noise_strength is not None:
            noise = torch.randn_like(x[:, :1]) if random_noise else self.noise.to(x.dtype)
            x = x + noise * self.noise_strength.view(1, -1, 1, 1)
        hidden = self.shared(label_map).relu()
        gamma, beta = self.gamma(hidden), self.beta(hidden)
        if self.style is not None and styles is not None:
            style_gamma, style_beta = self.style(styles, mask)
            gamma = torch.lerp(gamma, style_gamma, self.gamma_blend.sigmoid().to(gamma.dtype))
            beta = torch.lerp(beta, style_beta, self.beta_blend.sigmoid().to(beta.dtype))
        return torch.addcmul(beta, self.norm(x), 1 + gamma)


class SpadeBlock(nn.Module):
    """Two convolutions with spectral norm, each after a `SpadeNorm`, beside a shortcut.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        map_channels: M.
        hidden: see `SpadeNorm`.
        style: see `SpadeNorm`.
        noise_side: see `SpadeNorm`.

    Source:
        SPADE (Park et al. 2019), appendix A.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        map_channels: int,
        *,
        hidden: int,
        style: tuple[int, int] | None = None,
        noise_side: int | None = None,
    ) -> None:
        super().__init__()
        middle = min(in_channels, out_channels)

        def norm(channels: int) -> SpadeNorm:
            return SpadeNorm(
                channels, map_channels, hidden=hidden, style=style, noise_side=noise_side
            )

        self.norm1 = norm(in_channels)
        self.conv1 = spectral_norm(nn.Conv2d(in_channels, middle, 3, padding=1))
        self.norm2 = norm(middle)
        self.conv2 = spectral_norm(nn.Conv2d(middle, out_channels, 3, padding=1))
        self.norm_skip: SpadeNorm | None = None
        if in_channels != out_channels:
            self.norm_skip = norm(in_channels)
            self.conv_skip = spectral_norm(nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(
        self,
        x: Tensor,
        label_map: Tensor,
        mask: Tensor,
        styles: Tensor | None,
        *,
        random_noise: bool = False,
    ) -> Tensor:
        """Map ``B in_channels H W`` to ``B out_channels H W``; arguments as of `SpadeNorm`."""

        def normed(norm: SpadeNorm, y: Tensor) -> Tensor:
            return norm(y, label_map, mask, styles, random_noise=random_noise)

        y = self.conv1(functional.leaky_relu(normed(self.norm1, x), SLOPE))
        y = self.conv2(functional.leaky_relu(normed(self.norm2, y), SLOPE))
        if self.norm_skip is None:
            return x + y
        return self.conv_skip(normed(self.norm_skip, x)) + y


class SpadeDecoder(nn.Module):
    """Seven blocks from a small label map to an image 32 times as large.

    Args:
        size: side of the image, a multiple of 32.
        width: channels of the last block; the first has 16 times as many.
        map_channels: M.
        hidden: see `SpadeNorm`.
        style: R and D, which all blocks but the last blend in; None leaves the styles out.
        noise: add noise before every norm.

    Raises:
        ValueError: a size that does not fit.
    """

    def __init__(
        self,
        *,
        size: int,
        width: int,
        map_channels: int,
        hidden: int,
        style: tuple[int, int] | None = None,
        noise: bool = False,
    ) -> None:
        super().__init__()
        if size < 32 or size % 32:
            raise ValueError(f"size: expected a multiple of 32, got {size}")
        self.sides = tuple(size // 32 * factor for factor in SIDES)
        self.stem = nn.Conv2d(map_channels, WIDTHS[0] * width, 3, padding=1)
        self.blocks = nn.ModuleList(
            SpadeBlock(
                WIDTHS[index] * width,
                WIDTHS[index + 1] * width,
                map_channels,
                hidden=hidden,
                style=style if index + 1 < len(SIDES) else None,
                noise_side=side if noise else None,
            )
            for index, side in enumerate(self.sides)
        )
        self.to_rgb = nn.Conv2d(width, 3, 3, padding=1)

    def forward(
        self,
        label_maps: dict[int, Tensor],
        masks: dict[int, Tensor],
        styles: Tensor | None,
        *,
        random_noise: bool = False,
    ) -> Tensor:
        """Draw.

        Args:
            label_maps: side -> ``B M side side``, for every side of ``sides``.
            masks: side -> ``B R side side``.
            styles: ``B R D``.
            random_noise: draw new noise instead of the stored.

        Returns:
            ``B 3 size size`` in [-1, 1].
        """
        x = self.stem(label_maps[self.sides[0]])
        for side, block in zip(self.sides, self.blocks, strict=True):
            if x.shape[-1] != side:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(x, label_maps[side], masks[side], styles, random_noise=random_noise)
        return self.to_rgb(functional.leaky_relu(x, SLOPE)).tanh()
