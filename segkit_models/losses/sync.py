"""Lip-sync losses: what trains the SyncNet, and what the SyncNet then teaches the generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.registry import LOSSES
from segkit_models.experts.syncnet import sync_probability


@LOSSES.register
class SyncLoss(nn.Module):
    """Negative log probability that masks and speech are in sync (eq. 4): the generator's loss.

    Source: section 3.2, eq. 3 and 4.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss.

        Args:
            prediction: embeddings of the predicted masks, ``B D`` of length 1.
            target: embeddings of the speech, ``B D`` of length 1.
        """
        return -sync_probability(prediction, target).log().mean()


@LOSSES.register
class SyncBinaryCrossEntropy(nn.Module):
    """Binary cross entropy of "in sync" against "off sync": the SyncNet's own loss.

    Source: section 3.2 ("binary cross entropy loss").
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss.

        Args:
            prediction: probabilities ``B`` strictly between 0 and 1 (`sync_probability`).
            target: ``B``, 1 in sync, 0 off.
        """
        # Written out: PyTorch's refuses to run under autocast.
        with torch.autocast(prediction.device.type, enabled=False):
            prediction, target = prediction.float(), target.float()
            in_sync, off_sync = prediction.log(), torch.log1p(-prediction)
            return -(target * in_sync + (1 - target) * off_sync).mean()


@LOSSES.register
class SyncContrast(nn.Module):
    """Cross entropy of finding each mask's own speech among all the speech of a batch.

    Paper: none; ours, beside the binary cross entropy, which alone learns from two sounds per mask
    instead of all.

    Args:
        temperature: divides the cosines.

    Source: van den Oord et al. 2018 (InfoNCE).
    """

    def __init__(self, *, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss.

        Args:
            prediction: embeddings of masks, ``B D`` of length 1.
            target: embeddings of speech, ``N D`` of length 1, ``N >= B``; the first B belong to the
                masks in their order.
        """
        with torch.autocast(prediction.device.type, enabled=False):
            cosines = prediction.float() @ target.float().T
        own = torch.arange(len(prediction), device=prediction.device)
        return functional.cross_entropy(cosines / self.temperature, own)
