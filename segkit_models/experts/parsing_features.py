"""The U-Net face parser of CelebAMask-HQ, whose encoder the parsing loss compares."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.weights import load_weights

NUM_LEVELS = 5
"""Sizes at which the network works: 1/1, 1/2, 1/4, 1/8 and 1/16."""


class Expansion(nn.Module):
    """Double the size of a map, join the encoder's map of that size, convolve twice.

    Args:
        channels: of the encoder's map and of the output; the map given has twice as many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2 * channels, channels, 2, 2)
        self.convs = _make_level(2 * channels, channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map ``B 2C h w`` and ``B C 2h 2w`` to ``B C 2h 2w``."""
        return self.convs(torch.cat([skip, self.up(x)], 1))


class ParsingFeatures(nn.Module):
    """Parse a face into CelebAMask-HQ's 19 classes, or give the encoder's five maps alone.

    Args:
        weights: a file made by `segkit convert parser_unet` (the published weights are for
            non-commercial research); random weights when not given.
        width: channels of the first level, doubled at each of the next.
        size: side the image is averaged to; a smaller one stays as it is.
        num_classes: classes of the logits.

    Source:
        Section 3.3, eq. 11: "the pre-trained face parser used in [17]"; layout: CelebAMask-HQ (Lee
        et al. 2020).
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        width: int = 16,
        size: int = 512,
        num_classes: int = 19,
    ) -> None:
        super().__init__()
        self.size = size
        widths = [width * 2**level for level in range(NUM_LEVELS)]
        self.levels = nn.ModuleList(
            _make_level(before, after)
            for before, after in zip([3, *widths[:-1]], widths, strict=True)
        )
        self.expansions = nn.ModuleList(Expansion(channels) for channels in widths[-2::-1])
        self.head = nn.Conv2d(width, num_classes, 1)
        if weights is not None:
            load_weights(self, weights)

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the encoder's five maps, finest first; the decoder does not run.

        Args:
            image: ``B 3 H W`` in [-1, 1].
        """
        check_shape(image, "B 3 H W", name="image")
        x = (
            functional.adaptive_avg_pool2d(image, self.size)
            if image.shape[-1] > self.size
            else image
        )
        maps: list[Tensor] = []
        for level in self.levels:
            x = level(functional.max_pool2d(x, 2) if maps else x)
            maps.append(x)
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits of an image averaged to ``size``.

        Args:
            image: ``B 3 H W`` in [-1, 1]; a side below ``size`` must be a multiple of 16.

        Returns:
            ``B num_classes size size``, classes in the order ``"celeba_hq"`` of `segkit.regions`.

        Raises:
            ValueError: sides that do not halve four times.
        """
        sides = image.shape[-2:]
        if image.shape[-1] <= self.size and any(side % 16 for side in sides):
            raise ValueError(f"image: expected sides that are multiples of 16, got {tuple(sides)}")
        *skips, x = self.features(image)
        for expansion, skip in zip(self.expansions, reversed(skips), strict=True):
            x = expansion(x, skip)
        return self.head(x)


def _make_level(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
