"""StyleGAN2's residual discriminator."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit_models.layers.equalised import EqualisedConv2d, EqualisedLinear
from segkit_models.layers.fir import blur


class ResidualDown(nn.Module):
    """Two convolutions that halve the size, beside a filtered 1 x 1 shortcut.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = EqualisedConv2d(
            in_channels, in_channels, kernel_size=3, padding=1, activation=True
        )
        self.conv2 = EqualisedConv2d(
            in_channels, out_channels, kernel_size=3, stride=2, activation=True
        )
        self.skip = EqualisedConv2d(in_channels, out_channels, kernel_size=1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``B in_channels H W`` to ``B out_channels H/2 W/2``."""
        main = self.conv2(blur(self.conv1(x), pad=(2, 2)))
        return (main + self.skip(blur(x, pad=(1, 1)))) / math.sqrt(2.0)


class StyleGAN2Discriminator(nn.Module):
    """Tell real images from generated ones.

    Args:
        weights: a file made by ``segkit convert stylegan2`` or ``e4s``, of this size or a larger
            one; random weights when not given.
        size: side of the image, a power of two.
        channels: width at ``size``, ..., 8, 4 px reversed, that is at 4, 8, ..., ``size`` px as the
            generator's; StyleGAN2's own when not given.
        group_size: samples whose spread is shown to the last convolution, so that sameness betrays
            a fake.

    Raises:
        ValueError: a size or widths that do not fit.

    Source:
        StyleGAN2 (Karras et al. 2020), section 4.1; section 3.3 of the paper initialises from it.
    """

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        size: int = 512,
        channels: tuple[int, ...] | None = None,
        group_size: int = 4,
    ) -> None:
        super().__init__()
        num_blocks = int(math.log2(size)) - 1
        if size < 8 or 2 ** (num_blocks + 1) != size:
            raise ValueError(f"size: expected a power of two from 8 on, got {size}")
        default = (512, 512, 512, 512, 512, 256, 128, 64, 32)
        widths = default[:num_blocks] if channels is None else tuple(channels)
        if len(widths) != num_blocks:
            raise ValueError(
                f"channels: expected {num_blocks} widths for 4..{size} px, got {len(widths)}"
            )
        self.size = size
        self.channels = widths
        self.group_size = group_size
        self.from_rgb = EqualisedConv2d(3, widths[-1], kernel_size=1, activation=True)
        self.blocks = nn.ModuleList(
            ResidualDown(widths[index], widths[index - 1]) for index in range(num_blocks - 1, 0, -1)
        )
        last = widths[0]
        self.final_conv = EqualisedConv2d(last + 1, last, kernel_size=3, padding=1, activation=True)
        self.final_hidden = EqualisedLinear(last * 16, last, activation=True)
        self.final_logit = EqualisedLinear(last, 1)
        if weights is not None:
            from segkit.weights import load_component

            whole = load_component(weights, "discriminator")
            self.load_state_dict(truncated(whole, size, channels=widths).state_dict())

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the maps after each residual block, finest first.

        Args:
            image: ``B 3 size size`` in [-1, 1].
        """
        check_shape(image, f"B 3 H={self.size} W={self.size}", name="image")
        x = self.from_rgb(image)
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """Return one logit per image, ``B 1``; positive means real.

        Args:
            image: ``B 3 size size`` in [-1, 1].
        """
        x = self.features(image)[-1]
        x = self.final_conv(torch.cat([x, group_spread(x, self.group_size)], 1))
        return self.final_logit(self.final_hidden(x.flatten(1)))


def truncated(
    discriminator: nn.Module, size: int, *, channels: tuple[int, ...] | None = None
) -> StyleGAN2Discriminator:
    """Return a discriminator of smaller images that keeps the blocks of a larger one.

    The blocks above ``size`` go, and with them the layer that read the image: the new one is
    random, so the result must be trained before it tells anything.

    Args:
        discriminator: the trained one.
        size: smaller side, a power of two.
        channels: wanted widths; any when not given.

    Raises:
        ValueError: a larger size, or other widths.
    """
    if not isinstance(discriminator, StyleGAN2Discriminator) or size > discriminator.size:
        found = getattr(discriminator, "size", "none")
        raise ValueError(
            f"size: the weights are of a {type(discriminator).__name__} for {found} px, which has "
            f"no part that sees {size} px"
        )
    kept = discriminator.channels[: int(math.log2(size)) - 1]
    if channels is not None and tuple(channels) != kept:
        raise ValueError(f"channels: the weights have {kept} up to {size} px, got {channels}")
    if size == discriminator.size:
        return discriminator
    smaller = StyleGAN2Discriminator(
        size=size, channels=kept, group_size=discriminator.group_size
    ).to(discriminator.final_logit.weight.device)
    smaller.blocks.load_state_dict(discriminator.blocks[-len(smaller.blocks) :].state_dict())
    for name in ("final_conv", "final_hidden", "final_logit"):
        getattr(smaller, name).load_state_dict(getattr(discriminator, name).state_dict())
    return smaller.train(discriminator.training)


def group_spread(x: Tensor, group_size: int) -> Tensor:
    """Average the standard deviation of every value over a group of samples.

    Args:
        x: ``B C H W``.
        group_size: wanted size of a group; the largest divisor of B up to it is used.

    Returns:
        ``B 1 H W``, one number per group.

    Source:
        Progressive GAN (Karras et al. 2018), section 3.
    """
    batch, _, height, width = x.shape
    group = max(size for size in range(1, min(group_size, batch) + 1) if batch % size == 0)
    # At least single precision: squares of half floats overflow.
    precise = torch.promote_types(x.dtype, torch.float32)
    groups = x.view(group, batch // group, *x.shape[1:]).to(precise)
    # The square root of a variance of exactly zero has no gradient; hence the 1e-8.
    spread = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return spread.to(x.dtype).repeat(group).view(batch, 1, 1, 1).expand(-1, 1, height, width)
