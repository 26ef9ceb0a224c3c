"""A generator made larger or smaller, with the weights it has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from segkit_models.generators.stylegan2 import RegionStyleGAN2


def grown(
    generator: RegionStyleGAN2, size: int, *, channels: tuple[int, ...] | None = None
) -> RegionStyleGAN2:
    """Return a larger generator that begins as the smaller one, enlarged.

    Every weight is kept (the keys of a smaller StyleGAN2 are a prefix of a larger one's); the new
    ToRGB layers start at zero, so the first image is the old one through the skip connection.

    Args:
        generator: the trained one.
        size: larger side, a power of two.
        channels: widths of the new blocks; each half of the one before when not given.
    """
    num_new = int(math.log2(size)) - int(math.log2(generator.size))
    if num_new < 0:
        raise ValueError(f"size: expected at least {generator.size}, got {size}")
    last = generator.channels[-1]
    added = channels or tuple(max(8, last // 2 ** (index + 1)) for index in range(num_new))
    larger = _alike(generator, size=size, channels=(*generator.channels, *added))
    larger.load_state_dict({**larger.state_dict(), **generator.state_dict()})
    for to_rgb in larger._layers()[1][len(generator.to_rgbs) :]:
        nn.init.zeros_(to_rgb.conv.weight)
    return larger.train(generator.training)


def _alike(generator: RegionStyleGAN2, *, size: int, channels: tuple[int, ...]) -> RegionStyleGAN2:
    return type(generator)(
        size=size,
        num_regions=generator.num_regions,
        style_dim=generator.style_dim,
        channels=channels,
        num_masked_layers=generator.num_masked_layers,
        region_conv=generator.region_conv,
        mask_mode=generator.mask_mode,
        random_noise=generator.random_noise,
    ).to(generator.constant.device)


def truncated(
    generator: nn.Module, size: int, *, channels: tuple[int, ...] | None = None
) -> RegionStyleGAN2:
    """Return a smaller generator that draws what the larger one's skip connection holds there.

    Every ToRGB layer adds to a whole image, so the layers of the larger sizes can be left out.

    Args:
        generator: the trained one.
        size: smaller side, a power of two.
        channels: wanted widths; any when not given.

    Raises:
        ValueError: a larger size, or other widths.
    """
    from segkit_models.generators.stylegan2 import RegionStyleGAN2

    if not isinstance(generator, RegionStyleGAN2) or size > generator.size:
        found = getattr(generator, "size", "none")
        raise ValueError(
            f"size: the weights are of a {type(generator).__name__} for {found} px, which has no "
            f"part that draws {size} px"
        )
    kept = generator.channels[: int(math.log2(size)) - 1]
    if channels is not None and tuple(channels) != kept:
        raise ValueError(f"channels: the weights have {kept} up to {size} px, got {channels}")
    smaller = _alike(generator, size=size, channels=kept)
    own = smaller.state_dict().keys()
    state = {key: value for key, value in generator.state_dict().items() if key in own}
    smaller.load_state_dict(state)
    return smaller.train(generator.training)
