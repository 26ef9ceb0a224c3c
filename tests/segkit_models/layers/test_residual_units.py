"""The residual unit's parts against formulas worked out by hand."""

import pytest
import torch

from segkit_models.layers.residual_se import face_norm


def by_hand(x, gradient):
    """Gradient of instance normalisation, from its derivation."""
    scale = (x.var((2, 3), unbiased=False, keepdim=True) + 1e-5).rsqrt()
    normal = (x - x.mean((2, 3), keepdim=True)) * scale
    share = normal * (gradient * normal).mean((2, 3), keepdim=True)
    return scale * (gradient - gradient.mean((2, 3), keepdim=True) - share)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradient_of_instance_norm_is_right_in_every_memory_layout(batch, layout):
    torch.manual_seed(0)
    x, gradient = torch.randn(2, batch, 8, 6, 5, dtype=torch.float64)
    x.requires_grad_()
    out = face_norm("instance", 8)(x)
    found = torch.autograd.grad(out, x, gradient.contiguous(memory_format=layout))[0]
    torch.testing.assert_close(found, by_hand(x.detach(), gradient))
