"""Equalised layers against plain ones with the weights scaled by hand."""

import math

import torch
from torch.nn import functional

from segkit_models.layers.equalised import (
    EqualisedConv2d,
    EqualisedLinear,
    RegionLinear,
    scaled_leaky_relu,
)


def test_linear_scales_the_stored_weight():
    layer = EqualisedLinear(16, 3, bias=1.0)
    x = torch.randn(5, 16)
    torch.testing.assert_close(layer(x), x @ layer.weight.T / 4 + 1)


def test_convolution_scales_by_its_fan_in():
    layer = EqualisedConv2d(4, 6, kernel_size=3, padding=1, activation=True)
    x = torch.randn(2, 4, 5, 5)
    plain = functional.conv2d(x, layer.weight / 6, padding=1)
    torch.testing.assert_close(layer(x), functional.leaky_relu(plain, 0.2) * math.sqrt(2))


def test_outputs_have_unit_variance_at_the_start():
    torch.manual_seed(0)
    x = torch.randn(64, 32, 8, 8)
    y = EqualisedConv2d(32, 64, kernel_size=3)(x)
    assert abs(y.std().item() - 1) < 0.05


def test_activation_keeps_the_second_moment():
    torch.manual_seed(0)
    y = scaled_leaky_relu(torch.randn(200_000))
    # E[y^2] = 2 * (1 + 0.04) / 2 for slope 0.2.
    assert abs(y.square().mean().item() - 1.04) < 0.02


def test_region_linear_is_one_linear_per_region():
    layer = RegionLinear(3, 8, 5)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 3, 8)
    for region in range(3):
        weight = layer.weight[region] / math.sqrt(8)
        expected = functional.linear(x[:, region], weight, layer.bias[region])
        torch.testing.assert_close(layer(x)[:, region], expected)
