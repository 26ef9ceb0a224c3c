"""pSp's encoder (``psp_ffhq_encode.pt``)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from segkit.weights.checkpoint import Checkpoint, ForeignState
from segkit.weights.kinds import Parts, converter
from segkit_models.converters.irse50 import face_backbone
from segkit_models.region_encoders.psp import PSPEncoder


@converter("psp", fingerprint=("latlayer1.weight", "styles.0.convs.0.weight"))
def convert_psp(checkpoint: Checkpoint) -> Parts:
    """Rename the encoder; the generator in the same file is another kind.

    Args:
        checkpoint: ``state_dict`` with ``encoder.`` before the names, ``latent_avg`` and ``opts``;
            or the encoder's state alone.
    """
    state = checkpoint.state(containers=("state_dict",), prefixes=("module.", "encoder."))
    state.ignore("decoder.*", why="the generator")
    if any(key.startswith("decoder.") for key in state.keys()):  # noqa: SIM118 - no mapping
        checkpoint.note(
            "the StyleGAN2 generator in this file is left out; `segkit convert stylegan2` takes it"
        )
    arguments, table = face_backbone(state)
    for ours, theirs in (("lateral_medium", "latlayer1"), ("lateral_fine", "latlayer2")):
        table |= {f"{ours}.{key}": f"{theirs}.{key}" for key in ("weight", "bias")}
    num_layers = _count(state, "styles.{}.linear.weight")
    num_halvings = _count(state, "styles.0.convs.{}.weight", step=2)
    for layer in range(num_layers):
        ours, theirs = f"heads.{layer}", f"styles.{layer}"
        names = {f"{ours}.linear": f"{theirs}.linear"}
        # An activation stands between two convolutions.
        for index in range(_count(state, f"{theirs}.convs.{{}}.weight", step=2)):
            names[f"{ours}.convs.{index}"] = f"{theirs}.convs.{2 * index}"
        for name, source in names.items():
            table |= {f"{name}.{key}": f"{source}.{key}" for key in ("weight", "bias")}
    style_dim = state.shape("styles.0.linear.weight")[0]
    config = dict(
        type=PSPEncoder,
        num_layers=num_layers,
        style_dim=style_dim,
        input_size=16 << num_halvings,
        **arguments,
    )
    tensors = state.rename(table)
    tensors["latent_average"] = _latent_average(checkpoint, num_layers, style_dim)
    return {"psp": (config, tensors)}


def _count(state: ForeignState, pattern: str, *, step: int = 1) -> int:
    """Return how many numbered tensors there are; the first must be."""
    state.shape(pattern.format(0))
    index = 0
    while pattern.format(index) in state:
        index += step
    return index // step


def _latent_average(checkpoint: Checkpoint, num_layers: int, style_dim: int) -> Tensor:
    """Return what the codes are offsets from; zero where the file says so, or has none."""
    options = checkpoint.top.get("opts")
    average = checkpoint.top.get("latent_avg")
    if isinstance(options, Mapping) and not options.get("start_from_latent_avg", True):
        average = None
    elif average is None:
        checkpoint.note("no latent_avg in this file: codes are offsets from the average latent")
    if average is None:
        return torch.zeros(num_layers, style_dim)
    average = torch.as_tensor(average)
    # One row for all layers, or one for each layer of the largest generator.
    return (average.expand(num_layers, -1) if average.ndim == 1 else average[:num_layers]).clone()
