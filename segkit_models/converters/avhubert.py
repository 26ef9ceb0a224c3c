"""AV-HuBERT: the audio path of pre-trained, fine-tuned and TalkLip's checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from segkit.weights.checkpoint import Checkpoint, ForeignState, Rename
from segkit.weights.kinds import Parts, converter
from segkit_models.audio_encoders.av_hubert import AVHubert

_CONTAINERS = ("model", "state_dict")
_MARK = "feature_extractor_audio.proj.weight"
"""Stands at the root of the network; what is before it is the prefix of this checkpoint."""

_HEAD_DIM = 64
_PUBLISHED_DIMS = (768, 1024)
_LAYER = {
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.out_proj",
    "attention_norm": "self_attn_layer_norm",
    "widen": "fc1",
    "narrow": "fc2",
    "ff_norm": "final_layer_norm",
}
_REST = {
    "audio": "feature_extractor_audio.proj",
    "both_norm": "layer_norm",
    "fuse": "post_extract_proj",
    "transformer.norm": "encoder.layer_norm",
}


@converter(
    "avhubert",
    fingerprint=(_MARK, "post_extract_proj.weight", "encoder.pos_conv.0.weight_v"),
)
def convert_avhubert(checkpoint: Checkpoint) -> Parts:
    """Take what hears; the video network, the heads of the pre-training and decoders stay behind.

    The number of attention heads is in no tensor: it comes from the checkpoint's settings where
    they can be read, else it is one per 64 channels, as in both published sizes.
    """
    # Keys that begin with "encoder." are the transformer's own, or all of a fine-tuned network's:
    # only where the audio's first layer stands tells which.
    state: ForeignState = checkpoint.state(
        containers=_CONTAINERS, prefixes=(_prefix(checkpoint.top),)
    )
    _ignore(state)
    dim = state.shape(_MARK)[0]
    _, group_dim, kernel = state.shape("encoder.pos_conv.0.weight_v")
    num_layers = 0
    while f"encoder.layers.{num_layers}.fc1.weight" in state:
        num_layers += 1
    config = dict(
        type=AVHubert,
        dim=dim,
        num_layers=num_layers,
        num_heads=_num_heads(checkpoint, dim),
        ff_dim=state.shape("encoder.layers.0.fc1.weight")[0],
        position_kernel=kernel,
        position_groups=dim // group_dim,
        out_dim=None,
    )
    return {"avhubert": (config, _renamed(state, num_layers))}


def _renamed(state: ForeignState, num_layers: int) -> dict[str, Tensor]:
    names = dict(_REST)
    for number in range(num_layers):
        names |= {
            f"transformer.layers.{number}.{ours}": f"encoder.layers.{number}.{theirs}"
            for ours, theirs in _LAYER.items()
        }
    table: dict[str, Rename] = {
        f"network.{ours}.{leaf}": f"{theirs}.{leaf}"
        for ours, theirs in names.items()
        for leaf in ("weight", "bias")
    }
    table["network.transformer.position.conv.bias"] = "encoder.pos_conv.0.bias"
    length = state.take("encoder.pos_conv.0.weight_g")
    # Weight norm keeps one length per tap of the kernel.
    table["network.transformer.position.conv.weight"] = (
        "encoder.pos_conv.0.weight_v",
        lambda direction: folded(length, direction),
    )
    return state.rename(table)


def folded(length: Tensor, direction: Tensor) -> Tensor:
    """Return the weight ``E G K`` of a length ``1 1 K`` and a direction ``E G K`` per tap."""
    direction = direction.double()
    norm = torch.linalg.vector_norm(direction, dim=(0, 1), keepdim=True)
    return (length.double() * direction / norm).float()


def _prefix(top: Mapping[str, Any]) -> str:
    """Return what the keys of the network begin with in this checkpoint."""
    inner = next((top[name] for name in _CONTAINERS if name in top), top)
    keys = inner if isinstance(inner, Mapping) else {}
    found = [str(key)[: -len(_MARK)] for key in keys if str(key).endswith(_MARK)]
    return min(found, key=len, default="")


def _ignore(state: ForeignState) -> None:
    state.ignore("feature_extractor_video.*", why="the video network")
    state.ignore("mask_emb", "label_embs_concat", "final_proj.*", why="the pre-training's")
    state.ignore("decoder.*", "encoder.proj.*", "w2v_encoder.proj.*", why="a fine-tuning's")
    # TalkLip: this network is one part of a talking-face generator.
    state.ignore(
        "face_encoder_blocks.*", "face_decoder_blocks.*", "output_block.*", "sync_net.*",
        "audio_map.*", "audio_encoder.proj.*", why="the generator around it",
    )  # fmt: skip


def _num_heads(checkpoint: Checkpoint, dim: int) -> int:
    for name in ("cfg", "args"):
        settings = checkpoint.top.get(name)
        found = _find(settings, "encoder_attention_heads")
        if isinstance(found, int):
            return found
    num_heads = max(1, dim // _HEAD_DIM)
    if dim not in _PUBLISHED_DIMS:
        checkpoint.note(
            f"the number of attention heads cannot be read from this file; taken as {num_heads}, "
            f"one per {_HEAD_DIM} channels"
        )
    return num_heads


def _find(settings: Any, key: str) -> Any:
    """Return a value from nested settings."""
    if not isinstance(settings, Mapping):
        return None
    if key in settings:
        return settings[key]
    for inner in settings.values():
        found = _find(inner, key)
        if found is not None:
            return found
    return None
