"""What region encoders with a feature pyramid share, whatever their backbone."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit_models.layers.equalised import RegionLinear
from segkit_models.region_encoders.pooled import PooledRegionEncoder
from segkit_models.region_encoders.region_mlp import RegionMLP


class PyramidRegionEncoder(PooledRegionEncoder):
    """Three maps of a backbone meet in a pyramid, are averaged per region, and become codes.

    A backbone gives its maps by overriding `backbone_maps`.

    Args:
        backbone: its modules under the names of their attributes.
        channels: of the backbone's fine, medium and coarse map, at 1/4, 1/8 and 1/16 of the size.
        num_regions: R.
        num_layers: L, ``2 log2(size) - 2`` of the generator; 18 at 1024 px, 16 at 512.
        style_dim: width D of the codes.
        input_size: side the image is resized to.
        fpn_dim: channels of the pyramid; a style vector is three times as wide.
        num_coded_layers: layers that get a code from the network, the rest the average latent; all
            when not given.
        average_weights: a file made by ``segkit convert stylegan2``, whose average code all codes
            are offsets from; 0 when not given.

    Raises:
        FileNotFoundError: no such file.
        ValueError: more coded layers than layers, or an average code of other sizes.

    Source:
        Section 3.3, eq. 5-7; pyramid: pSp (Richardson et al. 2021).
    """

    mlp: RegionMLP

    def __init__(
        self,
        backbone: Mapping[str, nn.Module],
        *,
        channels: Sequence[int],
        num_regions: int,
        num_layers: int,
        style_dim: int,
        input_size: int,
        fpn_dim: int,
        num_coded_layers: int | None,
        average_weights: str | Path | None,
    ) -> None:
        super().__init__(
            num_regions=num_regions,
            num_layers=num_layers,
            style_dim=style_dim,
            input_size=input_size,
            vector_dim=3 * fpn_dim,
        )
        for name, module in backbone.items():
            self.add_module(name, module)
        fine, medium, coarse = channels
        # pSp's coarse map is already 512 wide and joins the pyramid as it is.
        self.lateral_coarse = nn.Identity() if coarse == fpn_dim else nn.Conv2d(coarse, fpn_dim, 1)
        self.lateral_medium = nn.Conv2d(medium, fpn_dim, 1)
        self.lateral_fine = nn.Conv2d(fine, fpn_dim, 1)
        coded = num_layers if num_coded_layers is None else num_coded_layers
        self.add_codes(coded, average_weights=average_weights)

    def backbone_maps(self, image: Tensor) -> Sequence[Tensor]:
        """Return the fine, medium and coarse map of ``B 3 input_size input_size``."""
        raise NotImplementedError

    def features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the fine, medium and coarse map of the pyramid, each ``B fpn_dim h w``.

        Args:
            image: ``B 3 H W`` in [-1, 1], any size.
        """
        fine, medium, coarse = self.backbone_maps(self.resized(image))
        return join_pyramid(
            self.lateral_fine(fine), self.lateral_medium(medium), self.lateral_coarse(coarse)
        )


def join_pyramid(fine: Tensor, medium: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Add each coarser map of a pyramid, enlarged, to the next finer one.

    Args:
        fine: ``B C 4h 4w``.
        medium: ``B C 2h 2w``.
        coarse: ``B C h w``.

    Returns:
        Fine, medium and coarse map.
    """
    medium = medium + _enlarge(coarse, medium)
    return fine + _enlarge(medium, fine), medium, coarse


Encoder = TypeVar("Encoder", bound=PyramidRegionEncoder)


def grown(encoder: Encoder, num_layers: int) -> Encoder:
    """Return an encoder for a larger generator; a new layer begins with the code of the last one.

    Args:
        encoder: the trained one; all its layers must be coded.
        num_layers: L of the larger generator.
    """
    coded, width = encoder.mlp.num_coded_layers, encoder.style_dim
    if coded != encoder.num_layers or num_layers < coded:
        raise ValueError(
            f"num_layers: expected at least {encoder.num_layers}, all coded; "
            f"got {num_layers} with {coded} coded"
        )
    larger = copy.deepcopy(encoder)
    pick = torch.arange(num_layers).clamp_max(coded - 1)
    out, old = RegionLinear(encoder.num_regions, width, num_layers * width), encoder.mlp.out
    with torch.no_grad():
        out.weight.copy_(old.weight.unflatten(1, (coded, width))[:, pick].flatten(1, 2))
        out.bias.copy_(old.bias.unflatten(1, (coded, width))[:, pick].flatten(1, 2))
    larger.mlp.out = out.to(old.weight.device)
    larger.mlp.num_coded_layers = num_layers
    larger.num_layers = num_layers
    larger.register_buffer("latent_average", encoder.latent_average[pick].clone())
    return larger


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=True)
