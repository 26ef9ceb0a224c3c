"""Sync losses against closed forms and torch's binary cross entropy."""

import math

import pytest
import torch
from torch.nn import functional

from segkit.registry import LOSSES
from segkit_models.losses import SyncBinaryCrossEntropy, SyncContrast, SyncLoss


def test_all_are_registered():
    assert LOSSES.get("SyncContrast") is SyncContrast
    assert LOSSES.get("SyncLoss") is SyncLoss
    assert LOSSES.get("SyncBinaryCrossEntropy") is SyncBinaryCrossEntropy


def test_the_generators_loss_is_the_log_of_the_cosine():
    """Angles of 0, 60 and 90 degrees: probabilities 1, 1/2 and (clamped) 1e-7."""
    speech = torch.tensor([[1.0, 0.0]]).repeat(3, 1)
    mask = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)], [0.0, 1.0]])
    expected = (0 + math.log(2) + math.log(1e7)) / 3
    assert SyncLoss()(mask, speech).item() == pytest.approx(expected, rel=1e-5)


def test_the_experts_loss_is_binary_cross_entropy():
    probability = torch.rand(64, generator=torch.Generator().manual_seed(0)).clamp(1e-7, 1 - 1e-7)
    truth = (torch.arange(64) % 2).float()
    torch.testing.assert_close(
        SyncBinaryCrossEntropy()(probability, truth),
        functional.binary_cross_entropy(probability, truth),
    )


def test_the_experts_loss_is_finite_at_both_ends_and_under_autocast():
    ends = torch.tensor([1e-7, 1 - 1e-7], requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = SyncBinaryCrossEntropy()(ends, torch.tensor([1.0, 0.0]))
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert ends.grad.isfinite().all()
    assert ends.grad[0] < 0 < ends.grad[1]


def test_the_contrast_is_the_log_of_the_share_of_ones_own_speech():
    """Two masks at right angles and three sounds, the last one between them (45 degrees)."""
    masks = torch.eye(2)
    sounds = torch.tensor([[1.0, 0.0], [0.0, 1.0], [math.sqrt(0.5), math.sqrt(0.5)]])
    own, between = math.exp(1 / 0.2), math.exp(math.sqrt(0.5) / 0.2)
    expected = -math.log(own / (own + 1 + between))
    loss = SyncContrast(temperature=0.2)(masks, sounds)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
