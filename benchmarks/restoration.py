"""A face restoration network of GFPGAN's size at 512 px, as a yardstick of cost: never trained.

A U-Net looks at the picture; a drawing half of StyleGAN2's widths starts from its deepest map, and
half of its channels are scaled and shifted by what the U-Net decoded at each size. Styles are left
out: with one style for the picture they would only scale the weights, so this network is a little
cheaper than a real one. Its work is that of GFPGAN clean, 396 GFLOP, to 1 %; the layout is our own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_DRAWING = (512, 512, 512, 512, 512, 256, 128, 64)
"""Widths of the drawing half at 4, 8, ... 512 px: StyleGAN2's."""

_SEEING = (256, 256, 256, 256, 256, 128, 64, 32)
"""Widths of the U-Net at the same sizes."""


class Restoration(nn.Module):
    """Redraw faces ``B 3 H H`` in [-1, 1].

    Args:
        num_sizes: 8 for pictures of 512 px; each one less halves them.
        width: multiplies every channel count.
    """

    def __init__(self, *, num_sizes: int = 8, width: float = 1.0) -> None:
        super().__init__()
        seen = [round(width * channels) for channels in _SEEING[:num_sizes]]
        drawn = [round(width * channels) for channels in _DRAWING[:num_sizes]]
        self.stem = nn.Conv2d(3, seen[-1], 1)
        self.encoder = nn.ModuleList(
            _Residual(seen[k], seen[k - 1], scale=0.5, inner=1.5)
            for k in range(num_sizes - 1, 0, -1)
        )
        self.deepest = _pair(seen[0], drawn[0])
        self.decoder = nn.ModuleList(
            _Residual(seen[k - 1], seen[k], scale=2.0, inner=2.0) for k in range(1, num_sizes)
        )
        self.conditions = nn.ModuleList(_pair(seen[k], drawn[k]) for k in range(1, num_sizes))
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(drawn[k - 1], drawn[k], 3, 2, 1, output_padding=1)
            for k in range(1, num_sizes)
        )
        self.refine = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for channels in drawn[1:]
        )
        self.to_rgb = nn.ModuleList(nn.Conv2d(channels, 3, 1) for channels in drawn[1:])
        # As our own networks keep it, and faster on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, picture: Tensor) -> Tensor:
        """Return pictures of the same size."""
        x = self.stem(picture.contiguous(memory_format=torch.channels_last))
        kept = [x]
        for block in self.encoder:
            x = block(x)
            kept.append(x)
        kept.pop()
        drawn = self.deepest(x)
        image: Tensor | None = None
        for k, block in enumerate(self.decoder):
            x = block(x) + kept.pop()
            drawn = functional.leaky_relu(self.enlarge[k](drawn), 0.2)
            scale, shift = self.conditions[k](x).chunk(2, 1)
            untouched, conditioned = drawn.chunk(2, 1)
            drawn = torch.cat([untouched, conditioned * scale + shift], 1)
            drawn = functional.leaky_relu(self.refine[k](drawn), 0.2)
            rgb = self.to_rgb[k](drawn)
            image = rgb if image is None else rgb + functional.interpolate(
                image, scale_factor=2.0, mode="bilinear"
            )  # fmt: skip
        assert image is not None
        return image


class _Residual(nn.Module):
    """Two convolutions beside a shortcut, at half or twice the size."""

    def __init__(self, in_channels: int, out_channels: int, *, scale: float, inner: float) -> None:
        super().__init__()
        self.scale = scale
        between = round(inner * in_channels)
        self.first = nn.Conv2d(in_channels, between, 3, padding=1)
        self.second = nn.Conv2d(between, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.leaky_relu(self.first(x), 0.2)
        inner = functional.leaky_relu(self.second(self._resized(inner)), 0.2)
        return inner + self.shortcut(self._resized(x))

    def _resized(self, x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=self.scale, mode="bilinear")


def _pair(in_channels: int, out_channels: int) -> nn.Sequential:
    """Make scale and shift of half of ``out_channels`` each, of two convolutions each."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 2 * in_channels, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * in_channels, out_channels, 3, padding=1),
    )
