"""rosinality's StyleGAN2 as plain functions over a state with its own key names."""

import math
from itertools import pairwise

import torch
from torch.nn import functional

FIR = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def generator_shapes(channels, style_dim, *, mapping=8, prefix=""):
    """Names and shapes of a generator; widths at 4, 8, ... px."""
    found = {"input.input": (1, channels[0], 4, 4)}
    for index in range(1, mapping + 1):
        found[f"style.{index}.weight"] = (style_dim, style_dim)
        found[f"style.{index}.bias"] = (style_dim,)
    found |= _styled("conv1", channels[0], channels[0], style_dim)
    found |= _rgb("to_rgb1", channels[0], style_dim)
    for block, (before, after) in enumerate(pairwise(channels)):
        found |= _styled(f"convs.{2 * block}", before, after, style_dim)
        found[f"convs.{2 * block}.conv.blur.kernel"] = (4, 4)
        found |= _styled(f"convs.{2 * block + 1}", after, after, style_dim)
        found |= _rgb(f"to_rgbs.{block}", after, style_dim)
        found[f"to_rgbs.{block}.upsample.kernel"] = (4, 4)
    for index in range(2 * len(channels) - 1):
        side = 4 * 2 ** ((index + 1) // 2)
        found[f"noises.noise_{index}"] = (1, 1, side, side)
    return {f"{prefix}{name}": shape for name, shape in found.items()}


def discriminator_shapes(channels):
    """Names and shapes of a discriminator; widths at 4, 8, ... px."""
    widths = channels[::-1]
    found = {"convs.0.0.weight": (widths[0], 3, 1, 1), "convs.0.1.bias": (widths[0],)}
    for block, (before, after) in enumerate(pairwise(widths)):
        name = f"convs.{block + 1}"
        found[f"{name}.conv1.0.weight"] = (before, before, 3, 3)
        found[f"{name}.conv1.1.bias"] = (before,)
        found[f"{name}.conv2.0.kernel"] = (4, 4)
        found[f"{name}.conv2.1.weight"] = (after, before, 3, 3)
        found[f"{name}.conv2.2.bias"] = (after,)
        found[f"{name}.skip.0.kernel"] = (4, 4)
        found[f"{name}.skip.1.weight"] = (after, before, 1, 1)
    last = widths[-1]
    found["final_conv.0.weight"], found["final_conv.1.bias"] = (last, last + 1, 3, 3), (last,)
    found["final_linear.0.weight"], found["final_linear.0.bias"] = (last, last * 16), (last,)
    found["final_linear.1.weight"], found["final_linear.1.bias"] = (1, last), (1,)
    return found


def state_of(shapes, *, seed=0):
    """N(0, 1) everywhere, as weights with the equalised learning rate are stored."""
    random = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("kernel"):
            enlarges = "upsample" in name or name.endswith("conv.blur.kernel")
            state[name] = FIR * (4.0 if enlarges else 1.0)
        else:
            value = torch.randn(shape, generator=random)
            state[name] = value * 100 if "style." in name and "weight" in name else value
    return state


def mapping(state, z):
    """Map ``B Z`` to ``B D``."""
    x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for index in range(1, 1 + sum(name.startswith("style.") for name in state) // 2):
        weight, bias = state[f"style.{index}.weight"], state[f"style.{index}.bias"]
        x = functional.linear(x, weight * 0.01 / math.sqrt(x.shape[1]), bias * 0.01)
        x = functional.leaky_relu(x, 0.2) * math.sqrt(2)
    return x


def generate(state, codes, mask=None, masked=0, prefix=""):
    """Draw the image of one sample's codes ``R L D``, region by region, and the layers on the way.

    The layers below ``masked`` (17: all) mix the regions of ``mask`` ``R H W`` after a convolution
    for each; the others take the codes of the first region.
    """
    state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    x, image, layers = state["input.input"], None, {}
    num_convs = codes.shape[1] - 1
    for index in range(num_convs):
        name = f"convs.{index - 1}" if index else "conv1"
        shown = mask if index < masked or masked == 17 else None
        x = _mixed(state, f"{name}.conv", x, codes[:, index], shown, up=index % 2 == 1)
        x = x + state[f"{name}.noise.weight"] * state[f"noises.noise_{index}"]
        x = x + state[f"{name}.activate.bias"].view(1, -1, 1, 1)
        x = layers[name] = functional.leaky_relu(x, 0.2) * math.sqrt(2)
        if index % 2:
            continue
        name = f"to_rgbs.{index // 2 - 1}" if index else "to_rgb1"
        shown = mask if index + 1 < masked or masked == 17 else None
        rgb = _mixed(state, f"{name}.conv", x, codes[:, index + 1], shown, demodulate=False)
        rgb = rgb + state[f"{name}.bias"]
        image = rgb if image is None else rgb + filtered(spread(image), (2, 1), gain=4)
        layers[name] = image
    return image, layers


def discriminate(state, image):
    """Return the logits ``B 1``."""
    x = _activated(_equalised(image, state["convs.0.0.weight"]), state["convs.0.1.bias"])
    block = 1
    while f"convs.{block}.skip.1.weight" in state:
        name = f"convs.{block}"
        y = _equalised(x, state[f"{name}.conv1.0.weight"], padding=1)
        y = filtered(_activated(y, state[f"{name}.conv1.1.bias"]), (2, 2))
        y = _equalised(y, state[f"{name}.conv2.1.weight"], stride=2)
        y = _activated(y, state[f"{name}.conv2.2.bias"])
        skip = _equalised(filtered(x, (1, 1)), state[f"{name}.skip.1.weight"], stride=2)
        x, block = (y + skip) / math.sqrt(2), block + 1
    batch, channels, height, width = x.shape
    group = min(batch, 4)
    spread_of = x.view(group, batch // group, channels, height, width)
    spread_of = (spread_of.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3), keepdim=True)
    plane = spread_of.repeat(group, 1, height, width)
    x = _equalised(torch.cat([x, plane], 1), state["final_conv.0.weight"], padding=1)
    x = _activated(x, state["final_conv.1.bias"]).flatten(1)
    x = functional.linear(x, state["final_linear.0.weight"] / math.sqrt(x.shape[1]))
    x = functional.leaky_relu(x + state["final_linear.0.bias"], 0.2) * math.sqrt(2)
    x = functional.linear(x, state["final_linear.1.weight"] / math.sqrt(x.shape[1]))
    return x + state["final_linear.1.bias"]


def spread(x):
    """Put a zero after every value of a row and of a column."""
    batch, channels, height, width = x.shape
    out = x.new_zeros(batch, channels, 2 * height, 2 * width)
    out[..., ::2, ::2] = x
    return out


def filtered(x, pad, gain=1):
    """Apply the low-pass filter to every channel."""
    x = functional.pad(x, (*pad, *pad))
    kernel = FIR.to(x.dtype).expand(x.shape[1], 1, 4, 4) * gain
    return functional.conv2d(x, kernel, groups=x.shape[1])


def _mixed(state, name, x, codes, mask, **options):
    if mask is None:
        return _modulated(state, name, x, codes[0], **options)
    total = 0
    for region, code in enumerate(codes):
        part = _modulated(state, name, x, code, **options)
        shown = functional.interpolate(mask[None, region, None], part.shape[-2:], mode="nearest")
        total = total + part * shown
    return total


def _modulated(state, name, x, code, *, up=False, demodulate=True):
    affine = state[f"{name}.modulation.weight"] / math.sqrt(len(code))
    style = functional.linear(code, affine, state[f"{name}.modulation.bias"])
    weight = state[f"{name}.weight"][0]
    weight = weight / math.sqrt(weight[0].numel()) * style.view(1, -1, 1, 1)
    if demodulate:
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
    if not up:
        return functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
    x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return filtered(x, (1, 1), gain=4)


def _equalised(x, weight, **options):
    return functional.conv2d(x, weight / math.sqrt(weight[0].numel()), **options)


def _activated(x, bias):
    return functional.leaky_relu(x + bias.view(1, -1, 1, 1), 0.2) * math.sqrt(2)


def _styled(name, before, after, style_dim):
    return _conv(name, before, after, 3, style_dim) | {
        f"{name}.noise.weight": (1,),
        f"{name}.activate.bias": (after,),
    }


def _rgb(name, channels, style_dim):
    return _conv(name, channels, 3, 1, style_dim) | {f"{name}.bias": (1, 3, 1, 1)}


def _conv(name, before, after, side, style_dim):
    return {
        f"{name}.conv.weight": (1, after, before, side, side),
        f"{name}.conv.modulation.weight": (before, style_dim),
        f"{name}.conv.modulation.bias": (before,),
    }
