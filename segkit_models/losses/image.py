"""Losses between the pixels of two images: squared error (eq. 8), absolute error by scales."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.registry import LOSSES


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
