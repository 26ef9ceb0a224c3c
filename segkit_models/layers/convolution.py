"""Convolution, normalisation, ReLU: the block of Wav2Lip that TSG and the SyncNet are made of."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

NormName = Literal["batch", "group"]


def scale_width(channels: int, width: float) -> int:
    """Multiply a channel count and round it to a multiple of 8, at least 8."""
    return max(8, round(channels * width / 8) * 8)


def make_norm(name: NormName, channels: int) -> nn.Module:
    """Build the normalisation of a block.

    Args:
        name: ``"batch"`` (Wav2Lip's), or ``"group"``: groups of about 8 channels, whose result does
            not depend on the other frames of a batch, so that streaming and training agree.
        channels: of the feature map.

    Raises:
        ValueError: unknown name.
    """
    if name == "batch":
        # Few frames make a batch, and those of one window are alike: average over many batches.
        return nn.BatchNorm2d(channels, momentum=0.02)
    if name == "group":
        groups = next(n for n in range(max(channels // 8, 1), 0, -1) if channels % n == 0)
        return nn.GroupNorm(groups, channels)
    raise ValueError(f"norm: expected 'batch' or 'group', got {name!r}")


class ConvBlock(nn.Module):
    """Convolution, normalisation, ReLU; a residual is added before the ReLU.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side(s) of the kernel.
        stride: step(s) of the kernel.
        padding: zeros added on each side.
        residual: add the input; needs equal channels and stride 1.
        norm: see `make_norm`.

    Source: Prajwal et al. 2020 (Wav2Lip); the parameter names are theirs, so that their weights
    convert by prefix.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int = 1,
        residual: bool = False,
        norm: NormName = "batch",
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding),
            make_norm(norm, out_channels),
        )
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Map ``B C H W`` to ``B out_channels H/stride W/stride``."""
        out = self.conv_block(x)
        return functional.relu(out + x if self.residual else out, inplace=True)


class UpBlock(nn.Module):
    """Transposed convolution, normalisation, ReLU: doubles the sides, or opens a vector to a map.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        open_to: side made out of a ``1 x 1`` input; None doubles the sides.
        norm: see `make_norm`.

    Source: Prajwal et al. 2020 (Wav2Lip).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        open_to: int | None = None,
        norm: NormName = "batch",
    ) -> None:
        super().__init__()
        convolution = (
            nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, output_padding=1)
            if open_to is None
            else nn.ConvTranspose2d(in_channels, out_channels, open_to, 1, 0)
        )
        self.conv_block = nn.Sequential(convolution, make_norm(norm, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``B C H W`` to ``B out_channels 2H 2W`` (or ``open_to`` sides)."""
        return functional.relu(self.conv_block(x), inplace=True)
