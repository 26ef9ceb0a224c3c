"""Losses between two images: squared error (eq. 8), LPIPS (eq. 9), absolute error by scales."""

from __future__ import annotations

import warnings
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.registry import LOSSES
from segkit.weights import read_lpips_trunk


@LOSSES.register
class L2(nn.Module):
    """Mean squared error (eq. 8).

    Paper: the norm, whose weight of 1 would drown the other terms; ours: the mean over all values.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare two images ``B 3 H W`` in [-1, 1]."""
        return functional.mse_loss(prediction, target)


@LOSSES.register
class PyramidL1(nn.Module):
    """Mean absolute error of the image and of its gradients, at several sizes.

    Not in the paper: stands in for LPIPS where no pretrained network is at hand. The gradients keep
    edges (lips, teeth, lids) from being averaged away, which flat errors hardly punish.

    Args:
        num_scales: sizes, each half of the one before.
        gradient: weight of the gradients beside the values.
    """

    def __init__(self, *, num_scales: int = 3, gradient: float = 1.0) -> None:
        super().__init__()
        self.num_scales = num_scales
        self.gradient = gradient

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare two images ``B 3 H W`` in [-1, 1]."""
        check_shape(prediction, "B 3 H W", name="prediction")
        difference = prediction - target
        total = prediction.new_zeros(())
        for scale in range(self.num_scales):
            if scale:
                difference = functional.avg_pool2d(difference, 2)
            rows = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
            columns = (difference[..., 1:] - difference[..., :-1]).abs().mean()
            total = total + difference.abs().mean() + self.gradient * (rows + columns)
        return total / self.num_scales


@LOSSES.register
class LPIPS(nn.Module):
    """Learned perceptual distance, version 0.1, summed over scales (eq. 9).

    Paper: backbone and scales not given; ours: AlexNet at full, half and quarter size, as E4S.

    Args:
        trunk: file with the pretrained trunk; the linear heads come with the ``lpips`` package.
        sha256: expected digest of the file, checked when given.
        network: ``"alex"`` or ``"vgg"``.
        num_scales: sizes, each half of the one before by average pooling.

    Raises:
        FileNotFoundError: no file there; the message says where to get it.
    """

    def __init__(
        self,
        trunk: str | Path,
        *,
        sha256: str | None = None,
        network: str = "alex",
        num_scales: int = 3,
    ) -> None:
        super().__init__()
        convolutions = read_lpips_trunk(trunk, sha256=sha256)
        import lpips  # slow to import; only this loss needs it

        with warnings.catch_warnings():
            # lpips still says `pretrained=False`, which torchvision calls deprecated.
            warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
            self.distance = lpips.LPIPS(net=network, pnet_rand=True, verbose=False)
        layers = [m for m in self.distance.net.modules() if isinstance(m, nn.Conv2d)]
        if len(layers) != len(convolutions):
            raise ValueError(
                f"{trunk}: expected {len(layers)} convolutions of {network!r}, "
                f"got {len(convolutions)}"
            )
        for layer, (weight, bias) in zip(layers, convolutions, strict=True):
            layer.load_state_dict({"weight": weight, "bias": bias})
        self.num_scales = num_scales
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> LPIPS:
        """Stay in evaluation mode: the heads have dropout, and a measure must not change."""
        del mode
        return super().train(False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare two images ``B 3 H W`` in [-1, 1]."""
        sizes = check_shape(prediction, "B 3 H W", name="prediction")
        smallest = 32 * 2 ** (self.num_scales - 1)
        if min(sizes["H"], sizes["W"]) < smallest:
            raise ValueError(
                f"LPIPS: expected at least {smallest} px for {self.num_scales} scales, "
                f"got {sizes['H']} x {sizes['W']}; use fewer scales"
            )
        total = prediction.new_zeros(())
        for scale in range(self.num_scales):
            if scale:
                prediction = functional.avg_pool2d(prediction, 2)
                target = functional.avg_pool2d(target, 2)
            total = total + self.distance(prediction, target).mean()
        return total
