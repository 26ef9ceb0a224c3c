"""Region encoder: face backbone, feature pyramid, mean of every region, one MLP per region."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.registry import REGION_ENCODERS
from segkit_models.layers.equalised import RegionLinear
from segkit_models.layers.region_pooling import region_means, region_presence
from segkit_models.layers.residual_se import NormName, ResidualUnit, face_norm
from segkit_models.region_encoders.region_mlp import RegionMLP


@REGION_ENCODERS.register
class FPNRegionEncoder(nn.Module):
    """Encode the look of every region of a face as one style code per generator layer.

    The backbone is pSp's IR-SE-50; its last three stages meet in a feature pyramid (three maps of
    ``fpn_dim`` channels), are averaged inside each region, concatenated to a style vector, and
    mapped to codes.

    Args:
        num_regions: R.
        num_layers: L, ``2 log2(size) - 2`` of the generator; 18 at 1024 px, 16 at 512.
        style_dim: width D of the codes.
        input_size: side the image is resized to; the three maps are 1/4, 1/8 and 1/16 of it.
        width: channels of the stem and of the four stages.
        units: residual units per stage.
        fpn_dim: channels of the pyramid; a style vector is three times as wide.
        num_coded_layers: layers that get a code from the network, the rest the average latent; all
            when not given.
        norm: ``"batch"`` (weights of pSp or ArcFace), ``"instance"`` or ``"group"`` (small
            batches).

    Source:
        Section 3.3, eq. 5-7; backbone and pyramid: pSp (Richardson et al. 2021).
    """

    latent_average: Tensor

    def __init__(
        self,
        *,
        num_regions: int = 12,
        num_layers: int = 16,
        style_dim: int = 512,
        input_size: int = 256,
        width: tuple[int, int, int, int, int] = (64, 64, 128, 256, 512),
        units: tuple[int, int, int, int] = (3, 4, 14, 3),
        fpn_dim: int = 512,
        num_coded_layers: int | None = None,
        norm: NormName = "batch",
    ) -> None:
        super().__init__()
        coded = num_layers if num_coded_layers is None else num_coded_layers
        if not 0 < coded <= num_layers:
            raise ValueError(f"num_coded_layers: expected 1..{num_layers}, got {coded}")
        self.num_regions = num_regions
        self.num_layers = num_layers
        self.style_dim = style_dim
        self.input_size = input_size
        self.vector_dim = 3 * fpn_dim
        self.stem = nn.Sequential(
            nn.Conv2d(3, width[0], 3, padding=1, bias=False),
            face_norm(norm, width[0]),
            nn.PReLU(width[0]),
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                ResidualUnit(width[stage], width[stage + 1], stride=2, norm=norm),
                *(
                    ResidualUnit(width[stage + 1], width[stage + 1], stride=1, norm=norm)
                    for _ in range(count - 1)
                ),
            )
            for stage, count in enumerate(units)
        )
        # pSp's coarse map is already 512 wide and joins the pyramid as it is.
        self.lateral_coarse = (
            nn.Identity() if width[4] == fpn_dim else nn.Conv2d(width[4], fpn_dim, 1)
        )
        self.lateral_medium = nn.Conv2d(width[3], fpn_dim, 1)
        self.lateral_fine = nn.Conv2d(width[2], fpn_dim, 1)
        self.mlp = RegionMLP(
            num_regions, vector_dim=self.vector_dim, style_dim=style_dim, num_coded_layers=coded
        )
        # Zero until a StyleGAN2 checkpoint brings its average latent; codes are offsets from it.
        self.register_buffer("latent_average", torch.zeros(num_layers, style_dim))

    def encode(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Average the three feature maps inside each region (eq. 5-6).

        Args:
            image: ``B 3 H W`` in [-1, 1], any size.
            mask: one-hot ``B R H W``, any size.

        Returns:
            Style vectors ``B R V`` (all zero for an absent region) and presence ``B R`` (bool).
        """
        batch = check_shape(image, "B 3 H W", name="image")["B"]
        check_shape(mask, f"B={batch} R={self.num_regions} H W", name="mask")
        maps = self._pyramid(image)
        vectors = torch.cat([region_means(feature, mask) for feature in maps], -1)
        return vectors, region_presence(mask, (maps[0].shape[-2], maps[0].shape[-1]))

    def to_codes(self, vectors: Tensor) -> Tensor:
        """Map style vectors to style codes (eq. 7).

        Args:
            vectors: ``B R V``.

        Returns:
            ``B R L D``. The code of an absent region is what the network has learnt to expect of
            it.
        """
        codes = self.mlp(vectors)
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

    def _pyramid(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the fine, medium and coarse map."""
        side = self.input_size
        if image.shape[-2:] != (side, side):
            image = functional.interpolate(
                image, (side, side), mode="bilinear", align_corners=False
            )
        x = self.stages[0](self.stem(image))
        fine = self.stages[1](x)
        medium = self.stages[2](fine)
        coarse = self.lateral_coarse(self.stages[3](medium))
        medium = _enlarge(coarse, medium) + self.lateral_medium(medium)
        return _enlarge(medium, fine) + self.lateral_fine(fine), medium, coarse


def grown(encoder: FPNRegionEncoder, num_layers: int) -> FPNRegionEncoder:
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
