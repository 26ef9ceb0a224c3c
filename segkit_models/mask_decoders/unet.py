"""TSG's generator: a U-Net from two masks and a speech embedding to the talking segmentation."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.registry import MASK_DECODERS
from segkit_models.layers.convolution import ConvBlock, NormName, scale_width
from segkit_models.layers.skip_ladder import (
    DECODER_WIDTHS,
    ENCODER_WIDTHS,
    make_decoder,
    make_encoder,
)

_BOTTLENECK = 4
"""Side of the map that one last convolution closes to a single vector."""

_DECODER = {"A": DECODER_WIDTHS, "B": (*DECODER_WIDTHS[1:], 32)}


@MASK_DECODERS.register
class UNetMaskDecoder(nn.Module):
    """Both masks down to a vector, joined there by speech, and up again with skips.

    Paper: layers not given (supplement unavailable); ours: Wav2Lip's ladder grown to the mask's
    size, its ``3 x 3`` bottleneck made ``4 x 4`` for sides that are powers of two.

    Args:
        num_regions: R.
        size: side of the masks, a power of two from 32.
        audio_dim: D, width of the speech embedding.
        variant: ``"A"`` keeps Wav2Lip's widths near the output; ``"B"`` halves them, for 40 % of
            the work.
        width: multiplies every channel count (rounded to multiples of 8).
        norm: ``"batch"`` or ``"group"``. Group norm keeps what all frames have in common, and the
            speech drowns in it: before training, another sound moves the logits a quarter as far
            as with batch norm, and small decoders never begin to listen.

    Raises:
        ValueError: a size that is no power of two from 32, or an unknown variant.

    Source: section 3.2; Prajwal et al. 2020 (Wav2Lip).
    """

    def __init__(
        self,
        *,
        num_regions: int = 12,
        size: int = 512,
        audio_dim: int = 512,
        variant: Literal["A", "B"] = "B",
        width: float = 1.0,
        norm: NormName = "batch",
    ) -> None:
        super().__init__()
        if size < 32 or size & (size - 1):
            raise ValueError(f"size: expected a power of two from 32, got {size}")
        if variant not in _DECODER:
            raise ValueError(f"variant: expected 'A' or 'B', got {variant!r}")
        self.num_regions = num_regions
        self.size = size
        self.audio_dim = audio_dim

        num_halvings = int(math.log2(size // _BOTTLENECK))
        base = scale_width(16, width)
        encoder = [scale_width(channels, width) for channels in ENCODER_WIDTHS[:num_halvings]]
        vector = scale_width(512, width)
        decoder = [
            scale_width(channels, width) for channels in _DECODER[variant][-num_halvings - 1 :]
        ]

        self.mask_encoder_blocks = make_encoder(
            2 * num_regions, base, encoder, vector, bottleneck=_BOTTLENECK, norm=norm
        )
        self.mask_decoder_blocks = make_decoder(
            audio_dim,
            vector,
            decoder,
            [*encoder[::-1], base],
            bottleneck=_BOTTLENECK,
            full_residuals=1 if variant == "B" else 2,
            norm=norm,
        )
        top = scale_width(32, width)
        self.output_block = nn.Sequential(
            ConvBlock(decoder[-1] + base, top, norm=norm), nn.Conv2d(top, num_regions, 1)
        )
        # Channels last: half again as fast on a CPU, and what bfloat16 on a GPU wants.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

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
        last = self.output_block[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.bias += offsets

    def encode(self, pose: Tensor, reference: Tensor) -> list[Tensor]:
        """Reduce both masks to feature maps, finest first; the last is ``B C 1 1``."""
        side = self.size
        pattern = f"B R={self.num_regions} H={side} W={side}"
        check_shape(pose, pattern, name="pose")
        check_shape(reference, pattern, name="reference")
        x = torch.cat([pose, reference], dim=1)
        features = []
        for block in self.mask_encoder_blocks:
            x = block(x)
            features.append(x)
        return features

    def decode(self, features: list[Tensor], audio: Tensor) -> Tensor:
        """Grow the logits ``B R H W`` from speech ``B D`` and the maps of `encode`."""
        check_shape(audio, f"B D={self.audio_dim}", name="audio")
        x = audio[:, :, None, None]
        for block, skip in zip(self.mask_decoder_blocks, reversed(features), strict=True):
            x = torch.cat([block(x), skip], dim=1)
        return self.output_block(x)
