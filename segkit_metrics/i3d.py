"""I3D, the video network whose features the Frechet video distance compares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.weights import load_weights

MIN_FRAMES = 9
"""Fewer leave one frame to the last pooling, which takes two."""

SIDE = 224

STEM = (64, 64, 192)
"""Channels of the three layers before the first mixed one."""

MIXED = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of the six convolutions of each mixed layer, in the order of `MixedLayer`."""

_POOLED = {"4b": ((3, 3, 3), (2, 2, 2)), "5b": ((2, 2, 2), (2, 2, 2))}
"""Mixed layers with a pooling before them: its kernel and stride."""


class ConvUnit(nn.Module):
    """Convolution, batch norm, ReLU, padded as TensorFlow's ``SAME``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the kernel along time, height and width.
        stride: step of the kernel along all three.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, kernel_size, stride, bias=False)
        self.norm = nn.BatchNorm3d(out_channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``B C T H W`` to ``B out_channels T/stride H/stride W/stride``, rounded up."""
        kernel_size, stride = (tuple(v) for v in (self.conv.kernel_size, self.conv.stride))
        return self.norm(self.conv(_pad_same(x, kernel_size, stride))).relu_()


class MixedLayer(nn.Module):
    """Four branches beside one another: 1, 1-3, 1-3, and pooled 1.

    Args:
        in_channels: channels of the input.
        channels: of the six convolutions, branch after branch.
    """

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        one, two, two_out, three, three_out, four = channels
        self.branch_0 = ConvUnit(in_channels, one)
        self.branch_1 = nn.Sequential(
            ConvUnit(in_channels, two), ConvUnit(two, two_out, kernel_size=3)
        )
        self.branch_2 = nn.Sequential(
            ConvUnit(in_channels, three), ConvUnit(three, three_out, kernel_size=3)
        )
        self.branch_3 = ConvUnit(in_channels, four)
        self.out_channels = one + two_out + three_out + four

    def forward(self, x: Tensor) -> Tensor:
        """Return ``B out_channels T H W``."""
        pooled = _max_pool(x, (3, 3, 3), (1, 1, 1))
        branches = [self.branch_0(x), self.branch_1(x), self.branch_2(x), self.branch_3(pooled)]
        return torch.cat(branches, 1)


class I3D(nn.Module):
    """DeepMind's inflated Inception of RGB video, trained on Kinetics-400.

    Args:
        weights: a file made by ``segkit convert i3d``; random weights when not given.
        num_classes: C of the logits.
        stem: channels of the first three convolutions.
        mixed: channels of the six convolutions of each of the nine mixed layers.

    Raises:
        ValueError: not three and nine times six channels.

    Source: Carreira and Zisserman 2017, "Quo Vadis, Action Recognition?"; its logits are the
    features of Unterthiner et al. 2018 (FVD).
    """

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        num_classes: int = 400,
        stem: Sequence[int] = STEM,
        mixed: Sequence[Sequence[int]] = tuple(MIXED.values()),
    ) -> None:
        super().__init__()
        if len(stem) != 3 or len(mixed) != len(MIXED) or any(len(row) != 6 for row in mixed):
            raise ValueError(
                f"channels: expected 3 of the stem and {len(MIXED)} rows of 6, got {len(stem)} and "
                f"rows of {[len(row) for row in mixed]}"
            )
        self.stem_1a = ConvUnit(3, stem[0], kernel_size=7, stride=2)
        self.stem_2b = ConvUnit(stem[0], stem[1])
        self.stem_2c = ConvUnit(stem[1], stem[2], kernel_size=3)
        self.mixed = nn.ModuleDict()
        channels = stem[2]
        for name, row in zip(MIXED, mixed, strict=True):
            layer = MixedLayer(channels, row)
            self.mixed[name], channels = layer, layer.out_channels
        self.logits = nn.Conv3d(channels, num_classes, 1)
        if weights is not None:
            load_weights(self, weights)
        self.eval()

    def forward(self, video: Tensor) -> Tensor:
        """Return the logits, averaged over time: the features of the Frechet video distance.

        Args:
            video: ``B 3 T 224 224``, RGB in [-1, 1], at least 9 frames.

        Returns:
            ``B C``, before any softmax.

        Raises:
            ValueError: another size, or too few frames.
        """
        size = check_shape(
            video, f"B 3 T H={SIDE} W={SIDE}", name="video", remedy=f"resize frames to {SIDE} px"
        )
        if size["T"] < MIN_FRAMES:
            raise ValueError(f"video: expected at least {MIN_FRAMES} frames, got {size['T']}")
        x = _max_pool(self.stem_1a(video), (1, 3, 3), (1, 2, 2))
        x = _max_pool(self.stem_2c(self.stem_2b(x)), (1, 3, 3), (1, 2, 2))
        for name, layer in self.mixed.items():
            if name in _POOLED:
                x = _max_pool(x, *_POOLED[name])
            x = layer(x)
        x = functional.avg_pool3d(x, (2, 7, 7), 1)
        return self.logits(x).mean((2, 3, 4))


def _pad_same(x: Tensor, kernel_size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Add the zeros of TensorFlow's ``SAME``: the odd one behind."""
    padding: list[int] = []
    for side, kernel, step in zip(x.shape[:1:-1], kernel_size[::-1], stride[::-1], strict=True):
        total = max(kernel - (side % step or step), 0)
        padding += [total // 2, total - total // 2]
    return functional.pad(x, padding) if any(padding) else x


def _max_pool(x: Tensor, kernel_size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    # What comes in has passed a ReLU: the zeros around it never win.
    return functional.max_pool3d(_pad_same(x, kernel_size, stride), kernel_size, stride)
