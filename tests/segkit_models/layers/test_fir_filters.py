"""The low-pass filter against scipy's polyphase resampler."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d, upfirdn
from torch.nn import functional

from segkit_models.layers import fir
from segkit_models.layers.fir import blur, transposed, upsample

TAPS = np.array([1.0, 3.0, 3.0, 1.0]) / 8


def test_upsampling_is_zero_insertion_and_filter_with_gain_four():
    image = np.random.default_rng(0).standard_normal((5, 6))
    full = upfirdn(TAPS * 2, image, up=2, axis=0)
    full = upfirdn(TAPS * 2, full, up=2, axis=1)
    # StyleGAN2 pads (2, 1): the first two rows of the full result lie outside the image... by one.
    expected = np.pad(full, ((0, 1), (0, 1)))[1 : 1 + 10, 1 : 1 + 12]
    found = upsample(torch.from_numpy(image)[None, None])[0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(("pad", "gain"), [((1, 1), 4.0), ((2, 1), 1.0), ((2, 2), 1.0)])
def test_blur_is_the_outer_product_filter(pad, gain):
    image = np.random.default_rng(1).standard_normal((7, 9))
    expected = convolve2d(np.pad(image, (pad, pad)), gain * np.outer(TAPS, TAPS), mode="valid")
    found = blur(torch.from_numpy(image)[None, None].expand(2, 3, -1, -1), pad=pad, gain=gain)
    assert found.shape == (2, 3, *expected.shape)
    np.testing.assert_allclose(found[1, 2], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("channels", "in_four"), [(5, False), (160, True)], ids=["narrow, whole", "wide, in four"]
)
def test_the_transpose_is_torchs_in_value_and_gradients(channels, in_four, monkeypatch):
    image = torch.randn(2, channels, 7, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, channels, 3, 3, dtype=torch.float64, requires_grad=True)
    expected = functional.conv_transpose2d(image, weight.transpose(0, 1), stride=2)
    with monkeypatch.context() as patch:
        parts, plain = [], fir.conv2d
        patch.setattr(fir, "conv2d", lambda *a, **b: parts.append(plain(*a, **b)) or parts[-1])
        found = transposed(image, weight)
    assert len(parts) == (4 if in_four else 0)
    torch.testing.assert_close(found, expected)
    across = torch.randn_like(expected)
    for one, other in zip(
        torch.autograd.grad(found, (image, weight), across),
        torch.autograd.grad(expected, (image, weight), across),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_a_flat_image_stays_flat_away_from_the_border():
    flat = torch.ones(1, 1, 8, 8)
    torch.testing.assert_close(upsample(flat)[..., 1:-1, 1:-1], torch.ones(1, 1, 14, 14))
