"""SEAN checkpoints (``latest_net_G.pth``): region encoder and generator."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.weights.checkpoint import Checkpoint, ForeignState, Rename
from segkit.weights.kinds import Parts, converter
from segkit_models.generators.sean import SEANGenerator
from segkit_models.region_encoders import SEANRegionEncoder

_BLOCKS = ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3")
_NORMS = {"norm1": "ace_0", "norm2": "ace_1", "norm_skip": "ace_s"}
_CONVS = {"conv1": "conv_0", "conv2": "conv_1", "conv_skip": "conv_s"}
_SPECTRAL = {
    "parametrizations.weight.original": "weight_orig",
    "parametrizations.weight.0._u": "weight_u",
    "parametrizations.weight.0._v": "weight_v",
    "bias": "bias",
}
_NORM: dict[str, str] = {
    "noise_strength": "noise_var",
    "norm.running_mean": "param_free_norm.running_mean",
    "norm.running_var": "param_free_norm.running_var",
    "norm.num_batches_tracked": "param_free_norm.num_batches_tracked",
    **{
        f"{ours}.{kind}": f"Spade.{theirs}.{kind}"
        for ours, theirs in (
            ("shared", "mlp_shared.0"),
            ("gamma", "mlp_gamma"),
            ("beta", "mlp_beta"),
        )
        for kind in ("weight", "bias")
    },
}
_BLENDS = {"gamma_blend": "blending_gamma", "beta_blend": "blending_beta"}
_ENCODER = {"convs.0": 1, "convs.1": 4, "convs.2": 7, "convs.3": 10, "out": 14}


@converter("sean", fingerprint=("Zencoder.model.1.weight", "head_0.ace_0.blending_gamma"))
def convert_sean(checkpoint: Checkpoint) -> Parts:
    """Convert the network for images of 256 px, the size that SEAN publishes.

    The file does not tell the size; the noise, which SEAN draws at every call, is drawn once.
    """
    state = checkpoint.state(containers=("state_dict",), prefixes=("module.",))
    state.ignore("*.Spade.param_free_norm.*", why="statistics that SEAN never reads")
    state.ignore("up_3.*.blending_*", why="the last block has no styles to blend in")
    num_regions = state.shape("fc.weight")[1]
    table: dict[str, Rename] = {
        f"decoder.{ours}.{kind}": f"{theirs}.{kind}"
        for ours, theirs in (("stem", "fc"), ("to_rgb", "conv_img"))
        for kind in ("weight", "bias")
    }
    for index, block in enumerate(_BLOCKS):
        table |= _block(state, f"decoder.blocks.{index}", block)
    tensors = state.rename(table)
    for index, block in enumerate(_BLOCKS[:-1]):
        for ours, theirs in _NORMS.items():
            if f"{block}.{theirs}.fc_mu0.weight" in state:
                place = f"decoder.blocks.{index}.{ours}"
                tensors |= _styles(state, place, f"{block}.{theirs}", num_regions)
    generator = dict(
        type=SEANGenerator,
        size=256,
        num_regions=num_regions,
        style_dim=state.shape("head_0.ace_0.fc_mu0.weight")[0],
        width=state.shape("conv_img.weight")[1],
        hidden=state.shape("head_0.ace_0.Spade.mlp_shared.0.bias")[0],
    )
    tensors |= _noise(tensors)
    checkpoint.note("SEAN draws new noise at every call: drawn once with seed 0")
    style_dim = generator["style_dim"]
    encoder = dict(
        type=SEANRegionEncoder,
        num_regions=num_regions,
        style_dim=style_dim,
        width=state.shape("Zencoder.model.1.weight")[0],
    )
    names: dict[str, Rename] = {
        f"{ours}.{kind}": f"Zencoder.model.{number}.{kind}"
        for ours, number in _ENCODER.items()
        for kind in ("weight", "bias")
    }
    zeros = {"latent_average": torch.zeros(1, style_dim)}
    return {"encoder": (encoder, state.rename(names) | zeros), "generator": (generator, tensors)}


def _block(state: ForeignState, ours: str, theirs: str) -> dict[str, Rename]:
    widens = f"{theirs}.conv_s.weight_orig" in state
    table: dict[str, Rename] = {}
    for conv, their_conv in _CONVS.items():
        for mine, other in _SPECTRAL.items():
            if conv == "conv_skip" and (mine == "bias" or not widens):
                continue
            table[f"{ours}.{conv}.{mine}"] = f"{theirs}.{their_conv}.{other}"
    for norm, their_norm in _NORMS.items():
        if norm == "norm_skip" and not widens:
            continue
        for mine, other in _NORM.items():
            table[f"{ours}.{norm}.{mine}"] = f"{theirs}.{their_norm}.{other}"
    return table


def _styles(state: ForeignState, ours: str, theirs: str, num_regions: int) -> dict[str, Tensor]:
    table: dict[str, Rename] = {
        f"{ours}.style.{mine}.{kind}": f"{theirs}.{other}.{kind}"
        for mine, other in (("gamma", "conv_gamma"), ("beta", "conv_beta"))
        for kind in ("weight", "bias")
    }
    table |= {f"{ours}.{mine}": f"{theirs}.{other}" for mine, other in _BLENDS.items()}
    tensors = state.rename(table)
    for kind in ("weight", "bias"):
        names = [f"{theirs}.fc_mu{region}.{kind}" for region in range(num_regions)]
        found = state.rename({name: name for name in names})
        tensors[f"{ours}.style.{kind}"] = torch.stack([found[name] for name in names])
    return tensors


def _noise(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    noise = {}
    for index, side in enumerate((8, 16, 16, 32, 64, 128, 256)):
        for norm in _NORMS:
            place = f"decoder.blocks.{index}.{norm}"
            if f"{place}.noise_strength" in tensors:
                noise[f"{place}.noise"] = torch.randn(1, 1, side, side, generator=random)
    return noise
