"""The improved residual unit with squeeze-and-excitation that face encoders are made of."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from segkit_models.layers.convolution import NormName as PlainNormName
from segkit_models.layers.convolution import make_norm

NormName = Literal[PlainNormName, "instance"]


def face_norm(name: NormName, channels: int) -> nn.Module:
    """Return a normalisation layer.

    Args:
        name: ``"batch"``, ``"group"`` (small batches), or ``"instance"`` (without weights, as E4S).
        channels: C.
    """
    if name == "instance":
        return InstanceNorm(channels)
    return make_norm(name, channels)


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalisation without weights, whose gradient is right in every memory layout.

    On the CPU, PyTorch (seen in 2.11) takes a channels-last gradient of a single sample for a
    contiguous one; such a gradient comes out of many a matrix product, `region_means` among them.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return ``B C H W``."""
        out = super().forward(input)
        if out.requires_grad:
            out.register_hook(torch.Tensor.contiguous)
        return out


class SqueezeExcite(nn.Module):
    """Scale every channel by a gate that sees the mean of all channels.

    Args:
        channels: C.
        reduction: the gate's hidden width is C over this.
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(4, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``B C H W``."""
        hidden = self.squeeze(x.mean((2, 3), keepdim=True)).relu()
        return x * torch.sigmoid(self.excite(hidden))


class ResidualUnit(nn.Module):
    """Norm, 3 x 3, PReLU, 3 x 3 with the stride, norm and squeeze-excite, beside a shortcut.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: 1 or 2.
        norm: see ``face_norm``.

    Source:
        IR-SE-50 of ArcFace (Deng et al. 2019); pSp (Richardson et al. 2021).
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, norm: NormName) -> None:
        super().__init__()
        self.norm1 = face_norm(norm, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.act = nn.PReLU(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm2 = face_norm(norm, out_channels)
        self.gate = SqueezeExcite(out_channels)
        self.stride = stride
        self.shortcut: nn.Module | None = None
        if in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                face_norm(norm, out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``B in_channels H W`` to ``B out_channels H/stride W/stride``."""
        residual = self.conv2(self.act(self.conv1(self.norm1(x))))
        residual = self.gate(self.norm2(residual))
        if self.shortcut is None:
            return residual + x[..., :: self.stride, :: self.stride]
        return residual + self.shortcut(x)
