"""The U-Net face parser of CelebAMask-HQ (``model.pth``), whose encoder the parsing loss uses."""

from __future__ import annotations

from segkit.weights.checkpoint import Checkpoint, Rename
from segkit.weights.kinds import Parts, converter
from segkit_models.experts.parsing_features import NUM_LEVELS, ParsingFeatures

_NORM_KEYS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@converter("parser_unet", fingerprint=("center.conv1.0.weight", "up_concat4.up.weight"))
def convert_parser_unet(checkpoint: Checkpoint) -> Parts:
    """Rename the weights.

    Args:
        checkpoint: flat, with or without the ``module.`` of parallel training.
    """
    state = checkpoint.state(containers=("state_dict",), prefixes=("module.",))
    levels = [f"conv{level + 1}" for level in range(NUM_LEVELS - 1)] + ["center"]
    table: dict[str, Rename] = {}
    for index, theirs in enumerate(levels):
        table |= _level(f"levels.{index}", theirs)
    for index in range(NUM_LEVELS - 1):
        theirs = f"up_concat{NUM_LEVELS - 1 - index}"
        table |= _level(f"expansions.{index}.convs", f"{theirs}.conv")
        table |= {
            f"expansions.{index}.up.{key}": f"{theirs}.up.{key}" for key in ("weight", "bias")
        }
    table |= {f"head.{key}": f"final.{key}" for key in ("weight", "bias")}
    num_classes, width, *_ = state.shape("final.weight")
    config = dict(type=ParsingFeatures, width=width, num_classes=num_classes)
    return {"parser_unet": (config, state.rename(table))}


def _level(ours: str, theirs: str) -> dict[str, Rename]:
    """Return the names of two convolutions, each with its norm."""
    table: dict[str, Rename] = {}
    for half in (0, 1):
        source = f"{theirs}.conv{half + 1}"
        table |= {f"{ours}.{3 * half}.{key}": f"{source}.0.{key}" for key in ("weight", "bias")}
        table |= {f"{ours}.{3 * half + 1}.{key}": f"{source}.1.{key}" for key in _NORM_KEYS}
    return table
