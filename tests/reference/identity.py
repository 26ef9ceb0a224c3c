"""face-api's copy of dlib's ResNet as plain functions over its own names and axes."""

import torch
from torch.nn import functional

STAGES = ((32, ("32_1", "32_2", "32_3")), (64, ("64_down", "64_1", "64_2", "64_3")),
          (128, ("128_down", "128_1", "128_2")),
          (256, ("256_down", "256_1", "256_2", "256_down_out")))  # fmt: skip
MEAN_RGB = (122.782, 117.001, 104.298)


def shapes():
    """Names and shapes of the tensors, filters as ``H W I O``."""
    found = _conv_shapes("conv32_down", 7, 3, 32) | {"fc": (256, 128)}
    before = 32
    for channels, names in STAGES:
        for name in names:
            found |= _conv_shapes(f"conv{name}/conv1", 3, before, channels)
            found |= _conv_shapes(f"conv{name}/conv2", 3, channels, channels)
            before = channels
    return found


def forward(state, image):
    """Return the embedding of a face of 150 px in [-1, 1]."""
    mean = image.new_tensor(MEAN_RGB).view(3, 1, 1)
    x = _conv(state, "conv32_down", ((image + 1) * 127.5 - mean) / 256, stride=2).relu()
    x = functional.max_pool2d(x, 3, 2)
    for _, names in STAGES:
        for name in names:
            down = "down" in name
            y = _conv(state, f"conv{name}/conv1", x, stride=2 if down else 1).relu()
            y = _conv(state, f"conv{name}/conv2", y)
            x = functional.avg_pool2d(x, 2, 2) if down else x
            # Whichever is smaller grows by zeros: channels behind, rows and columns at the end.
            total = torch.zeros_like(x).new_zeros(len(x), y.shape[1], *x.shape[2:])
            total[:, : x.shape[1]] += x
            total[:, :, : y.shape[2], : y.shape[3]] += y
            x = total.relu()
    return x.mean((2, 3)) @ state["fc"]


def _conv_shapes(name, side, in_channels, out_channels):
    found = {f"{name}/conv/filters": (side, side, in_channels, out_channels)}
    keys = ("conv/bias", "scale/weights", "scale/biases")
    return found | {f"{name}/{key}": (out_channels,) for key in keys}


def _conv(state, name, x, *, stride=1):
    filters = state[f"{name}/conv/filters"].permute(3, 2, 0, 1)
    padding = 1 if stride == 1 else 0
    x = functional.conv2d(x, filters, state[f"{name}/conv/bias"], stride, padding)
    factor, offset = (state[f"{name}/scale/{key}"].view(-1, 1, 1) for key in ("weights", "biases"))
    return x * factor + offset
