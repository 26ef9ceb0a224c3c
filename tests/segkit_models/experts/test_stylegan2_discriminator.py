"""The discriminator's laws; its numbers are checked in converters/test_parity_stylegan2.py."""

import pytest
import torch

from segkit_models.experts.building import build_expert
from segkit_models.experts.discriminator import StyleGAN2Discriminator, group_spread


def make():
    torch.manual_seed(0)
    return StyleGAN2Discriminator(size=16, channels=(8, 8, 4))


def test_group_spread_is_the_mean_deviation_of_a_group():
    x = torch.randn(8, 3, 2, 2)
    spread = group_spread(x, 4)
    # Samples 0, 2, 4, 6 are one group, 1, 3, 5, 7 the other.
    for start in (0, 1):
        expected = x[start::2].std(0, unbiased=False).mean()
        found = spread[start::2]
        torch.testing.assert_close(found, expected.expand(4, 1, 2, 2), atol=1e-5, rtol=1e-4)


def test_group_shrinks_to_a_divisor_of_the_batch():
    assert group_spread(torch.randn(6, 2, 1, 1), 4).unique().numel() == 2
    assert group_spread(torch.randn(5, 2, 1, 1), 4).flatten().allclose(torch.tensor(1e-4))


def test_sameness_shows_in_the_logit_and_gradients_stay_finite():
    discriminator = make()
    image = torch.randn(1, 3, 16, 16).expand(4, -1, -1, -1).clone().requires_grad_()
    logits = discriminator(image)
    logits.sum().backward()
    assert image.grad.isfinite().all()
    assert not torch.allclose(logits[0], discriminator(torch.randn(4, 3, 16, 16))[0])


def test_maps_halve_and_sizes_are_checked():
    discriminator = make()
    maps = discriminator.features(torch.randn(2, 3, 16, 16))
    assert [tuple(x.shape[1:]) for x in maps] == [(8, 8, 8), (8, 4, 4)]
    with pytest.raises(ValueError, match=r"image: expected shape \(B, 3, H=16, W=16\)"):
        discriminator(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="channels: expected 3 widths"):
        StyleGAN2Discriminator(size=16, channels=(8, 8))


def test_config_names_the_class_itself():
    built = build_expert(dict(type=StyleGAN2Discriminator, size=8, channels=(4, 4)))
    assert build_expert(built) is built
    with pytest.raises(KeyError, match="type='StyleGAN2Discriminator'"):
        build_expert(dict(type="StyleGAN2Discriminator"))
