"""BiSeNet, the face parser whose published weights most face pipelines run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.regions import SCHEMES
from segkit.registry import PARSERS
from segkit.weights import load_weights
from segkit_models.layers.imagenet import normalise_as_imagenet

LABELLING = "bisenet"
"""Name of the order in which the published weights number their 19 classes."""


class ConvNormReLU(nn.Module):
    """Convolution without bias, batch norm, ReLU.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the kernel, odd; the size is kept.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``B out_channels H W``."""
        return functional.relu(self.norm(self.conv(x)))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, as in ResNet-18.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: 1 or 2.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``B out_channels H/stride W/stride``."""
        residual = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(residual)) + self.shortcut(x))


class ResNet18(nn.Module):
    """The trunk of ResNet-18.

    Args:
        width: channels of the stem and of the first of four stages; each next doubles them.
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.stages = nn.ModuleList()
        in_channels = width
        for stage in range(4):
            channels = width * 2**stage
            first = BasicBlock(in_channels, channels, stride=1 if stage == 0 else 2)
            self.stages.append(nn.Sequential(first, BasicBlock(channels, channels, stride=1)))
            in_channels = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps at 1/8, 1/16 and 1/32 of the size."""
        x = functional.relu(self.norm(self.conv(x)))
        x = functional.max_pool2d(x, 3, 2, padding=1)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[1:]


class AttentionRefinement(nn.Module):
    """A convolution whose channels are scaled by a gate on their means.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvNormReLU(in_channels, out_channels)
        self.gate = nn.Sequential(
            nn.Conv2d(out_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``B out_channels H W``."""
        x = self.conv(x)
        return x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))


class FeatureFusion(nn.Module):
    """Join the fine map and the context, and strengthen the channels that matter.

    Args:
        channels: channels of both together, and of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ConvNormReLU(channels, channels, kernel_size=1)
        self.squeeze = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.excite = nn.Conv2d(channels // 4, channels, 1, bias=False)

    def forward(self, fine: Tensor, context: Tensor) -> Tensor:
        """Return ``B channels H W``."""
        x = self.conv(torch.cat([fine, context], 1))
        hidden = functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return x + x * torch.sigmoid(self.excite(hidden))


@PARSERS.register
class BiSeNet(nn.Module):
    """Parse a face into 19 classes, or into the regions of a scheme.

    Args:
        weights: a file made by `segkit convert bisenet`; random weights when not given.
        num_classes: classes of the network; 19 in the published weights.
        scheme: name of the scheme of `segkit.regions` that the 19 classes belong to.
        merged: give logits of the scheme's regions, for use as the toolkit's parser, instead of
            those of the network's classes in the published order.
        size: side of the square image that the network sees (published weights: 512); None keeps
            the image as it is. The logits come back at the image's own size.
        aux_heads: keep the two heads that only training uses; the published file has them.
        width: channels of the stem; all others are multiples.

    Attributes:
        scheme: says how labels merge: ``parser.scheme.merge(labels, parser.labelling)``; None for
            another number of classes than 19.
        labelling: name of the published order of the 19 classes.

    Raises:
        KeyError: unknown scheme.
        ValueError: another number of classes than 19 to be merged.

    Source:
        BiSeNet (Yu et al. 2018), as zllrunning/face-parsing.PyTorch lays it out. Paper: section 3.2
        names a parsing network of 19 classes; its masks are merged as E4S does.
    """

    labelling = LABELLING

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        num_classes: int = 19,
        scheme: str = "celeba12",
        merged: bool = False,
        size: int | None = None,
        aux_heads: bool = True,
        width: int = 64,
    ) -> None:
        super().__init__()
        if scheme not in SCHEMES:
            raise KeyError(f"no scheme {scheme!r}; known: {', '.join(SCHEMES)}")
        if merged and num_classes != 19:
            raise ValueError(
                f"merged: a scheme merges 19 classes, the network has {num_classes}; leave it out"
            )
        self.scheme = SCHEMES[scheme] if num_classes == 19 else None
        self.merged = merged
        self.size = size
        context = 2 * width
        self.backbone = ResNet18(width=width)
        self.context_mean = ConvNormReLU(8 * width, context, kernel_size=1)
        self.refine16 = AttentionRefinement(4 * width, context)
        self.refine32 = AttentionRefinement(8 * width, context)
        self.smooth16 = ConvNormReLU(context, context)
        self.smooth32 = ConvNormReLU(context, context)
        self.fusion = FeatureFusion(2 * width + context)
        self.head = _make_head(2 * width + context, 4 * width, num_classes)
        self.aux_heads: nn.ModuleList | None = None
        if aux_heads:
            self.aux_heads = nn.ModuleList(
                _make_head(context, width, num_classes) for _ in range(2)
            )
        if weights is not None:
            load_weights(self, weights)

    def forward(self, image: Tensor) -> Tensor:
        """Parse a batch.

        Args:
            image: ``B 3 H W`` in [-1, 1], any size.

        Returns:
            Logits ``B R H W``: of the network's own classes, or merged. A merged region's
            logit is the log of the summed exponentials of its classes, so that softmax gives the
            sum of their probabilities.
        """
        return self._finish(self.head(self._features(image)[0]), image)

    def forward_all(self, image: Tensor) -> list[Tensor]:
        """Return the logits of `forward`, then those of the two training heads (1/8, 1/16).

        Raises:
            ValueError: built without ``aux_heads``.
        """
        if self.aux_heads is None:
            raise ValueError("BiSeNet: no training heads; build it with aux_heads=True")
        features = self._features(image)
        heads = [self.head, *self.aux_heads]
        return [self._finish(head(x), image) for head, x in zip(heads, features, strict=True)]

    def _features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the fused map, and the contexts at 1/8 and 1/16."""
        check_shape(image, "B 3 H W", name="image")
        if self.size is not None and image.shape[-2:] != (self.size, self.size):
            image = functional.interpolate(
                image, (self.size, self.size), mode="bilinear", antialias=True
            )
        map8, map16, map32 = self.backbone(normalise_as_imagenet(image))
        context32 = self.refine32(map32) + self.context_mean(map32.mean((2, 3), keepdim=True))
        context16 = self.smooth32(functional.interpolate(context32, map16.shape[-2:]))
        joined = self.refine16(map16) + context16
        context8 = self.smooth16(functional.interpolate(joined, map8.shape[-2:]))
        return self.fusion(map8, context8), context8, context16

    def _finish(self, logits: Tensor, image: Tensor) -> Tensor:
        """Enlarge the logits to the image's size, and merge them."""
        logits = functional.interpolate(
            logits, image.shape[-2:], mode="bilinear", align_corners=True
        )
        if not self.merged:
            return logits
        assert self.scheme is not None
        return self.scheme.merge_logits(logits, LABELLING)


def _make_head(in_channels: int, hidden: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(
        ConvNormReLU(in_channels, hidden), nn.Conv2d(hidden, num_classes, 1, bias=False)
    )
