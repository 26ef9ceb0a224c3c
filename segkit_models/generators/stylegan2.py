"""Mask-guided StyleGAN2: one style code per region and layer, placed by the mask."""

from __future__ import annotations

import math
import types
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.registry import GENERATORS
from segkit_models.generators.boxes import BlockBoxes, Box, block_boxes, cut
from segkit_models.generators.mask_maps import MaskMaps
from segkit_models.generators.resizing import grown, truncated
from segkit_models.layers.checkpointing import run_part
from segkit_models.layers.fir import upsample
from segkit_models.layers.modulation import StyleTable
from segkit_models.layers.region_pooling import MASK_MODES
from segkit_models.layers.styled import StyledConv, ToRGB

__all__ = ["STYLEGAN2_CHANNELS", "RegionStyleGAN2", "StyleTables", "grown", "truncated"]

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
        mask_mode: how the mask is brought to each layer's size: ``"nearest"``; ``"area"``, soft
            borders that do not flicker; or ``"smooth"``, soft at the mask's own size and above,
            too, where hard ones let a sharpened picture draw thin lines along them. The soft ones
            only suit ``"spatial"``.
        random_noise: draw new noise at every call in training; otherwise the stored noise is used.
        checkpoint_activations: in training keep the maps between the sizes alone, and make those
            inside again in the backward pass: up to a third more work, gradients equal.

    Raises:
        ValueError: a size, number of layers, widths or mode that does not fit.

    Source:
        Section 3.3; StyleGAN2 (Karras et al. 2020); E4S (Liu et al. 2023).
    """

    # Changes no result: bundles leave this argument out.
    only_training = ("checkpoint_activations",)
    # Bundles are drawn on other machines: they store what chooses the kernels where it finds them.
    anywhere = types.MappingProxyType({"region_conv": {"triton": "exact"}})

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
        checkpoint_activations: bool = False,
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
        if mask_mode not in (modes := (*MASK_MODES, "smooth")):
            raise ValueError(f"mask_mode: expected one of {', '.join(modes)}, got {mask_mode!r}")
        if mask_mode != "nearest" and region_conv != "spatial":
            raise ValueError(
                f"mask_mode: {mask_mode!r} has no meaning with region_conv={region_conv!r}"
            )
        self.size = size
        self.num_regions = num_regions
        self.style_dim = style_dim
        self.channels = widths
        self.num_masked_layers = num_masked_layers
        self.num_layers = 2 * num_blocks
        self.region_conv = region_conv
        self.mask_mode = mask_mode
        self.random_noise = random_noise
        self.checkpoint_activations = checkpoint_activations
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

    def render(
        self,
        tables: StyleTables,
        mask: Tensor,
        *,
        box: tuple[int, int, int, int] | None = None,
    ) -> Tensor:
        """Draw the image of a mask, or a part of it.

        Args:
            tables: from ``prepare``; of batch B, or of batch 1 for all masks.
            mask: one-hot ``B R H W``, square, of any size.
            box: the wanted part of the image, ``(top, bottom, left, right)``, ends outside; only
                what its pixels depend on is worked out, so the lower half costs about half.

        Returns:
            ``B 3 size size``, or of the box's size, about [-1, 1] (not clamped).

        Raises:
            ValueError: an empty box, or one that leaves the image.
        """
        check_shape(mask, f"B R={self.num_regions} H H", name="mask")
        sides = [4 * 2**block for block in range(len(self.to_rgbs))]
        wanted = block_boxes(self._checked(box), sides)
        maps = MaskMaps(mask.to(self.constant.dtype), sides, mode=self.mask_mode)
        # Channels last, as all layers keep it: a third faster on a CPU, and what a GPU wants.
        # The shape, not len(): an export would take that for a constant.
        x = self.constant.expand(mask.shape[0], -1, -1, -1).contiguous(
            memory_format=torch.channels_last
        )
        place, image, shown = Box.whole(4), None, None
        forget = self.checkpoint_activations and self.training
        for block, boxes in enumerate(wanted):
            here = (block, boxes, tables, maps)
            x, place = run_part(self, self._feature, x, place, *here, forget=forget)
            image = run_part(self, self._image, image, shown, x, *here, forget=forget)
            shown = boxes.image
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

    def _checked(self, wanted: tuple[int, int, int, int] | None) -> Box:
        whole = Box.whole(self.size)
        box = whole if wanted is None else Box(*wanted)
        if whole.joined(box) != whole or box.top >= box.bottom or box.left >= box.right:
            raise ValueError(
                f"box: expected a part of {self.size} x {self.size} px with at least a pixel, "
                f"got {tuple(box)}"
            )
        return box

    def _feature(
        self,
        x: Tensor,
        place: Box,
        block: int,
        boxes: BlockBoxes,
        tables: StyleTables,
        maps: MaskMaps,
    ) -> tuple[Tensor, Box]:
        """Run a block's convolutions on the part of the map that is needed; returns it too."""
        convs, _ = self._layers()
        side = 4 * 2**block
        for index in (0,) if block == 0 else (2 * block - 1, 2 * block):
            layer = convs[index]
            entered, left, side_in = boxes.middle, boxes.middle, side
            if layer.conv.up:
                entered, left, side_in = boxes.entry, boxes.entry.doubled(), side // 2
            before, after = maps.at(side_in, entered), maps.at(side, left)
            labels = None
            if before.labels is not None and after.labels is not None:
                labels = (before.labels, after.labels)
            masked = self._is_masked(index)
            x = layer(
                cut(x, entered, of=place),
                tables.convs[index],
                before.mask if masked else None,
                after.mask if masked else None,
                random_noise=self.training and self.random_noise,
                labels=labels,
                box=left,
            )
            place = left
        return cut(x, boxes.feature, of=place), boxes.feature

    def _image(
        self,
        image: Tensor | None,
        shown: Box | None,
        x: Tensor,
        block: int,
        boxes: BlockBoxes,
        tables: StyleTables,
        maps: MaskMaps,
    ) -> Tensor:
        """Add what a block paints to the image so far."""
        _, to_rgbs = self._layers()
        painted = maps.at(4 * 2**block, boxes.image)
        rgb = to_rgbs[block](
            cut(x, boxes.image, of=boxes.feature),
            tables.to_rgbs[block],
            painted.mask if self._is_masked(2 * block + 1) else None,
            labels=painted.labels,
        )
        # Not under autocast from here on: a step of bfloat16 is as large as one of a picture.
        rgb = rgb.to(self.constant.dtype)
        if image is None or shown is None:
            return rgb
        return cut(upsample(image), boxes.image, of=shown.doubled()) + rgb

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
