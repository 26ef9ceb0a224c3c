"""Mask-guided StyleGAN2: one style code per region and layer, placed by the mask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.registry import GENERATORS
from segkit_models.layers.fir import upsample
from segkit_models.layers.modulation import StyleTable, is_one_hot
from segkit_models.layers.region_pooling import MASK_MODES, mask_pyramid
from segkit_models.layers.styled import StyledConv, ToRGB

STYLEGAN2_CHANNELS = (512, 512, 512, 512, 512, 256, 128, 64, 32)
"""Width of StyleGAN2 (config F) at 4, 8, ..., 1024 px, whatever the size of the output."""


@dataclass(frozen=True)
class StyleTables:
    """What every layer needs of one identity's style codes.

    Attributes:
        convs: one table per styled convolution, 4 px first.
        to_rgbs: one table per ToRGB layer, 4 px first.
    """

    convs: list[StyleTable]
    to_rgbs: list[StyleTable]


@GENERATORS.register
class RegionStyleGAN2(nn.Module):
    """StyleGAN2's synthesis network, guided by a mask in its first layers.

    Layer ``l`` of the style codes feeds the convolutions and ToRGB layers in StyleGAN2's order: 4
    px conv 0, ToRGB 1; 8 px convs 1, 2, ToRGB 3; and so on, ``L = 2 log2(size) - 2`` in all.

    Args:
        weights: a file made by ``segkit convert stylegan2`` or ``e4s``, of this size or a larger
            one; random weights when not given.
        size: side of the image, a power of two.
        num_regions: R.
        style_dim: width D of the style codes.
        channels: width at 4, 8, ..., ``size`` px; StyleGAN2's own when not given.
        num_masked_layers: K, odd: layers below K take the code of the pixel's region, the rest the
            code of region 0. 17 masks every layer. Paper: not given; ours: 13, as E4S.
        region_conv: ``"spatial"`` (one convolution per layer, for training of our own), or for E4S
            weights ``"exact"`` (or another form of the same result, see `RegionModulatedConv2d`).
        mask_mode: how the mask is brought to each layer's size, ``"nearest"`` or ``"area"``;
            ``"area"`` gives soft borders that do not flicker, and only suits ``"spatial"``.
        random_noise: draw new noise at every call in training; otherwise the stored noise is used.

    Raises:
        ValueError: a size, number of layers, widths or mode that does not fit.

    Source:
        Section 3.3; StyleGAN2 (Karras et al. 2020); E4S (Liu et al. 2023).
    """

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        size: int = 512,
        num_regions: int = 12,
        style_dim: int = 512,
        channels: tuple[int, ...] | None = None,
        num_masked_layers: int = 13,
        region_conv: str = "spatial",
        mask_mode: str = "nearest",
        random_noise: bool = False,
    ) -> None:
        super().__init__()
        num_blocks = int(math.log2(size)) - 1
        if size < 8 or 2 ** (num_blocks + 1) != size:
            raise ValueError(f"size: expected a power of two from 8 on, got {size}")
        widths = tuple(STYLEGAN2_CHANNELS[:num_blocks] if channels is None else channels)
        if len(widths) != num_blocks:
            raise ValueError(
                f"channels: expected {num_blocks} widths for 4..{size} px, got {len(widths)}"
            )
        if num_masked_layers % 2 == 0:
            raise ValueError(f"num_masked_layers: expected an odd number, got {num_masked_layers}")
        if mask_mode not in MASK_MODES:
            raise ValueError(
                f"mask_mode: expected one of {', '.join(MASK_MODES)}, got {mask_mode!r}"
            )
        if mask_mode == "area" and region_conv != "spatial":
            raise ValueError(f"mask_mode: 'area' has no meaning with region_conv={region_conv!r}")
        self.size = size
        self.num_regions = num_regions
        self.style_dim = style_dim
        self.channels = widths
        self.num_masked_layers = num_masked_layers
        self.num_layers = 2 * num_blocks
        self.region_conv = region_conv
        self.mask_mode = mask_mode
        self.random_noise = random_noise
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.convs = nn.ModuleList([self._styled_conv(0, up=False)])
        self.to_rgbs = nn.ModuleList([ToRGB(widths[0], style_dim=style_dim)])
        for block in range(1, num_blocks):
            self._append_block(block)
        if weights is not None:
            from segkit.weights import load_component

            whole = load_component(weights, "generator")
            self.load_state_dict(truncated(whole, size, channels=widths).state_dict())

    def prepare(self, styles: Tensor) -> StyleTables:
        """Compute, once per identity, what ``render`` needs of the style codes.

        Args:
            styles: ``B R L D``.
        """
        pattern = f"B R={self.num_regions} L={self.num_layers} D={self.style_dim}"
        check_shape(styles, pattern, name="styles")
        convs, to_rgbs = self._layers()
        return StyleTables(
            [layer.table(self._codes(styles, index)) for index, layer in enumerate(convs)],
            [layer.conv.table(self._codes(styles, 2 * k + 1)) for k, layer in enumerate(to_rgbs)],
        )

    def render(self, tables: StyleTables, mask: Tensor) -> Tensor:
        """Draw the image of a mask.

        Args:
            tables: from ``prepare``; of batch B, or of batch 1 for all masks.
            mask: one-hot ``B R H W``, square, of any size.

        Returns:
            ``B 3 size size``, about [-1, 1] (not clamped).
        """
        check_shape(mask, f"B R={self.num_regions} H H", name="mask")
        sides = tuple(4 * 2**block for block in range(len(self.to_rgbs)))
        masks = mask_pyramid(mask.to(self.constant.dtype), sides, mode=self.mask_mode)
        labels = self._label_pyramid(masks)
        convs, to_rgbs = self._layers()
        # Channels last, as all layers keep it: a third faster on a CPU, and what a GPU wants.
        # The shape, not len(): an export would take that for a constant.
        x = self.constant.expand(mask.shape[0], -1, -1, -1).contiguous(
            memory_format=torch.channels_last
        )
        image: Tensor | None = None
        for index, (layer, table) in enumerate(zip(convs, tables.convs, strict=True)):
            masked = self._is_masked(index)
            side = x.shape[-1] * (2 if layer.conv.up else 1)
            mask_in, mask_out = (masks[x.shape[-1]], masks[side]) if masked else (None, None)
            maps = (labels[x.shape[-1]], labels[side]) if labels else None
            random_noise = self.training and self.random_noise
            x = layer(x, table, mask_in, mask_out, random_noise=random_noise, labels=maps)
            if index % 2 == 0:  # the last convolution of its block
                block = index // 2
                painted = masks[side] if self._is_masked(2 * block + 1) else None
                rgb = to_rgbs[block](x, tables.to_rgbs[block], painted)
                image = rgb if image is None else upsample(image) + rgb
        assert image is not None
        return image

    def forward(self, styles: Tensor, mask: Tensor) -> Tensor:
        """Draw the image of style codes placed by a mask.

        Args:
            styles: ``B R L D``.
            mask: one-hot ``B R H W``, square, of any size.

        Returns:
            ``B 3 size size``, about [-1, 1] (not clamped).
        """
        return self.render(self.prepare(styles), mask)

    def _label_pyramid(self, masks: dict[int, Tensor]) -> dict[int, Tensor]:
        """Turn one-hot masks into label maps, which are looked up faster; soft ones into none."""
        traced = torch.jit.is_tracing() or torch.compiler.is_compiling()
        if traced or not all(map(is_one_hot, masks.values())):
            return {}
        return {side: mask.argmax(1) for side, mask in masks.items()}

    def _layers(self) -> tuple[list[StyledConv], list[ToRGB]]:
        convs = [cast(StyledConv, layer) for layer in self.convs]
        return convs, [cast(ToRGB, layer) for layer in self.to_rgbs]

    def _is_masked(self, layer: int) -> bool:
        return layer < self.num_masked_layers or self.num_masked_layers >= 17

    def _codes(self, styles: Tensor, layer: int) -> Tensor:
        codes = styles[:, :, layer]
        return codes if self._is_masked(layer) else codes[:, :1]

    def _styled_conv(self, block: int, *, up: bool) -> StyledConv:
        return StyledConv(
            self.channels[block - 1 if up else block],
            self.channels[block],
            size=4 * 2**block,
            style_dim=self.style_dim,
            up=up,
            region_conv=self.region_conv,
        )

    def _append_block(self, block: int) -> None:
        self.convs.append(self._styled_conv(block, up=True))
        self.convs.append(self._styled_conv(block, up=False))
        self.to_rgbs.append(ToRGB(self.channels[block], style_dim=self.style_dim))


def grown(
    generator: RegionStyleGAN2, size: int, *, channels: tuple[int, ...] | None = None
) -> RegionStyleGAN2:
    """Return a larger generator that begins as the smaller one, enlarged.

    Every weight is kept (the keys of a smaller StyleGAN2 are a prefix of a larger one's); the new
    ToRGB layers start at zero, so the first image is the old one through the skip connection.

    Args:
        generator: the trained one.
        size: larger side, a power of two.
        channels: widths of the new blocks; each half of the one before when not given.
    """
    num_new = int(math.log2(size)) - int(math.log2(generator.size))
    if num_new < 0:
        raise ValueError(f"size: expected at least {generator.size}, got {size}")
    last = generator.channels[-1]
    added = channels or tuple(max(8, last // 2 ** (index + 1)) for index in range(num_new))
    larger = _alike(generator, size=size, channels=(*generator.channels, *added))
    larger.load_state_dict({**larger.state_dict(), **generator.state_dict()})
    for to_rgb in larger._layers()[1][len(generator.to_rgbs) :]:
        nn.init.zeros_(to_rgb.conv.weight)
    return larger.train(generator.training)


def _alike(generator: RegionStyleGAN2, *, size: int, channels: tuple[int, ...]) -> RegionStyleGAN2:
    return RegionStyleGAN2(
        size=size,
        num_regions=generator.num_regions,
        style_dim=generator.style_dim,
        channels=channels,
        num_masked_layers=generator.num_masked_layers,
        region_conv=generator.region_conv,
        mask_mode=generator.mask_mode,
        random_noise=generator.random_noise,
    ).to(generator.constant.device)


def truncated(
    generator: nn.Module, size: int, *, channels: tuple[int, ...] | None = None
) -> RegionStyleGAN2:
    """Return a smaller generator that draws what the larger one's skip connection holds there.

    Every ToRGB layer adds to a whole image, so the layers of the larger sizes can be left out.

    Args:
        generator: the trained one.
        size: smaller side, a power of two.
        channels: wanted widths; any when not given.

    Raises:
        ValueError: a larger size, or other widths.
    """
    if not isinstance(generator, RegionStyleGAN2) or size > generator.size:
        found = getattr(generator, "size", "none")
        raise ValueError(
            f"size: the weights are of a {type(generator).__name__} for {found} px, which has no "
            f"part that draws {size} px"
        )
    kept = generator.channels[: int(math.log2(size)) - 1]
    if channels is not None and tuple(channels) != kept:
        raise ValueError(f"channels: the weights have {kept} up to {size} px, got {channels}")
    smaller = _alike(generator, size=size, channels=kept)
    own = smaller.state_dict().keys()
    state = {key: value for key, value in generator.state_dict().items() if key in own}
    smaller.load_state_dict(state)
    return smaller.train(generator.training)
