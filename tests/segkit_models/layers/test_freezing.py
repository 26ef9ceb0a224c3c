"""Frozen modules pass gradients on and keep none."""

import pytest
import torch
from torch import nn

from segkit_models.layers.freezing import frozen


def test_gradient_passes_through_and_stays_out():
    module = nn.Linear(3, 1)
    x = torch.randn(2, 3, requires_grad=True)
    with frozen(module) as inside:
        inside(x).sum().backward()
    torch.testing.assert_close(x.grad, module.weight.detach().expand(2, -1))
    assert module.weight.grad is None


def test_only_what_was_trainable_is_trainable_after_an_error():
    module = nn.Linear(3, 1)
    module.bias.requires_grad_(False)
    with pytest.raises(RuntimeError, match="stop"), frozen(module):
        raise RuntimeError("stop")
    assert module.weight.requires_grad
    assert not module.bias.requires_grad
