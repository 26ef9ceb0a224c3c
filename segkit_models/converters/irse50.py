"""ArcFace's IR-SE-50 of InsightFace_Pytorch (``model_ir_se50.pth``)."""

from __future__ import annotations

import itertools
import math
from typing import Any

from segkit.weights.checkpoint import Checkpoint, ConversionError, ForeignState
from segkit.weights.kinds import Parts, converter
from segkit_models.experts.arcface import IRSE50

_NORM_KEYS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_UNIT = {
    "conv1.weight": "res_layer.1.weight",
    "act.weight": "res_layer.2.weight",
    "conv2.weight": "res_layer.3.weight",
    "gate.squeeze.weight": "res_layer.5.fc1.weight",
    "gate.excite.weight": "res_layer.5.fc2.weight",
}


@converter("irse50", fingerprint=("output_layer.3.weight", "body.0.res_layer.5.fc1.weight"))
def convert_irse50(checkpoint: Checkpoint) -> Parts:
    """Rename the weights.

    Args:
        checkpoint: flat, with or without the ``module.`` of parallel training.
    """
    state = checkpoint.state(containers=("state_dict",), prefixes=("module.",))
    arguments, table = face_backbone(state)
    dim, flat = state.shape("output_layer.3.weight")
    side = math.isqrt(flat // arguments["width"][4])
    table |= norm("embed.0", "output_layer.0") | norm("embed.4", "output_layer.4")
    table |= {f"embed.3.{key}": f"output_layer.3.{key}" for key in ("weight", "bias")}
    config = dict(type=IRSE50, **arguments, dim=dim, input_size=16 * side)
    return {"irse50": (config, state.rename(table))}


def face_backbone(state: ForeignState) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the arguments of a backbone (``width``, ``units``) and the names of its weights.

    Args:
        state: has ``input_layer`` and ``body``, as ArcFace's and pSp's networks do.
    """
    width, units = _stages(state)
    table = {f"stem.{key}.weight": f"input_layer.{key}.weight" for key in (0, 2)}
    table |= norm("stem.1", "input_layer.1")
    theirs = (f"body.{index}" for index in range(sum(units)))
    for stage, count in enumerate(units):
        for unit in range(count):
            ours, body = f"stages.{stage}.{unit}", next(theirs)
            table |= {f"{ours}.{key}": f"{body}.{name}" for key, name in _UNIT.items()}
            table |= norm(f"{ours}.norm1", f"{body}.res_layer.0")
            table |= norm(f"{ours}.norm2", f"{body}.res_layer.4")
            if f"{body}.shortcut_layer.0.weight" in state:
                table[f"{ours}.shortcut.0.weight"] = f"{body}.shortcut_layer.0.weight"
                table |= norm(f"{ours}.shortcut.1", f"{body}.shortcut_layer.1")
    stem = state.shape("input_layer.0.weight")[0]
    return dict(width=(stem, *width), units=units), table


def _stages(state: ForeignState) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the channels and the number of units of each stage."""
    outs = [state.shape("body.0.res_layer.1.weight")[0]]
    while f"body.{len(outs)}.res_layer.1.weight" in state:
        outs.append(state.shape(f"body.{len(outs)}.res_layer.1.weight")[0])
    runs = [(channels, len(list(group))) for channels, group in itertools.groupby(outs)]
    if len(runs) != 4:
        raise ConversionError(
            f"{state.kind}: expected four stages of different widths, got units of {outs} channels"
        )
    width, units = zip(*runs, strict=True)
    return width, units


def norm(ours: str, theirs: str) -> dict[str, str]:
    """Return the names of what a batch norm keeps."""
    return {f"{ours}.{key}": f"{theirs}.{key}" for key in _NORM_KEYS}
