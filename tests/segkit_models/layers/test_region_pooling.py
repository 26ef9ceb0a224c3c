"""Masks at other sizes and region means, against explicit loops and laws."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from segkit_models.layers.region_pooling import (
    MASK_MODES,
    mask_pyramid,
    region_means,
    region_presence,
    resize_mask,
    smooth_mask,
)


def one_hot(labels, num_regions):
    return functional.one_hot(labels, num_regions).movedim(-1, 1).float()


def means_by_loop(feature, labels, num_regions):
    """Average pixel by pixel, the slow way; labels are at the size of the feature map."""
    batch, channels, height, width = feature.shape
    result = torch.zeros(batch, num_regions, channels, dtype=torch.float64)
    for b in range(batch):
        for region in range(num_regions):
            pixels = [
                feature[b, :, y, x].double()
                for y in range(height)
                for x in range(width)
                if labels[b, y, x] == region
            ]
            if pixels:
                result[b, region] = torch.stack(pixels).mean(0)
    return result


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    num_regions=st.integers(1, 7),
    size=st.sampled_from([(4, 4), (3, 5)]),
    factor=st.integers(1, 4),
)
def test_means_are_the_loop_and_empty_regions_are_exactly_zero(seed, num_regions, size, factor):
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    labels = torch.randint(num_regions, (2, height * factor, width * factor), generator=generator)
    feature = torch.randn(2, 5, height, width, generator=generator)
    means = region_means(feature, one_hot(labels, num_regions))
    # The mask is sampled at the top-left pixel of every cell.
    small = labels[:, ::factor, ::factor]
    torch.testing.assert_close(
        means.double(), means_by_loop(feature, small, num_regions), atol=1e-5, rtol=1e-5
    )
    # Whichever way features lie in memory.
    last = feature.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(region_means(last, one_hot(labels, num_regions)), means)
    absent = torch.stack([~(small == region).flatten(1).any(1) for region in range(num_regions)], 1)
    assert (means[absent] == 0).all()
    present = region_presence(one_hot(labels, num_regions), size)
    assert torch.equal(present, ~absent)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_area_weighted_means_sum_to_the_mean_of_the_map(seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (1, 6, 6), generator=generator)
    feature = torch.randn(1, 3, 6, 6, generator=generator)
    mask = one_hot(labels, 4)
    means = region_means(feature, mask)
    share = mask.mean((2, 3))
    whole = (means * share[..., None]).sum(1)
    torch.testing.assert_close(whole, feature.mean((2, 3)), atol=1e-6, rtol=1e-5)


def test_gradient_reaches_only_the_pixels_of_the_region():
    labels = torch.tensor([[[0, 0], [1, 1]]])
    feature = torch.randn(1, 2, 2, 2, requires_grad=True)
    region_means(feature, one_hot(labels, 3))[0, 1].sum().backward()
    expected = torch.tensor([[0.0, 0.0], [0.5, 0.5]]).expand(1, 2, 2, 2)
    torch.testing.assert_close(feature.grad, expected)


def test_area_keeps_every_pixel_a_mixture_and_its_share():
    mask = one_hot(torch.randint(5, (2, 32, 32)), 5)
    small = resize_mask(mask, (8, 8), mode="area")
    torch.testing.assert_close(small.sum(1), torch.ones(2, 8, 8))
    torch.testing.assert_close(small.mean((2, 3)), mask.mean((2, 3)))


@pytest.mark.parametrize("mode", MASK_MODES)
@pytest.mark.parametrize("sides", [(4, 8, 16, 32), (24, 16, 5, 12), (24, 12), (64, 8)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_pyramid_resizes_the_full_mask_to_every_side(mode, sides, layout):
    mask = one_hot(torch.randint(5, (2, 32, 32)), 5).contiguous(memory_format=layout)
    found = mask_pyramid(mask, sides, mode=mode)
    assert tuple(found) == sides
    for side, small in found.items():
        expected = functional.interpolate(mask, (side, side), mode=mode)
        torch.testing.assert_close(small, expected)


def test_smooth_borders_are_binomial_and_keep_the_shares():
    mask = one_hot(torch.randint(5, (2, 32, 24)), 5)
    smooth = smooth_mask(mask)
    torch.testing.assert_close(smooth.sum(1), torch.ones(2, 32, 24))
    # The binomial filter of two: twice the mean of two neighbours, along both sides.
    padded = functional.pad(mask, (1, 1, 1, 1), mode="replicate")
    twice = functional.avg_pool2d(functional.avg_pool2d(padded, 2, 1), 2, 1)
    torch.testing.assert_close(smooth, twice)


def test_unknown_mode_and_foreign_batch_are_refused():
    with pytest.raises(ValueError, match=r"mode: expected one of nearest, area, got 'cubic'"):
        resize_mask(torch.zeros(1, 2, 8, 8), (4, 4), mode="cubic")
    with pytest.raises(
        ValueError, match=r"mask: expected shape \(B=2, R, H, W\), got \(1, 3, 4, 4\)"
    ):
        region_means(torch.zeros(2, 5, 4, 4), torch.zeros(1, 3, 4, 4))
