"""Wav2Lip's convolution tower over the lower halves of a few frames, of every SyncNet here."""

from __future__ import annotations

from torch import nn

from segkit_models.layers.convolution import ConvBlock, NormName, scale_width


def make_face_tower(
    num_planes: int,
    size: int,
    *,
    width: float = 1.0,
    norm: NormName = "batch",
    wide_padding: int = 2,
) -> nn.Sequential:
    """Build the tower: ``B num_planes size/2 size`` -> ``B D 1 1``, not negative.

    Args:
        num_planes: channels of the frames together.
        size: width of the frames, whose lower half is given. 64, 96, 128, 256 or 512.
        width: multiplies every channel count, D = 512 included.
        norm: see `make_norm`.
        wide_padding: of the second layer; 2 keeps powers of two, 1 is Wav2Lip's.

    Raises:
        ValueError: a size whose lower half does not halve down to 3 or 4 rows.

    Source: Prajwal et al. 2020 (Wav2Lip), whose indices of layers this keeps at 96 px.
    """
    side = size // 2
    if size < 64 or size % 32 or ((size // 32) & (size // 32 - 1) and size != 96):
        raise ValueError(f"size: expected 64, 96, 128, 256 or 512, got {size}")
    stem, *stages, vector = (
        scale_width(channels, width) for channels in (32, 64, 128, 256, 512, 512)
    )
    layers: list[nn.Module] = [
        ConvBlock(num_planes, stem, kernel_size=7, padding=3, norm=norm),
        # Twice as wide as high until here.
        ConvBlock(stem, stages[0], kernel_size=5, stride=(1, 2), padding=wide_padding, norm=norm),
        *_residuals(stages[0], 2, norm),
    ]
    previous = stages[0]
    for channels, num_residuals in zip(stages[1:], (3, 2, 2), strict=True):
        layers.append(ConvBlock(previous, channels, stride=2, norm=norm))
        layers.extend(_residuals(channels, num_residuals, norm))
        previous, side = channels, side // 2
    while side > 4:
        layers.append(ConvBlock(previous, vector, stride=2, norm=norm))
        previous, side = vector, side // 2
    layers.append(ConvBlock(previous, vector, kernel_size=side, padding=0, norm=norm))
    layers.append(ConvBlock(vector, vector, kernel_size=1, padding=0, norm=norm))
    return nn.Sequential(*layers)


def _residuals(channels: int, count: int, norm: NormName) -> list[nn.Module]:
    return [ConvBlock(channels, channels, residual=True, norm=norm) for _ in range(count)]
