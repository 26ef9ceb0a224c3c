"""Mask decoders out of segmentation-models-pytorch: speech joins at the deepest map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.registry import MASK_DECODERS
from segkit_models.layers.convolution import ConvBlock
from segkit_models.layers.smp_network import MULTIPLE, make_smp_network


@MASK_DECODERS.register
class SmpMaskDecoder(nn.Module):
    """Both masks down an encoder, joined with speech at its deepest map, and up a decoder.

    Args:
        num_regions: R.
        size: side of the masks, a multiple of 32.
        audio_dim: D, width of the speech embedding.
        architecture: class of the library: ``"Unet"``, ``"UnetPlusPlus"``, ``"FPN"``, ...
        encoder: its backbone: ``"resnet34"``, ``"mobilenet_v2"``, ``"tu-convnext_tiny"``, ...

    Raises:
        ValueError: no such architecture or encoder, one that does not give maps (DPT), or a size
            that does not fit.

    Source: section 3.2 (a U-Net, layers not given); Iakubovskii 2019 (segmentation-models-pytorch).
        Where speech joins in such a network: ours, as in `UNetMaskDecoder`.
    """

    def __init__(
        self,
        *,
        num_regions: int = 12,
        size: int = 512,
        audio_dim: int = 512,
        architecture: str = "Unet",
        encoder: str = "resnet34",
    ) -> None:
        super().__init__()
        if size < MULTIPLE or size % MULTIPLE:
            raise ValueError(f"size: expected a multiple of {MULTIPLE}, got {size}")
        if architecture == "DPT":
            raise ValueError(
                "architecture: DPT has no maps that speech could join; take 'Unet', 'FPN', "
                "'Segformer' or another one"
            )
        self.num_regions = num_regions
        self.size = size
        self.audio_dim = audio_dim
        network: Any = make_smp_network(
            architecture, encoder, in_channels=2 * num_regions, num_classes=num_regions
        )
        self.encoder: Any = network.encoder
        self.decoder: Any = network.decoder
        self.head: Any = network.segmentation_head
        deepest = self.encoder.out_channels[-1]
        self.join = ConvBlock(deepest + audio_dim, deepest, kernel_size=1, padding=0)

    def forward(self, pose: Tensor, reference: Tensor, audio: Tensor) -> Tensor:
        """Predict the mask of a talking face.

        Args:
            pose: ``B R H W``, one-hot mask whose lower half is all zero.
            reference: ``B R H W``, one-hot mask of another frame of the same person.
            audio: ``B D``, speech at the frame.

        Returns:
            Logits ``B R H W``.

        Raises:
            ValueError: shapes that do not fit the decoder or one another.
        """
        return self.decode(self.encode(pose, reference), audio)

    @torch.no_grad()
    def shift_logits(self, offsets: Tensor) -> None:
        """Add a number per region (``R``) to all logits from now on."""
        check_shape(offsets, f"R={self.num_regions}", name="offsets")
        last = next(layer for layer in self.head.modules() if isinstance(layer, nn.Conv2d))
        assert last.bias is not None
        last.bias += offsets

    def encode(self, pose: Tensor, reference: Tensor) -> list[Tensor]:
        """Reduce both masks to feature maps, finest first."""
        pattern = f"B R={self.num_regions} H={self.size} W={self.size}"
        check_shape(pose, pattern, name="pose")
        check_shape(reference, pattern, name="reference")
        return self.encoder(torch.cat([pose, reference], dim=1))

    def decode(self, features: list[Tensor], audio: Tensor) -> Tensor:
        """Grow the logits ``B R H W`` from speech ``B D`` and the maps of `encode`."""
        check_shape(audio, f"B D={self.audio_dim}", name="audio")
        deepest = features[-1]
        heard = audio[:, :, None, None].expand(-1, -1, *deepest.shape[2:])
        joined = self.join(torch.cat([deepest, heard.to(deepest.dtype)], dim=1))
        return self.head(self.decoder([*features[:-1], joined]))
