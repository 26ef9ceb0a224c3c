"""SEAN: a label-map decoder whose norms take one style code per region."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.registry import GENERATORS
from segkit_models.layers.region_pooling import mask_pyramid
from segkit_models.layers.spade import SpadeDecoder


@GENERATORS.register
class SEANGenerator(nn.Module):
    """Draw the mask, in the look of its regions' codes.

    A region has one code for all layers: of ``B R L D`` it takes the mean over L, so L = 1 of
    ``SEANRegionEncoder`` is taken as it is.

    Args:
        weights: a file made by ``segkit convert sean``; random weights when not given.
        size: side of the image, a multiple of 32.
        num_regions: R.
        style_dim: width D of the style codes.
        width: channels of the last block; the first has 16 times as many.
        hidden: channels between the label map and its scales and shifts.
        random_noise: draw new noise at every call in training; otherwise the stored noise is used.

    Raises:
        ValueError: a size that does not fit.

    Source:
        SEAN (Zhu et al. 2020); no part of the paper, a baseline that is not StyleGAN2.
    """

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        size: int = 256,
        num_regions: int = 12,
        style_dim: int = 512,
        width: int = 64,
        hidden: int = 128,
        random_noise: bool = True,
    ) -> None:
        super().__init__()
        self.size = size
        self.num_regions = num_regions
        self.style_dim = style_dim
        self.random_noise = random_noise
        self.decoder = SpadeDecoder(
            size=size,
            width=width,
            map_channels=num_regions,
            hidden=hidden,
            style=(num_regions, style_dim),
            noise=True,
        )
        if weights is not None:
            from segkit.weights import load_weights

            load_weights(self, weights)

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
        random_noise = self.training and self.random_noise
        return self.decoder(masks, masks, styles.mean(2), random_noise=random_noise)
