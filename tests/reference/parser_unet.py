"""CelebAMask-HQ's U-Net parser as plain functions over a state with its own key names."""

import torch
from torch.nn import functional

from tests.reference.seeded import norm_shapes

LEVELS = ("conv1", "conv2", "conv3", "conv4", "center")


def shapes(width=16, num_classes=19):
    """Names and shapes of a state of the given first width."""
    found, before = {}, 3
    for index, level in enumerate(LEVELS):
        channels = width * 2**index
        found |= _level(level, before, channels)
        if level != "center":
            name = f"up_concat{index + 1}"
            found |= _level(f"{name}.conv", 2 * channels, channels)
            found[f"{name}.up.weight"] = (2 * channels, channels, 2, 2)
            found[f"{name}.up.bias"] = (channels,)
        before = channels
    found["final.weight"], found["final.bias"] = (num_classes, width, 1, 1), (num_classes,)
    return found


def features(state, image):
    """Return the encoder's five maps."""
    maps = []
    for level in LEVELS:
        x = functional.max_pool2d(maps[-1], 2) if maps else image
        maps.append(_convolve(state, level, x))
    return maps


def forward(state, image):
    """Return the logits."""
    *skips, x = features(state, image)
    for number, skip in zip((4, 3, 2, 1), skips[::-1], strict=True):
        name = f"up_concat{number}"
        x = functional.conv_transpose2d(
            x, state[f"{name}.up.weight"], state[f"{name}.up.bias"], stride=2
        )
        x = _convolve(state, f"{name}.conv", torch.cat([skip, x], 1))
    return functional.conv2d(x, state["final.weight"], state["final.bias"])


def _level(name, in_channels, out_channels):
    found = {}
    for half, channels in (("conv1", in_channels), ("conv2", out_channels)):
        found[f"{name}.{half}.0.weight"] = (out_channels, channels, 3, 3)
        found[f"{name}.{half}.0.bias"] = (out_channels,)
        found |= norm_shapes(f"{name}.{half}.1", out_channels)
    return found


def _convolve(state, name, x):
    for half in (f"{name}.conv1", f"{name}.conv2"):
        x = functional.conv2d(x, state[f"{half}.0.weight"], state[f"{half}.0.bias"], padding=1)
        keys = ("running_mean", "running_var", "weight", "bias")
        x = functional.batch_norm(x, *(state[f"{half}.1.{key}"] for key in keys)).relu()
    return x
