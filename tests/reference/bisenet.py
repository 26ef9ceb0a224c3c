"""face-parsing.PyTorch's BiSeNet as plain functions over a state with its own key names."""

import torch
from torch.nn import functional

from tests.reference.seeded import norm_shapes

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def shapes(width=64, num_classes=19):
    """Names and shapes of a state of the given stem width."""
    found = {"cp.resnet.conv1.weight": (width, 3, 7, 7)} | norm_shapes("cp.resnet.bn1", width)
    before = width
    for stage in range(4):
        channels = width * 2**stage
        for block in range(2):
            name = f"cp.resnet.layer{stage + 1}.{block}"
            found[f"{name}.conv1.weight"] = (channels, before, 3, 3)
            found |= norm_shapes(f"{name}.bn1", channels)
            found[f"{name}.conv2.weight"] = (channels, channels, 3, 3)
            found |= norm_shapes(f"{name}.bn2", channels)
            if before != channels:
                found[f"{name}.downsample.0.weight"] = (channels, before, 1, 1)
                found |= norm_shapes(f"{name}.downsample.1", channels)
            before = channels
    context = 2 * width
    for name, channels in (("cp.arm16", 4 * width), ("cp.arm32", 8 * width)):
        found |= _block(f"{name}.conv", channels, context, 3)
        found[f"{name}.conv_atten.weight"] = (context, context, 1, 1)
        found |= norm_shapes(f"{name}.bn_atten", context)
    found |= _block("cp.conv_head32", context, context, 3)
    found |= _block("cp.conv_head16", context, context, 3)
    found |= _block("cp.conv_avg", 8 * width, context, 1)
    found |= _block("ffm.convblk", 4 * width, 4 * width, 1)
    found["ffm.conv1.weight"] = (width, 4 * width, 1, 1)
    found["ffm.conv2.weight"] = (4 * width, width, 1, 1)
    heads = {"conv_out": (4 * width, 4 * width)}
    heads |= dict.fromkeys(("conv_out16", "conv_out32"), (context, width))
    for name, (channels, hidden) in heads.items():
        found |= _block(f"{name}.conv", channels, hidden, 3)
        found[f"{name}.conv_out.weight"] = (num_classes, hidden, 1, 1)
    return found


def forward(state, image):
    """Return the three outputs for an image in [-1, 1]."""
    mean, std = (image.new_tensor(x).view(3, 1, 1) for x in (MEAN, STD))
    x = functional.conv2d(
        ((image + 1) / 2 - mean) / std, state["cp.resnet.conv1.weight"], None, 2, 3
    )
    x = functional.max_pool2d(_norm(state, "cp.resnet.bn1", x).relu(), 3, 2, 1)
    maps = []
    for stage in range(4):
        for block in range(2):
            x = _residual(
                state, f"cp.resnet.layer{stage + 1}.{block}", x, 2 if stage and not block else 1
            )
        maps.append(x)
    _, fine, middle, coarse = maps
    average = _conv(state, "cp.conv_avg", coarse.mean((2, 3), keepdim=True))
    x = _attend(state, "cp.arm32", coarse) + average
    context16 = _conv(state, "cp.conv_head32", functional.interpolate(x, middle.shape[-2:]))
    x = _attend(state, "cp.arm16", middle) + context16
    context8 = _conv(state, "cp.conv_head16", functional.interpolate(x, fine.shape[-2:]))
    x = _conv(state, "ffm.convblk", torch.cat([fine, context8], 1))
    gate = functional.conv2d(x.mean((2, 3), keepdim=True), state["ffm.conv1.weight"]).relu()
    gate = functional.conv2d(gate, state["ffm.conv2.weight"]).sigmoid()
    outputs = {"conv_out": x + x * gate, "conv_out16": context8, "conv_out32": context16}
    return [
        functional.interpolate(
            functional.conv2d(_conv(state, f"{name}.conv", x), state[f"{name}.conv_out.weight"]),
            image.shape[-2:], mode="bilinear", align_corners=True,
        )
        for name, x in outputs.items()
    ]  # fmt: skip


def _block(name, in_channels, out_channels, kernel):
    return {f"{name}.conv.weight": (out_channels, in_channels, kernel, kernel)} | norm_shapes(
        f"{name}.bn", out_channels
    )


def _norm(state, name, x):
    numbers = (state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
    return functional.batch_norm(x, *numbers)


def _conv(state, name, x):
    weight = state[f"{name}.conv.weight"]
    return _norm(
        state, f"{name}.bn", functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
    ).relu()


def _attend(state, name, x):
    x = _conv(state, f"{name}.conv", x)
    gate = functional.conv2d(x.mean((2, 3), keepdim=True), state[f"{name}.conv_atten.weight"])
    return x * _norm(state, f"{name}.bn_atten", gate).sigmoid()


def _residual(state, name, x, stride):
    y = functional.conv2d(x, state[f"{name}.conv1.weight"], None, stride, 1)
    y = functional.conv2d(
        _norm(state, f"{name}.bn1", y).relu(), state[f"{name}.conv2.weight"], None, 1, 1
    )
    y = _norm(state, f"{name}.bn2", y)
    if f"{name}.downsample.0.weight" in state:
        x = functional.conv2d(x, state[f"{name}.downsample.0.weight"], None, stride)
        x = _norm(state, f"{name}.downsample.1", x)
    return (x + y).relu()
