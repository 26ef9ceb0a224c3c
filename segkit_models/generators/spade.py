"""SPADE: a decoder that sees nothing but a label map, here with the regions' codes painted in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.registry import GENERATORS
from segkit_models.layers.equalised import RegionLinear
from segkit_models.layers.modulation import paint
from segkit_models.layers.region_pooling import mask_pyramid
from segkit_models.layers.spade import SpadeDecoder


@GENERATORS.register
class SPADEGenerator(nn.Module):
    """Draw the mask, with a few painted planes of style.

    SPADE itself has no styles, and would give everybody one face: so each region's code becomes
    ``style_planes`` numbers that are painted into the label map. Of ``B R L D`` it takes the mean
    over L.

    Args:
        size: side of the image, a multiple of 32.
        num_regions: R.
        style_dim: width D of the style codes.
        style_planes: numbers kept of a code. Paper: not given; ours: 16. 0 ignores the codes, as
            SPADE does.
        width: channels of the last block; the first has 16 times as many.
        hidden: channels between the label map and its scales and shifts.

    Raises:
        ValueError: a size that does not fit.

    Source:
        SPADE (Park et al. 2019); the painted planes are ours.
    """

    def __init__(
        self,
        *,
        size: int = 256,
        num_regions: int = 12,
        style_dim: int = 512,
        style_planes: int = 16,
        width: int = 64,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.size = size
        self.num_regions = num_regions
        self.style_dim = style_dim
        self.to_planes = (
            RegionLinear(num_regions, style_dim, style_planes) if style_planes else None
        )
        self.decoder = SpadeDecoder(
            size=size, width=width, map_channels=num_regions + style_planes, hidden=hidden
        )

    def forward(self, styles: Tensor, mask: Tensor) -> Tensor:
        """Draw the image of style codes placed by a mask.

        Args:
            styles: ``B R L D``, any L.
            mask: one-hot ``B R H W``, square, of any size.

        Returns:
            ``B 3 size size`` in [-1, 1].
        """
        batch = check_shape(mask, f"B R={self.num_regions} H H", name="mask")["B"]
        pattern = f"B={batch} R={self.num_regions} L D={self.style_dim}"
        check_shape(styles, pattern, name="styles")
        masks = mask_pyramid(mask.to(styles.dtype), self.decoder.sides)
        if self.to_planes is None:
            return self.decoder(masks, masks, None)
        planes = self.to_planes(styles.mean(2))
        maps = {side: torch.cat([part, paint(planes, part)], 1) for side, part in masks.items()}
        return self.decoder(maps, masks, None)
