"""The evaluation SyncNet (``syncnet_v2.model``): a flat file, older than some of PyTorch's keys."""

from __future__ import annotations

from segkit.weights.checkpoint import Checkpoint, ForeignState, Rename
from segkit.weights.kinds import Parts, converter
from segkit_models.experts.evaluation_syncnet import EvaluationSyncNet

_CONVOLUTIONS = (0, 4, 8, 11, 14, 18)
"""Where they stand in the published branches; a batch norm follows each."""

# Ours counts pools as layers too.
_FRAME_PLACES = (0, 2, 4, 5, 6, 8)
_AUDIO_PLACES = (0, 1, 3, 4, 5, 7)
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@converter(
    "syncnet_v2",
    fingerprint=("netcnnaud.0.weight", "netcnnlip.0.weight", "netfclip.0.weight"),
)
def convert_syncnet_v2(checkpoint: Checkpoint) -> Parts:
    """Rename both branches; the shapes tell the widths."""
    state: ForeignState = checkpoint.state(
        containers=("state_dict",), prefixes=("module.", "__S__.")
    )
    table: dict[str, Rename] = {}
    for ours, theirs, places in (
        ("frame", "lip", _FRAME_PLACES), ("audio", "aud", _AUDIO_PLACES),
    ):  # fmt: skip
        for place, number in zip(places, _CONVOLUTIONS, strict=True):
            inner = f"{ours}_layers.{place}"
            table |= _layer(f"{inner}.0", f"netcnn{theirs}.{number}")
            table |= _norm(f"{inner}.1", f"netcnn{theirs}.{number + 1}")
        table |= _layer(f"{ours}_head.0", f"netfc{theirs}.0")
        table |= _norm(f"{ours}_head.1", f"netfc{theirs}.1")
        table |= _layer(f"{ours}_head.3", f"netfc{theirs}.3")
    for place, number in zip(_FRAME_PLACES[1:], _CONVOLUTIONS[1:], strict=True):
        # After the first layer there is one frame left: kernels over time have length 1.
        table[f"frame_layers.{place}.0.weight"] = (
            f"netcnnlip.{number}.weight",
            lambda weight: weight[:, :, 0] if weight.ndim == 5 else weight,
        )
    widths = {
        name: tuple(state.shape(f"{branch}.{number}.weight")[0] for number in _CONVOLUTIONS)
        for name, branch in (("frame_widths", "netcnnlip"), ("audio_widths", "netcnnaud"))
    }
    config = dict(type=EvaluationSyncNet, **widths, dim=state.shape("netfclip.3.weight")[0])
    return {"syncnet_v2": (config, state.rename(table))}


def _layer(ours: str, theirs: str) -> dict[str, Rename]:
    return {f"{ours}.{leaf}": f"{theirs}.{leaf}" for leaf in ("weight", "bias")}


def _norm(ours: str, theirs: str) -> dict[str, Rename]:
    return {f"{ours}.{leaf}": f"{theirs}.{leaf}" for leaf in _NORM}
