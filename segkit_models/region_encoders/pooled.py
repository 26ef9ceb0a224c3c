"""What all region encoders share: maps averaged inside each region become codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.weights import load_extra
from segkit_models.layers.region_pooling import region_means, region_presence
from segkit_models.region_encoders.region_mlp import RegionMLP


class PooledRegionEncoder(nn.Module):
    """Average feature maps inside each region, and map the averages to style codes.

    A subclass gives the maps by `features`, and calls `add_codes` when its backbone is built.

    Args:
        num_regions: R.
        num_layers: L, ``2 log2(size) - 2`` of the generator; 18 at 1024 px, 16 at 512.
        style_dim: width D of the codes.
        input_size: side the image is resized to.
        vector_dim: width V of a style vector: the channels of all maps together.

    Source:
        Section 3.3, eq. 5-7.
    """

    latent_average: Tensor
    mlp: RegionMLP | None

    def __init__(
        self,
        *,
        num_regions: int,
        num_layers: int,
        style_dim: int,
        input_size: int,
        vector_dim: int,
    ) -> None:
        super().__init__()
        self.num_regions = num_regions
        self.num_layers = num_layers
        self.style_dim = style_dim
        self.input_size = input_size
        self.vector_dim = vector_dim

    def add_codes(
        self, num_coded_layers: int | None, *, average_weights: str | Path | None = None
    ) -> None:
        """Add what makes codes of style vectors.

        Args:
            num_coded_layers: layers that get a code of their own, the rest the average latent;
                None takes the vectors for the codes.
            average_weights: a file made by ``segkit convert stylegan2``, whose average code all
                codes are offsets from; 0 when not given.

        Raises:
            FileNotFoundError: no such file.
            ValueError: more coded layers than layers, or an average code of other sizes.
        """
        self.mlp = None
        if num_coded_layers is not None:
            if not 0 < num_coded_layers <= self.num_layers:
                raise ValueError(
                    f"num_coded_layers: expected 1..{self.num_layers}, got {num_coded_layers}"
                )
            self.mlp = RegionMLP(
                self.num_regions,
                vector_dim=self.vector_dim,
                style_dim=self.style_dim,
                num_coded_layers=num_coded_layers,
            )
        average = torch.zeros(self.num_layers, self.style_dim)
        if average_weights is not None:
            average = _average_code(average_weights, self.num_layers, self.style_dim)
        self.register_buffer("latent_average", average)

    def features(self, image: Tensor) -> Sequence[Tensor]:
        """Return the maps that are averaged, finest first.

        Args:
            image: ``B 3 H W`` in [-1, 1], any size.
        """
        raise NotImplementedError

    def resized(self, image: Tensor) -> Tensor:
        """Bring an image to the size that the backbone sees."""
        side = self.input_size
        if image.shape[-2:] == (side, side):
            return image
        return functional.interpolate(image, (side, side), mode="bilinear", align_corners=False)

    def encode(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Average the feature maps inside each region (eq. 5-6).

        Args:
            image: ``B 3 H W`` in [-1, 1], any size.
            mask: one-hot ``B R H W``, any size; brought to each map's size by ``nearest``.

        Returns:
            Style vectors ``B R V`` (zero, scale by scale, where a region has no pixel) and
            presence ``B R`` (bool) at the finest scale. ``segkit.edits.swap`` takes both.
        """
        batch = check_shape(image, "B 3 H W", name="image")["B"]
        check_shape(mask, f"B={batch} R={self.num_regions} H W", name="mask")
        maps = self.features(image)
        vectors = torch.cat([region_means(feature, mask) for feature in maps], -1)
        return vectors, region_presence(mask, (maps[0].shape[-2], maps[0].shape[-1]))

    def to_codes(self, vectors: Tensor) -> Tensor:
        """Map style vectors to style codes (eq. 7).

        Args:
            vectors: ``B R V``.

        Returns:
            ``B R L D``. The code of an absent region is what the network has learnt to expect of
            it; layers without a code of their own are the average latent for every region.
        """
        check_shape(vectors, f"B R={self.num_regions} V={self.vector_dim}", name="vectors")
        codes = vectors[:, :, None] if self.mlp is None else self.mlp(vectors)
        missing = self.num_layers - codes.shape[2]
        return functional.pad(codes, (0, 0, 0, missing)) + self.latent_average

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Encode an image region by region.

        Args:
            image: ``B 3 H W`` in [-1, 1], any size.
            mask: one-hot ``B R H W``, any size.

        Returns:
            Style codes ``B R L D``.
        """
        return self.to_codes(self.encode(image, mask)[0])


def _average_code(path: str | Path, num_layers: int, style_dim: int) -> Tensor:
    average = load_extra(path, "latent_average")
    if len(average) < num_layers or average.shape[1] != style_dim:
        raise ValueError(
            f"{path}: an average code of other sizes: wanted are {num_layers} x {style_dim}, "
            f"got {len(average)} x {average.shape[1]}"
        )
    return average[:num_layers].clone()
