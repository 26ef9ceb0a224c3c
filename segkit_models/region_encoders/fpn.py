"""Region encoder: face backbone, feature pyramid, mean of every region, one MLP per region."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from segkit.registry import REGION_ENCODERS
from segkit_models.layers.face_backbone import (
    UNITS,
    WIDTH,
    load_backbone,
    make_stages,
    make_stem,
    stage_maps,
)
from segkit_models.layers.residual_se import NormName
from segkit_models.region_encoders.pyramid import PyramidRegionEncoder, grown

__all__ = ["FPNRegionEncoder", "grown"]


@REGION_ENCODERS.register
class FPNRegionEncoder(PyramidRegionEncoder):
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
        average_weights: a file made by ``segkit convert stylegan2``, whose average code all codes
            are offsets from; 0 when not given.
        norm: ``"batch"`` (weights of pSp or ArcFace), ``"instance"`` or ``"group"`` (small
            batches).
        backbone_weights: a file made by ``segkit convert psp`` (backbone and pyramid) or ``segkit
            convert irse50`` (backbone) to start from.
        checkpoint_activations: in training keep the maps between residual units alone, and make
            those inside again in the backward pass: up to a third more work, gradients equal.

    Raises:
        FileNotFoundError: no such file.
        ValueError: more coded layers than layers, or weights that do not fit.

    Source:
        Section 3.3, eq. 5-7; backbone and pyramid: pSp (Richardson et al. 2021).
    """

    # A finished model holds its weights: bundles leave these arguments out.
    only_training = ("backbone_weights", "average_weights", "checkpoint_activations")

    stem: nn.Sequential
    stages: nn.ModuleList

    def __init__(
        self,
        *,
        num_regions: int = 12,
        num_layers: int = 16,
        style_dim: int = 512,
        input_size: int = 256,
        width: tuple[int, int, int, int, int] = WIDTH,
        units: tuple[int, int, int, int] = UNITS,
        fpn_dim: int = 512,
        num_coded_layers: int | None = None,
        norm: NormName = "batch",
        backbone_weights: str | Path | None = None,
        average_weights: str | Path | None = None,
        checkpoint_activations: bool = False,
    ) -> None:
        super().__init__(
            {"stem": make_stem(width, norm=norm), "stages": make_stages(width, units, norm=norm)},
            channels=width[2:],
            num_regions=num_regions,
            num_layers=num_layers,
            style_dim=style_dim,
            input_size=input_size,
            fpn_dim=fpn_dim,
            num_coded_layers=num_coded_layers,
            average_weights=average_weights,
        )
        self.checkpoint_activations = checkpoint_activations
        if backbone_weights is not None:
            load_backbone(self, backbone_weights)

    def backbone_maps(self, image: Tensor) -> list[Tensor]:
        """Return the fine, medium and coarse map of ``B 3 input_size input_size``."""
        forget = self.checkpoint_activations and self.training
        return stage_maps(self.stem, self.stages, image, forget=forget)[1:]
