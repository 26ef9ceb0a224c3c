"""What public code does for every region, as a yardstick of cost: slow on purpose.

The sums are those of E4S (Liu et al. 2023) and of the StyleGAN2 that it is built on: in every
masked layer one modulated convolution per region, with weights of that region's own made anew at
every call, a transposed convolution and a 4 x 4 filter over every channel of every region. Weights
and noise are those of our generator, and the images are equal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from segkit_models.generators import RegionStyleGAN2
from segkit_models.layers.modulation import RegionModulatedConv2d

_TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])


def draw_by_loop(generator: RegionStyleGAN2, styles: Tensor, mask: Tensor) -> Tensor:
    """Draw the image of a generator region by region.

    Args:
        generator: whose weights and noise are used.
        styles: ``B R L D``.
        mask: one-hot ``B R H W``.

    Returns:
        ``B 3 size size``.
    """
    x = generator.constant.expand(len(styles), -1, -1, -1)
    image: Tensor | None = None
    for index, layer in enumerate(generator.convs):
        shown = mask if generator._is_masked(index) else None
        x = _mixed(layer.conv, x, styles[:, :, index], shown)
        x = x + layer.noise_strength * layer.noise + layer.bias.view(1, -1, 1, 1)
        x = functional.leaky_relu(x, 0.2) * math.sqrt(2)
        if index % 2:
            continue
        to_rgb, level = generator.to_rgbs[index // 2], index + 1
        shown = mask if generator._is_masked(level) else None
        rgb = _mixed(to_rgb.conv, x, styles[:, :, level], shown) + to_rgb.bias.view(1, -1, 1, 1)
        image = rgb if image is None else rgb + _enlarged(image)
    assert image is not None
    return image


def pool_by_loop(feature: Tensor, mask: Tensor) -> Tensor:
    """Average a map inside each region by picking its pixels, sample by sample: ``B R C``."""
    mask = functional.interpolate(mask, size=feature.shape[-2:], mode="nearest").bool()
    codes = feature.new_zeros(len(feature), mask.shape[1], feature.shape[1])
    for sample in range(len(feature)):
        for region in range(mask.shape[1]):
            inside = mask[sample, region]
            if inside.any():
                picked = feature[sample].masked_select(inside)
                codes[sample, region] = picked.view(feature.shape[1], -1).mean(1)
    return codes


def _mixed(conv: RegionModulatedConv2d, x: Tensor, codes: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return _modulated(conv, x, codes[:, 0])
    total: Tensor | None = None
    for region in range(mask.shape[1]):
        part = _modulated(conv, x, codes[:, region])
        shown = functional.interpolate(mask[:, region, None], size=part.shape[2:], mode="nearest")
        total = part * shown if total is None else total + part * shown
    assert total is not None
    return total


def _modulated(conv: RegionModulatedConv2d, x: Tensor, codes: Tensor) -> Tensor:
    """Convolve every sample with weights of its own, as groups of one convolution."""
    batch, channels, height, width = x.shape
    weight = conv.scale * conv.weight * conv.modulation(codes)[:, None, :, None, None]
    if conv.demodulate:
        weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4)) + 1e-8)[..., None, None, None]
    x = x.reshape(1, batch * channels, height, width)
    if conv.up:
        turned = weight.transpose(1, 2).reshape(batch * channels, *weight.shape[1:2], 3, 3)
        x = functional.conv_transpose2d(x, turned, stride=2, groups=batch)
        x = _filtered(x, (1, 1))
    else:
        turned = weight.flatten(0, 1)
        x = functional.conv2d(x, turned, padding=turned.shape[-1] // 2, groups=batch)
    return x.view(batch, -1, *x.shape[2:])


def _enlarged(image: Tensor) -> Tensor:
    spread = image.new_zeros(*image.shape[:2], image.shape[2] * 2, image.shape[3] * 2)
    spread[..., ::2, ::2] = image
    return _filtered(spread, (2, 1))


def _filtered(x: Tensor, pad: tuple[int, int]) -> Tensor:
    kernel = (torch.outer(_TAPS, _TAPS) / 16).to(x)
    planes = functional.pad(x, (*pad, *pad)).flatten(0, 1)[:, None]
    planes = functional.conv2d(planes, kernel[None, None])
    return planes.view(*x.shape[:2], *planes.shape[2:])
