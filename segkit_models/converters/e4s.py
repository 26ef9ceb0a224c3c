"""E4S checkpoints (``iteration_300000.pt``): region encoder, generator and discriminator."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.weights.checkpoint import Checkpoint, ConversionError, ForeignState, Rename
from segkit.weights.kinds import Part, Parts, converter
from segkit_models.converters.stylegan2 import (
    average_code,
    discriminator_part,
    generator_part,
    mapping_part,
    repeated,
)
from segkit_models.converters.stylegan2_names import ROSINALITY
from segkit_models.layers.face_backbone import UNITS
from segkit_models.region_encoders import E4SRegionEncoder

_ALL_MASKED = (18, 17)
"""E4S with a code for every one of 18 layers calls itself K = 17."""

_UNIT: dict[str, str] = {
    "conv1.weight": "res_layer.1.weight",
    "act.weight": "res_layer.2.weight",
    "conv2.weight": "res_layer.3.weight",
    "gate.squeeze.weight": "res_layer.5.fc1.weight",
    "gate.excite.weight": "res_layer.5.fc2.weight",
}


@converter("e4s", fingerprint=("MLPs.0.mlp.0.weight", "G.conv1.conv.modulation.weight"))
def convert_e4s(checkpoint: Checkpoint) -> Parts:
    """Convert the network, of any size of image and number of regions.

    The generator gets ``region_conv="exact"``, which equals E4S' loop. A file for K = 17 holds 18
    codes whatever its size; those of layers that a smaller generator lacks are left out.
    """
    state = checkpoint.state(containers=("state_dict", "state_dict_ema"), prefixes=("module.",))
    if "state_dict" in checkpoint.top and "state_dict_ema" in checkpoint.top:
        checkpoint.note(
            "took 'state_dict', as E4S itself does, not the running average 'state_dict_ema'; a "
            "file without 'state_dict' gives the average"
        )
    state.ignore("G.style.*", why="mapping network: E4S takes its codes from pictures")
    regions = [index for index in range(256) if f"MLPs.{index}.mlp.0.weight" in state]
    num_regions = max(regions, default=0) + 1
    coded = _num_coded_layers(state)
    masked = _ALL_MASKED[1] if coded == _ALL_MASKED[0] else coded
    if masked % 2 == 0:
        raise ConversionError(
            f"e4s: this network has codes for {coded} layers (K = {coded}); E4S is consistent for "
            "an odd K or for all 18 layers only"
        )
    generator = generator_part(
        checkpoint,
        state,
        layout=ROSINALITY,
        prefix="G.",
        num_regions=num_regions,
        num_masked_layers=masked,
        region_conv="exact",
    )
    stored = "latent_avg" in checkpoint.top
    mapping = None if stored else mapping_part(state, layout=ROSINALITY, prefix="G.")
    average = average_code(checkpoint, state, mapping)
    parts: Parts = {
        "encoder": _encoder(state, generator, num_regions, coded, average),
        "generator": generator,
    }
    critic = checkpoint.state(containers=("D_state_dict",), prefixes=("module.",), required=False)
    if critic is not None:
        parts["discriminator"] = discriminator_part(critic)
    return parts


def _num_coded_layers(state: ForeignState) -> int:
    style_dim = state.shape("MLPs.0.mlp.0.bias")[0]
    return state.shape("MLPs.0.mlp.2.bias")[0] // style_dim


def _encoder(
    state: ForeignState, generator: Part, num_regions: int, coded: int, average: Tensor | None
) -> Part:
    num_layers, style_dim = 2 * len(generator[0]["channels"]), generator[0]["style_dim"]
    kept = min(coded, num_layers)
    table: dict[str, Rename] = {
        "stem.0.weight": "encoder.input_layer.0.weight",
        "stem.2.weight": "encoder.input_layer.2.weight",
    }
    index = 0
    # The last stage does not widen, so the file does not tell where it begins.
    for stage, count in enumerate(UNITS):
        for unit in range(count):
            ours, theirs = f"stages.{stage}.{unit}", f"encoder.body.{index}"
            table |= {f"{ours}.{mine}": f"{theirs}.{other}" for mine, other in _UNIT.items()}
            if f"{theirs}.shortcut_layer.0.weight" in state:
                table[f"{ours}.shortcut.0.weight"] = f"{theirs}.shortcut_layer.0.weight"
            index += 1
    tensors = state.rename(table)
    for ours, number in (("hidden", 0), ("out", 2)):
        for kind in ("weight", "bias"):
            names = [f"MLPs.{region}.mlp.{number}.{kind}" for region in range(num_regions)]
            found = state.rename({name: name for name in names})
            stacked = torch.stack([found[name] for name in names])
            rows = kept * style_dim if ours == "out" else None
            tensors[f"mlp.{ours}.{kind}"] = stacked[:, :rows]
    tensors["latent_average"] = (
        torch.zeros(num_layers, style_dim) if average is None else repeated(average, num_layers)
    )
    last = [f"stages.{stage}.0.conv1.weight" for stage in range(4)]
    config = dict(
        type=E4SRegionEncoder,
        num_regions=num_regions,
        num_layers=num_layers,
        style_dim=style_dim,
        width=(len(tensors["stem.0.weight"]), *(len(tensors[key]) for key in last)),
        units=UNITS,
        num_coded_layers=kept,
    )
    return config, tensors
