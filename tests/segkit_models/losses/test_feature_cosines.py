"""Identity and parsing losses against hand-worked angles."""

import math

import pytest
import torch
from torch import nn

from segkit_models.losses.cosine import IdentityLoss, ParsingLoss, cosine_distance


class Channels(nn.Module):
    """Features whose angles are known: the mean colour, and its first two channels."""

    def __init__(self, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(gain))

    def features(self, image):
        colour = image.mean((2, 3)) * self.weight
        return [colour, colour[:, :2]]


def flat(red, green, blue, size=8):
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(1, 3, size, size)


def test_levels_sum_or_end_with_the_last():
    a, b = flat(1.0, 0.0, 0.0), flat(1.0, 1.0, 0.0)
    one = 1 - 1 / math.sqrt(2)
    assert ParsingLoss(Channels())(a, b).item() == pytest.approx(2 * one)
    assert ParsingLoss(Channels(), levels="last")(a, b).item() == pytest.approx(one)


def test_length_of_the_features_does_not_matter_and_opposite_is_two():
    a = torch.randn(3, 5, 2)
    assert cosine_distance(a, 3 * a).item() == pytest.approx(0, abs=1e-6)
    assert cosine_distance(a, -a).item() == pytest.approx(2)


def test_identity_looks_at_the_face_alone():
    loss = IdentityLoss(Channels(), levels="last", box=(0.25, 0.25, 0.75, 0.75))
    a = flat(1.0, 0.0, 0.0).clone()
    b = a.clone()
    b[..., :2, :] = 5
    assert loss(b, a).item() == pytest.approx(0, abs=1e-6)
    b[..., 3, 3] = torch.tensor([0.0, 9.0, 0.0]).view(1, 3)
    assert loss(b, a).item() > 0.1


def test_network_is_frozen_but_the_prediction_gets_its_gradient():
    loss = IdentityLoss(dict(type=Channels, gain=2.0))
    fake = flat(1.0, 0.2, 0.3).clone().requires_grad_()
    loss.train()(fake, flat(0.0, 1.0, 0.0)).backward()
    assert fake.grad.abs().sum() > 0
    assert loss.network.weight.grad is None
    assert not loss.network.training


def test_unknown_levels_are_refused():
    with pytest.raises(ValueError, match="levels: expected one of multi, last, got 'all'"):
        ParsingLoss(Channels(), levels="all")
