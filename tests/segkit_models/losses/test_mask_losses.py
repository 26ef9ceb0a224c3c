"""Mask losses against closed forms and torch's own cross entropy."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from segkit.registry import LOSSES
from segkit_models.losses import MaskL1, WeightedCrossEntropy


def example(seed=0, regions=4, batch=2, height=6, width=5):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, regions, height, width, generator=generator)
    return logits, torch.randint(regions, (batch, height, width), generator=generator)


def test_without_weights_it_is_plain_cross_entropy():
    logits, labels = example()
    loss = WeightedCrossEntropy(num_regions=4)(logits, labels.byte())
    torch.testing.assert_close(loss, functional.cross_entropy(logits, labels))


def test_a_case_worked_by_hand():
    logits = torch.zeros(1, 2, 2, 2)
    labels = torch.tensor([[[0, 0], [0, 1]]])
    loss = WeightedCrossEntropy(weights=(0.5, 3.0), num_regions=2)(logits, labels)
    assert loss.item() == pytest.approx((3 * 0.5 + 3.0) / 4 * math.log(2))


@given(seed=st.integers(0, 50))
def test_it_divides_by_pixels_where_torch_divides_by_weights(seed):
    logits, labels = example(seed)
    weights = torch.rand(4, generator=torch.Generator().manual_seed(seed)) + 0.1
    mine = WeightedCrossEntropy(weights=weights, num_regions=4)(logits, labels)
    by_weights = functional.cross_entropy(logits, labels, weight=weights)
    torch.testing.assert_close(mine, by_weights * weights[labels].mean())


def test_weights_inverse_to_the_area_leave_an_even_guess_at_its_plain_loss():
    _, labels = example(height=40, width=40)
    share = torch.bincount(labels.flatten(), minlength=4) / labels.numel()
    loss = WeightedCrossEntropy(weights=1 / share / 4, num_regions=4)
    assert loss(torch.zeros(2, 4, 40, 40), labels).item() == pytest.approx(math.log(4), rel=1e-5)


def test_the_lower_half_can_count_more():
    logits, labels = example()
    upper, lower = (
        functional.cross_entropy(logits[:, :, rows], labels[:, rows])
        for rows in (slice(0, 3), slice(3, 6))
    )
    loss = WeightedCrossEntropy(num_regions=4, lower_half_factor=3.0)(logits, labels)
    torch.testing.assert_close(loss, (upper + 3 * lower) / 2)


def test_l1_is_the_mean_difference_to_the_one_hot():
    logits, labels = example()
    one_hot = functional.one_hot(labels, 4).permute(0, 3, 1, 2)
    torch.testing.assert_close(
        MaskL1()(logits, labels), functional.l1_loss(logits.softmax(1), one_hot.float())
    )


@pytest.mark.parametrize("name", ["WeightedCrossEntropy", "MaskL1"])
def test_a_better_prediction_costs_less_and_the_truth_almost_nothing(name):
    loss = LOSSES.get(name)()
    _, labels = example(regions=12)
    one_hot = functional.one_hot(labels, 12).permute(0, 3, 1, 2).float()
    costs = [loss(one_hot * scale, labels).item() for scale in (-5, 0, 5, 50)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 1e-6


@pytest.mark.parametrize("weights", [(1.0, 2.0), (1.0, 0.0, 1.0), (1.0, -1.0, 2.0)])
def test_weights_that_cannot_be_are_told(weights):
    with pytest.raises(ValueError, match="expected 3 positive numbers"):
        WeightedCrossEntropy(weights=weights, num_regions=3)


def test_wrong_shapes_are_told():
    loss, (logits, labels) = WeightedCrossEntropy(num_regions=4), example()
    with pytest.raises(ValueError, match=r"labels: expected shape \(B=2, H=6, W=5\)"):
        loss(logits, labels[:, :4])
    with pytest.raises(ValueError, match="logits: expected shape"):
        loss(logits[:, :3], labels)
