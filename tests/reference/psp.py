"""pSp's encoder as plain functions over a state with its own key names."""

import math

import torch
from torch.nn import functional

from tests.reference import irse50
from tests.reference.irse50 import UNITS, WIDTH


def shapes(width=WIDTH, units=UNITS, num_layers=18, style_dim=512, side=256):
    """Names and shapes of the encoder's state, for images of the given side."""
    found = irse50.backbone_shapes(width, units)
    for layer in range(num_layers):
        channels = width[4]
        for index in range(int(math.log2(side // (16, 8, 4)[_level(layer)]))):
            found[f"styles.{layer}.convs.{2 * index}.weight"] = (style_dim, channels, 3, 3)
            found[f"styles.{layer}.convs.{2 * index}.bias"] = (style_dim,)
            channels = style_dim
        found[f"styles.{layer}.linear.weight"] = (style_dim, style_dim)
        found[f"styles.{layer}.linear.bias"] = (style_dim,)
    for name, channels in (("latlayer1", width[3]), ("latlayer2", width[2])):
        found[f"{name}.weight"], found[f"{name}.bias"] = (width[4], channels, 1, 1), (width[4],)
    return found


def pyramid(state, image, units=UNITS):
    """Return the coarse, medium and fine map."""
    _, fine, medium, coarse = irse50.body(state, image, units)
    maps = [coarse]
    for name, x in (("latlayer1", medium), ("latlayer2", fine)):
        lateral = functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"])
        above = functional.interpolate(maps[-1], x.shape[-2:], mode="bilinear", align_corners=True)
        maps.append(above + lateral)
    return maps


def forward(state, image, units=UNITS):
    """Return the codes of an image of the right size, without the average latent."""
    maps = pyramid(state, image, units)
    codes = []
    while f"styles.{len(codes)}.linear.weight" in state:
        name, x, index = f"styles.{len(codes)}", maps[_level(len(codes))], 0
        while f"{name}.convs.{index}.weight" in state:
            conv = f"{name}.convs.{index}"
            x = functional.conv2d(x, state[f"{conv}.weight"], state[f"{conv}.bias"], 2, 1)
            x, index = functional.leaky_relu(x, 0.01), index + 2
        weight = state[f"{name}.linear.weight"]
        codes.append(
            x.flatten(1) @ weight.T / math.sqrt(len(weight)) + state[f"{name}.linear.bias"]
        )
    return torch.stack(codes, 1)


def _level(layer):
    return 0 if layer < 3 else 1 if layer < 7 else 2
