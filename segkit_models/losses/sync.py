"""Lip-sync losses: what trains the SyncNet, and what the SyncNet then teaches the generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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
