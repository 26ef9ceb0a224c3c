"""Reconstruction losses of masks: the weighted cross entropy of TSG, and the L1 it replaced."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.halves import lower_half
from segkit.registry import LOSSES


@LOSSES.register
class WeightedCrossEntropy(nn.Module):
    """Cross entropy whose regions weigh the more the smaller they are (eq. 1 and 2).

    Paper: both equations lack the minus sign and exchange the names of prediction and truth; ours:
    the usual ``-(1/N) sum w[truth] log p[truth]``, N = all pixels of the batch. (PyTorch's weighted
    mean divides by the sum of the weights instead.)

    Args:
        weights: one per region, inverse to its share f of the training pixels, so scaled that ``sum
            f w = 1``: then the loss is of the size of the plain one. None weighs all alike, which
            is eq. 1.
        num_regions: R; needed without weights.
        lower_half_factor: multiplies pixels of the lower half, which speech drives. Paper: none;
            ours: 1.

    Raises:
        ValueError: weights that are not positive numbers, one per region.

    Source: section 3.2, eq. 1 and 2.
    """

    weights: Tensor

    def __init__(
        self,
        *,
        weights: Sequence[float] | Tensor | None = None,
        num_regions: int = 12,
        lower_half_factor: float = 1.0,
    ) -> None:
        super().__init__()
        values = torch.ones(num_regions) if weights is None else torch.as_tensor(weights).float()
        if values.shape != (num_regions,) or not bool((values > 0).all()):
            raise ValueError(
                f"weights: expected {num_regions} positive numbers, got {values.tolist()}"
            )
        # Kept in checkpoints: part of what a trained model means.
        self.register_buffer("weights", values.clone())
        self.lower_half_factor = lower_half_factor

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss.

        Args:
            prediction: logits ``B R H W``.
            target: labels ``B H W``.

        Raises:
            ValueError: shapes that do not fit.
        """
        size = check_shape(prediction, f"B R={len(self.weights)} H W", name="logits")
        check_shape(target, f"B={size['B']} H={size['H']} W={size['W']}", name="labels")
        # The sum over c of a one-hot truth picks one term; autocast keeps the logarithm in float32.
        pixels = functional.cross_entropy(
            prediction, target.long(), weight=self.weights, reduction="none"
        )
        if self.lower_half_factor == 1:
            return pixels.mean()
        extra = lower_half(pixels).sum() * (self.lower_half_factor - 1)
        return (pixels.sum() + extra) / pixels.numel()


@LOSSES.register
class MaskL1(nn.Module):
    """Mean absolute difference of the softmax and the one-hot truth.

    Source: section 4.3, ablation "w/o cross entropy" ("L1 loss"). Paper: on what is not given;
    ours: probabilities.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``B R H W`` against labels ``B H W``."""
        probability = prediction.float().softmax(1)
        at_truth = probability.gather(1, target.long().unsqueeze(1))
        # |p - 1| at the truth plus the p elsewhere, which sum to 1 - p again.
        return 2 * (1 - at_truth).mean() / prediction.shape[1]
