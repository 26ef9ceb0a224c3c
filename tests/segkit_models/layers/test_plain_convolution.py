"""Our gradients of a convolution are torch's, also where it takes its own way for them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from segkit_models.layers import plain_convolution
from segkit_models.layers.plain_convolution import conv2d


@pytest.fixture(autouse=True)
def _any_width(monkeypatch):
    monkeypatch.setattr(plain_convolution, "_LEAST_CHANNELS", 1)


def _inputs(batch=2, size=(9, 10), channels=(5, 3), kernel=(3, 3)):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(batch, channels[0], *size, generator=random)
    weight = torch.randn(channels[1], channels[0], *kernel, generator=random)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    return x, weight.requires_grad_()


def _gradients(y, x, weight):
    target = torch.linspace(-1, 1, y.numel()).view_as(y)
    return torch.autograd.grad((y * target).sum(), (x, weight))


@given(
    batch=st.integers(1, 3),
    size=st.tuples(st.integers(8, 17), st.integers(8, 17)),
    channels=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test_outputs_and_gradients_are_torchs(batch, size, channels, kernel, padding):
    x, weight = _inputs(batch, size, channels, kernel)
    y, expected = conv2d(x, weight, padding=padding), functional.conv2d(x, weight, padding=padding)
    assert torch.equal(y, expected)
    bias = torch.linspace(-1, 1, channels[1])
    for learns in (True, False):
        with torch.set_grad_enabled(learns):
            torch.testing.assert_close(
                conv2d(x, weight, bias, padding=padding), expected + bias[:, None, None]
            )
    for ours, theirs in zip(_gradients(y, x, weight), _gradients(expected, x, weight), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_weight_is_learned_by_our_own_products(monkeypatch):
    seen = []
    own = plain_convolution._to_weight
    monkeypatch.setattr(
        plain_convolution, "_to_weight", lambda *args: seen.append(args) or own(*args)
    )
    x, weight = _inputs()
    _gradients(conv2d(x, weight, padding=(1, 1)), x, weight)
    assert len(seen) == 1


def test_gradients_of_gradients():
    x, weight = _inputs()

    def penalty(convolve):
        to_x, to_weight = torch.autograd.grad(
            convolve(x, weight, padding=(1, 1)).square().sum(), (x, weight), create_graph=True
        )
        return torch.autograd.grad(to_x.square().sum() + to_weight.square().sum(), (x, weight))

    for ours, theirs in zip(penalty(conv2d), penalty(functional.conv2d), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("frozen", [True, False])
def test_autocast_and_frozen_weights_are_torchs(frozen):
    x, weight = _inputs()
    weight.requires_grad_(not frozen)
    with torch.autocast("cpu", torch.bfloat16, enabled=not frozen):
        y = conv2d(x, weight, padding=(1, 1))
        expected = functional.conv2d(x, weight, padding=(1, 1))
    assert y.dtype == expected.dtype
    assert torch.equal(y, expected)
    assert "_Conv2d" not in type(y.grad_fn).__name__
