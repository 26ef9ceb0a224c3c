"""SEAN's network as plain functions over a state with its own key names, in evaluation mode."""

import torch
from torch.nn import functional

BLOCKS = ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3")
WIDTHS, SIDES = (16, 16, 16, 16, 8, 4, 2, 1), (8, 16, 16, 32, 64, 128, 256)


def shapes(width, *, encoder_width, num_regions, style_dim, hidden=128):
    """Names and shapes of a state."""
    first, last = WIDTHS[0] * width, width
    found = _conv("fc", num_regions, first) | _conv("conv_img", last, 3)
    layers = ((1, 3, 1), (4, 1, 2), (7, 2, 4), (14, 8, style_dim / encoder_width))
    for number, before, after in layers:
        before = before if before == 3 else before * encoder_width
        found |= _conv(f"Zencoder.model.{number}", before, round(after * encoder_width))
    found["Zencoder.model.10.weight"] = (4 * encoder_width, 8 * encoder_width, 3, 3)
    found["Zencoder.model.10.bias"] = (8 * encoder_width,)
    for index, block in enumerate(BLOCKS):
        before, after = WIDTHS[index] * width, WIDTHS[index + 1] * width
        middle = min(before, after)
        found |= _spectral(f"{block}.conv_0", before, middle)
        found |= _spectral(f"{block}.conv_1", middle, after)
        norms = {"ace_0": before, "ace_1": middle}
        if before != after:
            norms["ace_s"] = before
            skip = _spectral(f"{block}.conv_s", before, after, side=1)
            found |= {key: shape for key, shape in skip.items() if not key.endswith("bias")}
        for name, channels in norms.items():
            place = f"{block}.{name}"
            found |= {f"{place}.blending_gamma": (1,), f"{place}.blending_beta": (1,)}
            found[f"{place}.noise_var"] = (channels,)
            for norm in (f"{place}.param_free_norm", f"{place}.Spade.param_free_norm"):
                found |= {f"{norm}.running_mean": (channels,), f"{norm}.running_var": (channels,)}
                found[f"{norm}.num_batches_tracked"] = ()
            found |= _conv(f"{place}.Spade.mlp_shared.0", num_regions, hidden)
            found |= _conv(f"{place}.Spade.mlp_gamma", hidden, channels)
            found |= _conv(f"{place}.Spade.mlp_beta", hidden, channels)
            if block == BLOCKS[-1]:
                continue
            found |= _conv(f"{place}.conv_gamma", style_dim, channels)
            found |= _conv(f"{place}.conv_beta", style_dim, channels)
            for region in range(num_regions):
                found[f"{place}.fc_mu{region}.weight"] = (style_dim, style_dim)
                found[f"{place}.fc_mu{region}.bias"] = (style_dim,)
    return found


def encode(state, image, mask):
    """Return the style codes ``B R D`` of an image of 256 px."""
    x = functional.pad(image, (1, 1, 1, 1), mode="reflect")
    x = _activated(_plain(state, "Zencoder.model.1", x))
    for number in (4, 7):
        x = _activated(_plain(state, f"Zencoder.model.{number}", x, stride=2, padding=1))
    weight, bias = state["Zencoder.model.10.weight"], state["Zencoder.model.10.bias"]
    x = functional.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
    x = functional.pad(_activated(x), (1, 1, 1, 1), mode="reflect")
    x = _plain(state, "Zencoder.model.14", x).tanh()
    mask = functional.interpolate(mask, x.shape[-2:], mode="nearest")
    codes = x.new_zeros(*mask.shape[:2], x.shape[1])
    for sample, shown in enumerate(mask.bool()):
        for region, inside in enumerate(shown):
            if inside.any():
                codes[sample, region] = x[sample, :, inside].mean(1)
    return codes


def draw(state, codes, mask, noise):
    """Draw 256 px; ``noise`` gives ``1 1 side side`` for the name of a norm."""
    x = functional.interpolate(mask, (8, 8), mode="nearest")
    x = _plain(state, "fc", x, padding=1)
    for side, block in zip(SIDES, BLOCKS, strict=True):
        if side != x.shape[-1]:
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        skip = x
        if f"{block}.conv_s.weight_orig" in state:
            skip = _ace(state, f"{block}.ace_s", x, codes, mask, noise)
            skip = _spectral_conv(state, f"{block}.conv_s", skip)
        y = functional.leaky_relu(_ace(state, f"{block}.ace_0", x, codes, mask, noise), 0.2)
        y = _spectral_conv(state, f"{block}.conv_0", y)
        y = functional.leaky_relu(_ace(state, f"{block}.ace_1", y, codes, mask, noise), 0.2)
        x = skip + _spectral_conv(state, f"{block}.conv_1", y)
    return _plain(state, "conv_img", functional.leaky_relu(x, 0.2), padding=1).tanh()


def _ace(state, name, x, codes, mask, noise):
    mask = functional.interpolate(mask, x.shape[-2:], mode="nearest")
    x = x + noise(name) * state[f"{name}.noise_var"].view(1, -1, 1, 1)
    mean, variance = (
        state[f"{name}.param_free_norm.running_{kind}"].view(1, -1, 1, 1)
        for kind in ("mean", "var")
    )
    x = (x - mean) / (variance + 1e-5).sqrt()
    hidden = _plain(state, f"{name}.Spade.mlp_shared.0", mask, padding=1).relu()
    scale = _plain(state, f"{name}.Spade.mlp_gamma", hidden, padding=1)
    shift = _plain(state, f"{name}.Spade.mlp_beta", hidden, padding=1)
    if f"{name}.conv_gamma.weight" in state:
        styles = 0
        for region in range(mask.shape[1]):
            place = f"{name}.fc_mu{region}"
            code = functional.linear(
                codes[:, region], state[f"{place}.weight"], state[f"{place}.bias"]
            )
            styles = styles + code.relu()[:, :, None, None] * mask[:, region, None]
        share = state[f"{name}.blending_gamma"].sigmoid()
        scale = share * _plain(state, f"{name}.conv_gamma", styles, padding=1) + (1 - share) * scale
        share = state[f"{name}.blending_beta"].sigmoid()
        shift = share * _plain(state, f"{name}.conv_beta", styles, padding=1) + (1 - share) * shift
    return x * (1 + scale) + shift


def _activated(x):
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), unbiased=False, keepdim=True)
    return functional.leaky_relu((x - mean) / (variance + 1e-5).sqrt(), 0.2)


def _plain(state, name, x, **options):
    return functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **options)


def _spectral_conv(state, name, x):
    weight = state[f"{name}.weight_orig"]
    norm = torch.dot(state[f"{name}.weight_u"], weight.flatten(1) @ state[f"{name}.weight_v"])
    padding = weight.shape[-1] // 2
    return functional.conv2d(x, weight / norm, state.get(f"{name}.bias"), padding=padding)


def _conv(name, before, after, side=3):
    return {f"{name}.weight": (after, before, side, side), f"{name}.bias": (after,)}


def _spectral(name, before, after, side=3):
    return {
        f"{name}.bias": (after,),
        f"{name}.weight_orig": (after, before, side, side),
        f"{name}.weight_u": (after,),
        f"{name}.weight_v": (before * side**2,),
    }
