"""Wav2Lip's convolution tower over a 0.2 s mel window, of TSG's audio encoder and the SyncNet."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from segkit_models.layers.convolution import ConvBlock, NormName

MEL_WIDTHS = (32, 64, 128, 256, 512)
"""Channels of the five stages in the reference."""


def make_mel_tower(
    widths: Sequence[int] = MEL_WIDTHS,
    *,
    out_dim: int = 512,
    num_last_residuals: int = 1,
    norm: NormName = "batch",
) -> nn.Sequential:
    """Build the tower: ``B 1 80 16`` (mel bins, time) -> ``B out_dim 1 1``, not negative.

    Args:
        widths: channels of the five stages.
        out_dim: width of the embedding.
        num_last_residuals: residual blocks of the fourth stage; 1 in the generator, 2 in the
            SyncNet.
        norm: see `make_norm`.

    Raises:
        ValueError: not five widths.

    Source: Prajwal et al. 2020 (Wav2Lip), whose indices of layers this keeps.
    """
    if len(widths) != 5:
        raise ValueError(f"widths: expected the channels of 5 stages, got {tuple(widths)}")
    first, second, third, fourth, fifth = widths

    def residuals(channels: int, count: int) -> list[nn.Module]:
        return [ConvBlock(channels, channels, residual=True, norm=norm) for _ in range(count)]

    return nn.Sequential(
        ConvBlock(1, first, norm=norm),
        *residuals(first, 2),
        ConvBlock(first, second, stride=(3, 1), norm=norm),
        *residuals(second, 2),
        ConvBlock(second, third, stride=3, norm=norm),
        *residuals(third, 2),
        ConvBlock(third, fourth, stride=(3, 2), norm=norm),
        *residuals(fourth, num_last_residuals),
        ConvBlock(fourth, fifth, padding=0, norm=norm),
        ConvBlock(fifth, out_dim, kernel_size=1, padding=0, norm=norm),
    )
