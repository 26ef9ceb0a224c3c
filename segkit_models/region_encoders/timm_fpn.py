"""The pyramid region encoder on any backbone of timm."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segkit.registry import REGION_ENCODERS
from segkit_models.layers.imagenet import IMAGENET_MEAN, IMAGENET_STD, normalise_as_imagenet
from segkit_models.region_encoders.pyramid import PyramidRegionEncoder, grown

__all__ = ["TimmFPNRegionEncoder", "grown"]

_STRIDES = (4, 8, 16)


@REGION_ENCODERS.register
class TimmFPNRegionEncoder(PyramidRegionEncoder):
    """Encode the look of every region with a backbone trained for something else.

    Args:
        backbone: a model of timm that gives maps at 1/4, 1/8 and 1/16 of the size, such as
            ``"resnet50"``, ``"convnext_tiny"`` or ``"mobilenetv3_large_100"``.
        pretrained: fetch timm's weights (from the Hugging Face hub); nothing is fetched otherwise.
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
        ValueError: no such model in timm, or one without maps at these strides.

    Source:
        Section 3.3, eq. 5-7, with another backbone; timm (Wightman 2019).
    """

    # A finished model holds its weights: bundles leave these arguments out.
    only_training = ("pretrained", "average_weights")

    backbone: nn.Module

    def __init__(
        self,
        backbone: str = "resnet50",
        *,
        pretrained: bool = False,
        num_regions: int = 12,
        num_layers: int = 16,
        style_dim: int = 512,
        input_size: int = 256,
        fpn_dim: int = 512,
        num_coded_layers: int | None = None,
        average_weights: str | Path | None = None,
    ) -> None:
        network, channels = _make_backbone(backbone, pretrained=pretrained)
        super().__init__(
            {"backbone": network},
            channels=channels,
            num_regions=num_regions,
            num_layers=num_layers,
            style_dim=style_dim,
            input_size=input_size,
            fpn_dim=fpn_dim,
            num_coded_layers=num_coded_layers,
            average_weights=average_weights,
        )
        # Some transformers keep the channels last.
        self._channels_last = str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC")
        self._mean, self._std = _colours(backbone)

    def backbone_maps(self, image: Tensor) -> list[Tensor]:
        """Return the fine, medium and coarse map of ``B 3 input_size input_size``."""
        maps = self.backbone(normalise_as_imagenet(image, mean=self._mean, std=self._std))
        return [x.permute(0, 3, 1, 2) for x in maps] if self._channels_last else maps


def _make_backbone(name: str, *, pretrained: bool) -> tuple[nn.Module, list[int]]:
    """Return the backbone up to its map at 1/16, and the channels of its three maps."""
    import timm  # slow to import; only this encoder needs it

    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else "; see timm.list_models()"
        raise ValueError(f"backbone: timm has no model {name!r}{hint}")
    options: dict[str, Any] = dict(features_only=True)
    try:
        with torch.device("meta"):
            sketch: Any = timm.create_model(name, pretrained=False, **options)
    except RuntimeError as error:
        raise ValueError(f"backbone: {name} gives no feature maps ({error})") from error
    strides = sketch.feature_info.reduction()
    if not set(_STRIDES) <= set(strides):
        raise ValueError(
            f"backbone: expected maps at strides {_STRIDES}, {name} gives {tuple(strides)}; take a "
            "pyramidal one such as resnet50 or convnext_tiny"
        )
    # The last map of each stride: what the most layers have worked on.
    last = {stride: index for index, stride in enumerate(strides)}
    indices = [last[stride] for stride in _STRIDES]
    network: Any = timm.create_model(name, pretrained=pretrained, out_indices=indices, **options)
    return network, network.feature_info.channels()


def _colours(name: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return mean and deviation of the colours the backbone was trained on."""
    import timm

    known = timm.get_pretrained_cfg(name)
    return (IMAGENET_MEAN, IMAGENET_STD) if known is None else (known.mean, known.std)
