"""Where each tensor of StyleGAN2 lies in files of rosinality's code and of NVIDIA's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from segkit.weights.checkpoint import ForeignState, Rename


def _first(tensor: Tensor) -> Tensor:
    return tensor[0]


def _scalar(tensor: Tensor) -> Tensor:
    return tensor.reshape(())


def _lone(tensor: Tensor) -> Tensor:
    return tensor[None]


def _plane(tensor: Tensor) -> Tensor:
    return tensor[None, None]


_MOST_BLOCKS = 12
"""More resolutions than any file has."""


@dataclass(frozen=True)
class Layout:
    """How one code base names the tensors of a generator and a discriminator.

    Our convolution ``i`` (and its noise) is counted from 4 px on, as is ToRGB ``k``; block ``b`` of
    the discriminator from the image on.

    Attributes:
        constant: the learned 4 px input.
        conv: (index) -> name of a styled convolution.
        to_rgb: (index) -> name of a ToRGB layer.
        noise: (index) -> stored noise.
        conv_fields: our field -> theirs.
        rgb_fields: the same of a ToRGB layer.
        noise_shape: brings their noise to ``1 1 H W``.
        mapping: (index) -> name of a linear layer of the mapping network.
        down: (block, number of blocks) -> name of a residual block of the discriminator.
        down_fields: our field -> theirs.
        ends: (number of blocks) -> the discriminator's other tensors, our name -> theirs.
        critic_sign: (count) -> tensor of a discriminator with at least so many resolutions.
        filter_name: last word of the names of the fixed low-pass filters.
    """

    constant: Rename
    conv: Callable[[int], str]
    to_rgb: Callable[[int], str]
    noise: Callable[[int], str]
    conv_fields: dict[str, Rename]
    rgb_fields: dict[str, Rename]
    noise_shape: Callable[[Tensor], Tensor] | None
    mapping: Callable[[int], str]
    down: Callable[[int, int], str]
    down_fields: dict[str, str]
    ends: Callable[[int], dict[str, str]]
    critic_sign: Callable[[int], str]
    filter_name: str

    def num_blocks(self, state: ForeignState, *, prefix: str = "") -> int:
        """Return the number of resolutions of a generator, 0 if the state holds none."""
        names = [f"{prefix}{self.to_rgb(block)}.bias" for block in range(_MOST_BLOCKS)]
        return max((block + 1 for block, name in enumerate(names) if name in state), default=0)

    def num_critic_blocks(self, state: ForeignState) -> int:
        """Return the number of resolutions of a discriminator, 0 if the state holds none."""
        counts = range(2, _MOST_BLOCKS)
        return max((count for count in counts if self.critic_sign(count) in state), default=0)

    def generator(
        self, num_blocks: int, *, prefix: str = "", noise: bool = True
    ) -> dict[str, Rename]:
        """Return our key of `RegionStyleGAN2` -> theirs.

        Args:
            num_blocks: resolutions, 4 px included.
            prefix: of their keys.
            noise: list the stored noise too.
        """
        table = {"constant": _at(prefix, self.constant)}
        for index in range(2 * num_blocks - 1):
            for ours, theirs in self.conv_fields.items():
                table[f"convs.{index}.{ours}"] = _at(f"{prefix}{self.conv(index)}.", theirs)
            if noise:
                place = f"{prefix}{self.noise(index)}"
                table[f"convs.{index}.noise"] = (
                    (place, self.noise_shape) if self.noise_shape else place
                )
        for index in range(num_blocks):
            for ours, theirs in self.rgb_fields.items():
                table[f"to_rgbs.{index}.{ours}"] = _at(f"{prefix}{self.to_rgb(index)}.", theirs)
        return table

    def discriminator(self, num_blocks: int) -> dict[str, Rename]:
        """Return our key of `StyleGAN2Discriminator` -> theirs; ``num_blocks`` as above."""
        table: dict[str, Rename] = {}
        for ours, theirs in self.ends(num_blocks).items():
            table[ours] = theirs
        for block in range(num_blocks - 1):
            for ours, theirs in self.down_fields.items():
                table[f"blocks.{block}.{ours}"] = f"{self.down(block, num_blocks)}.{theirs}"
        return table


def _at(place: str, theirs: Rename) -> Rename:
    if isinstance(theirs, str):
        return f"{place}{theirs}"
    return f"{place}{theirs[0]}", theirs[1]


def _side(block: int) -> int:
    return 4 * 2**block


_MODULATION: dict[str, Rename] = {
    "conv.modulation.weight": "conv.modulation.weight",
    "conv.modulation.bias": "conv.modulation.bias",
    "conv.weight": ("conv.weight", _first),
}

ROSINALITY = Layout(
    constant="input.input",
    conv=lambda index: f"convs.{index - 1}" if index else "conv1",
    to_rgb=lambda index: f"to_rgbs.{index - 1}" if index else "to_rgb1",
    noise=lambda index: f"noises.noise_{index}",
    conv_fields=_MODULATION
    | {"noise_strength": ("noise.weight", _scalar), "bias": "activate.bias"},
    rgb_fields=_MODULATION | {"bias": ("bias", torch.flatten)},
    noise_shape=None,
    mapping=lambda index: f"style.{index + 1}",
    down=lambda block, _: f"convs.{block + 1}",
    down_fields={
        "conv1.weight": "conv1.0.weight",
        "conv1.bias": "conv1.1.bias",
        "conv2.weight": "conv2.1.weight",
        "conv2.bias": "conv2.2.bias",
        "skip.weight": "skip.1.weight",
    },
    ends=lambda _: {
        "from_rgb.weight": "convs.0.0.weight",
        "from_rgb.bias": "convs.0.1.bias",
        "final_conv.weight": "final_conv.0.weight",
        "final_conv.bias": "final_conv.1.bias",
        "final_hidden.weight": "final_linear.0.weight",
        "final_hidden.bias": "final_linear.0.bias",
        "final_logit.weight": "final_linear.1.weight",
        "final_logit.bias": "final_linear.1.bias",
    },
    critic_sign=lambda count: f"convs.{count - 1}.skip.1.weight",
    filter_name="kernel",
)
"""rosinality/stylegan2-pytorch, which E4S and pSp contain."""

_AFFINE: dict[str, Rename] = {
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "conv.weight": "weight",
    "bias": "bias",
}


def _nvlabs_conv(index: int) -> str:
    return f"synthesis.b{_side((index + 1) // 2)}.conv{'0' if index % 2 else '1'}"


NVLABS = Layout(
    constant=("synthesis.b4.const", _lone),
    conv=_nvlabs_conv,
    to_rgb=lambda index: f"synthesis.b{_side(index)}.torgb",
    noise=lambda index: f"{_nvlabs_conv(index)}.noise_const",
    conv_fields=_AFFINE | {"noise_strength": "noise_strength"},
    rgb_fields=_AFFINE,
    noise_shape=_plane,
    mapping=lambda index: f"mapping.fc{index}",
    down=lambda block, num_blocks: f"b{_side(num_blocks - 1 - block)}",
    down_fields={
        "conv1.weight": "conv0.weight",
        "conv1.bias": "conv0.bias",
        "conv2.weight": "conv1.weight",
        "conv2.bias": "conv1.bias",
        "skip.weight": "skip.weight",
    },
    ends=lambda num_blocks: {
        "from_rgb.weight": f"b{_side(num_blocks - 1)}.fromrgb.weight",
        "from_rgb.bias": f"b{_side(num_blocks - 1)}.fromrgb.bias",
        "final_conv.weight": "b4.conv.weight",
        "final_conv.bias": "b4.conv.bias",
        "final_hidden.weight": "b4.fc.weight",
        "final_hidden.bias": "b4.fc.bias",
        "final_logit.weight": "b4.out.weight",
        "final_logit.bias": "b4.out.bias",
    },
    critic_sign=lambda count: f"b{_side(count - 1)}.skip.weight",
    filter_name="resample_filter",
)
"""NVlabs/stylegan2-ada-pytorch."""
