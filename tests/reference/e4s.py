"""E4S' network as plain functions over a state with its own key names."""

import math

import torch
from torch.nn import functional

from tests.reference import stylegan2

UNITS, TAPS = (3, 4, 14, 3), (6, 20, 23)


def shapes(width, channels, style_dim, *, num_regions, coded):
    """Names and shapes; widths of stem and stages, and of the generator at 4, 8, ... px."""
    found = {
        "encoder.input_layer.0.weight": (width[0], 3, 3, 3),
        "encoder.input_layer.2.weight": (width[0],),
    }
    before, index = width[0], 0
    for after, count in zip(width[1:], UNITS, strict=True):
        for _ in range(count):
            name = f"encoder.body.{index}.res_layer"
            hidden = max(4, after // 16)
            if before != after:
                found[f"encoder.body.{index}.shortcut_layer.0.weight"] = (after, before, 1, 1)
            found[f"{name}.1.weight"] = (after, before, 3, 3)
            found[f"{name}.2.weight"] = (after,)
            found[f"{name}.3.weight"] = (after, after, 3, 3)
            found[f"{name}.5.fc1.weight"] = (hidden, after, 1, 1)
            found[f"{name}.5.fc2.weight"] = (after, hidden, 1, 1)
            before, index = after, index + 1
    for region in range(num_regions):
        name = f"MLPs.{region}.mlp"
        found[f"{name}.0.weight"] = (style_dim, sum(width[2:]))
        found[f"{name}.0.bias"] = (style_dim,)
        found[f"{name}.2.weight"] = (style_dim * coded, style_dim)
        found[f"{name}.2.bias"] = (style_dim * coded,)
    return found | stylegan2.generator_shapes(channels, style_dim, prefix="G.")


def style_vectors(state, image, mask):
    """Average the taps inside each region: image ``1 3 H W``, mask ``R H W`` -> ``R V``."""
    x = functional.interpolate(image, (256, 256), mode="bilinear", align_corners=False)
    x = functional.conv2d(x, state["encoder.input_layer.0.weight"], padding=1)
    x = functional.prelu(_norm(x), state["encoder.input_layer.2.weight"])
    firsts = [sum(UNITS[:stage]) for stage in range(4)]
    vectors = [[] for _ in mask]
    for index in range(sum(UNITS)):
        x = _unit(state, f"encoder.body.{index}", x, 2 if index in firsts else 1)
        if index not in TAPS:
            continue
        height, width = x.shape[-2:]
        rows = torch.arange(height) * mask.shape[1] // height
        columns = torch.arange(width) * mask.shape[2] // width
        for region, shown in enumerate(mask[:, rows][:, :, columns].bool()):
            inside = x[0][:, shown]
            vectors[region].append(inside.mean(1) if shown.any() else 0 * x[0, :, 0, 0])
    return torch.stack([torch.cat(levels) for levels in vectors])


def codes(state, vectors, average, num_layers):
    """Map ``R V`` to ``R num_layers D``; ``average`` has at least so many rows."""
    found = []
    for region, vector in enumerate(vectors):
        name = f"MLPs.{region}.mlp"
        x = _linear(vector, state[f"{name}.0.weight"], state[f"{name}.0.bias"])
        x = functional.leaky_relu(x, 0.01)
        x = _linear(x, state[f"{name}.2.weight"], state[f"{name}.2.bias"])
        x = x.view(-1, average.shape[1])
        x = torch.cat([x, x.new_zeros(len(average), average.shape[1])])[: len(average)] + average
        found.append(x[:num_layers])
    return torch.stack(found)


def _linear(x, weight, bias):
    return functional.linear(x, weight / math.sqrt(len(x)), bias)


def _norm(x):
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def _unit(state, name, x, stride):
    y = functional.conv2d(_norm(x), state[f"{name}.res_layer.1.weight"], padding=1)
    y = functional.prelu(y, state[f"{name}.res_layer.2.weight"])
    y = functional.conv2d(y, state[f"{name}.res_layer.3.weight"], stride=stride, padding=1)
    y = _norm(y)
    gate = y.mean((2, 3), keepdim=True)
    gate = functional.conv2d(gate, state[f"{name}.res_layer.5.fc1.weight"]).relu()
    y = y * functional.conv2d(gate, state[f"{name}.res_layer.5.fc2.weight"]).sigmoid()
    shortcut = state.get(f"{name}.shortcut_layer.0.weight")
    if shortcut is None:
        return y + functional.max_pool2d(x, 1, stride)
    return y + _norm(functional.conv2d(x, shortcut, stride=stride))
