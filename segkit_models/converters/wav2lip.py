"""Wav2Lip's generator and its SyncNet, as the authors publish them; their names are ours."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from segkit.weights.checkpoint import Checkpoint, ForeignState
from segkit.weights.kinds import Part, Parts, converter
from segkit_models.baselines.wav2lip import Wav2Lip, Wav2LipSyncNet


@converter(
    "wav2lip",
    fingerprint=(
        "face_encoder_blocks.0.0.conv_block.0.weight",
        "face_decoder_blocks.0.0.conv_block.0.weight",
        "output_block.1.weight",
    ),
)
def convert_wav2lip(checkpoint: Checkpoint) -> Parts:
    """Convert the generator (``wav2lip.pth``, ``wav2lip_gan.pth``), or one that we trained.

    The number of decoder blocks tells the size, the speech embedding the width.
    """
    state = checkpoint.state(containers=("state_dict",), prefixes=("module.", "generator."))
    state.ignore(
        "sync_expert.*", "iteration", "has_joined", "sync_level", why="of our own training"
    )
    vector = state.shape("face_decoder_blocks.0.0.conv_block.0.weight")[0]
    size = 96 << max(0, len(_numbers(state, "face_decoder_blocks.")) - 7)
    return {"wav2lip": _part(state, Wav2Lip, {"size": size, "width": vector / 512})}


@converter(
    "wav2lip_syncnet",
    fingerprint=(
        "face_encoder.0.conv_block.0.weight",
        "face_encoder.16.conv_block.0.weight",
        "audio_encoder.13.conv_block.0.weight",
    ),
)
def convert_wav2lip_syncnet(checkpoint: Checkpoint) -> Parts:
    """Convert the expert (``lipsync_expert.pth``), or one that we trained.

    The last kernels and the number of layers tell the size, the first kernels the frames.
    """
    state = checkpoint.state(containers=("state_dict",), prefixes=("module.", "syncnet."))
    planes = state.shape("face_encoder.0.conv_block.0.weight")[1]
    layers = _numbers(state, "face_encoder.")
    closing = state.shape(f"face_encoder.{max(layers) - 1}.conv_block.0.weight")
    config = {
        # Three halvings, then as many as there are layers more than 16.
        "size": 16 * closing[-1] << max(0, len(layers) - 16),
        "num_frames": planes // 3,
        "width": closing[0] / 512,
    }
    return {"wav2lip_syncnet": _part(state, Wav2LipSyncNet, config)}


def _part(state: ForeignState, kind: type[nn.Module], config: dict[str, Any]) -> Part:
    with torch.device("meta"):
        names = list(kind(**config).state_dict())
    return {"type": kind, **config}, state.rename({name: name for name in names})


def _numbers(state: ForeignState, prefix: str) -> set[int]:
    names = state.keys()
    return {int(key.split(".")[1]) for key in names if key.startswith(prefix)}
