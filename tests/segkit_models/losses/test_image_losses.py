"""Pixel losses against closed forms."""

import pytest
import torch
from torch.nn import functional

from segkit_models.losses.image import L2, PyramidL1


def test_squared_error_is_the_mean():
    assert L2()(torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 3, 4, 4)).item() == 0.25


def test_pyramid_of_a_flat_difference_has_no_gradient_term():
    flat = torch.full((2, 3, 16, 16), 0.25)
    assert PyramidL1()(flat, torch.zeros_like(flat)).item() == pytest.approx(0.25)


def test_pyramid_of_a_ramp_is_its_mean_and_its_slope():
    ramp = torch.arange(4.0).expand(1, 3, 4, 4)
    # One scale: mean 1.5, slope 1 along the rows and 0 along the columns.
    loss = PyramidL1(num_scales=1, gradient=2.0)(ramp, torch.zeros_like(ramp))
    assert loss.item() == pytest.approx(1.5 + 2.0)
    # At half the size the ramp is 0.5, 2.5: the same mean, slope 2.
    loss = PyramidL1(num_scales=2, gradient=2.0)(ramp, torch.zeros_like(ramp))
    assert loss.item() == pytest.approx((3.5 + 5.5) / 2)


def test_pyramid_punishes_a_lost_edge_more_than_flat_error_does():
    step = torch.zeros(1, 3, 16, 16)
    step[..., 8:] = 1
    blurred = functional.avg_pool2d(functional.pad(step, (2, 2, 2, 2), mode="replicate"), 5, 1)
    equal = step + (blurred - step).abs().mean()
    l1, l2 = ((x - step).abs().mean() for x in (blurred, equal))
    torch.testing.assert_close(l1, l2)
    assert PyramidL1()(blurred, step) > 1.5 * PyramidL1()(equal, step)
