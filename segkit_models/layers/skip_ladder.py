"""Wav2Lip's two ladders, down to a vector and up again with skips, for pictures and for masks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from segkit_models.layers.convolution import ConvBlock, NormName, UpBlock

ENCODER_WIDTHS = (32, 64, 128, 256, 512, 512, 512, 512)
"""Channels after each halving; Wav2Lip's five, then more of the last."""

DECODER_WIDTHS = (512, 512, 512, 512, 512, 384, 256, 128, 64)
"""Channels after each doubling; Wav2Lip's six are the last."""

_RESIDUALS = (2, 3, 2, 2, 2, 1, 1, 1)


def make_encoder(
    in_channels: int,
    base: int,
    widths: Sequence[int],
    vector: int,
    *,
    bottleneck: int,
    norm: NormName = "batch",
) -> nn.ModuleList:
    """Full size, one stage per halving, then the closing convolutions to ``1 x 1``.

    Args:
        in_channels: of the input.
        base: channels at full size.
        widths: channels after each halving.
        vector: channels of the last, ``1 x 1`` map.
        bottleneck: side of the map that one convolution closes to ``1 x 1``.
        norm: see `make_norm`.
    """
    stages = [nn.Sequential(ConvBlock(in_channels, base, kernel_size=7, padding=3, norm=norm))]
    previous = base
    for index, channels in enumerate(widths):
        num_residuals = 1 if index == len(widths) - 1 else _RESIDUALS[index]
        stages.append(
            nn.Sequential(
                ConvBlock(previous, channels, stride=2, norm=norm),
                *_residuals(channels, num_residuals, norm),
            )
        )
        previous = channels
    stages.append(
        nn.Sequential(
            ConvBlock(previous, vector, kernel_size=bottleneck, padding=0, norm=norm),
            ConvBlock(vector, vector, kernel_size=1, padding=0, norm=norm),
        )
    )
    return nn.ModuleList(stages)


def make_decoder(
    audio_dim: int,
    vector: int,
    widths: Sequence[int],
    skips: Sequence[int],
    *,
    bottleneck: int,
    full_residuals: int = 2,
    norm: NormName = "batch",
) -> nn.ModuleList:
    """Speech alone, a vector to the bottleneck, then one stage per doubling; a skip joins each.

    Args:
        audio_dim: channels of the speech.
        vector: channels of the encoder's last map.
        widths: channels of the bottleneck and after each doubling.
        skips: channels of the encoder's other maps, deepest first.
        bottleneck: side opened from the vector.
        full_residuals: residual blocks at full size; 2 elsewhere.
        norm: see `make_norm`.
    """
    stages = [nn.Sequential(ConvBlock(audio_dim, vector, kernel_size=1, padding=0, norm=norm))]
    previous = 2 * vector
    for index, (channels, skip) in enumerate(zip(widths, skips, strict=True)):
        opening = index == 0
        num_residuals = 1 if opening else full_residuals if index == len(widths) - 1 else 2
        stages.append(
            nn.Sequential(
                UpBlock(previous, channels, open_to=bottleneck if opening else None, norm=norm),
                *_residuals(channels, num_residuals, norm),
            )
        )
        previous = channels + skip
    return nn.ModuleList(stages)


def _residuals(channels: int, count: int, norm: NormName) -> list[nn.Module]:
    return [ConvBlock(channels, channels, residual=True, norm=norm) for _ in range(count)]
