"""Adversarial terms against the logistic loss and a discriminator whose gradient is known."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from segkit_models.losses.adversarial import (
    discriminator_adversarial,
    generator_adversarial,
    gradient_penalty,
)


def test_terms_are_binary_cross_entropies():
    real, fake = torch.randn(6, 1), torch.randn(6, 1)
    entropy = functional.binary_cross_entropy_with_logits
    torch.testing.assert_close(generator_adversarial(fake), entropy(fake, torch.ones_like(fake)))
    torch.testing.assert_close(
        discriminator_adversarial(real, fake),
        entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake)),
    )
    undecided = discriminator_adversarial(torch.zeros(2, 1), torch.zeros(2, 1))
    assert undecided.item() == pytest.approx(2 * math.log(2))


def test_penalty_of_a_linear_discriminator_is_its_squared_norm():
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 1))
    penalty = gradient_penalty(discriminator, torch.randn(5, 3, 4, 4))
    torch.testing.assert_close(penalty, discriminator[1].weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(discriminator[1].weight.grad, 2 * discriminator[1].weight.detach())
