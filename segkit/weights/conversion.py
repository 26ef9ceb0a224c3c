"""Turn published checkpoints into our components; each kind is a file elsewhere."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from segkit.weights.checkpoint import Checkpoint, ConversionError
from segkit.weights.fitting import misfits
from segkit.weights.kinds import CONVERTERS, Part, Parts, kinds

logger = logging.getLogger("segkit.weights")


class Conversion(dict[str, Part]):
    """Part -> (component config, state dict), and what else there is to say.

    Attributes:
        kind: of the checkpoint.
        ignored: keys of the checkpoint that no part uses, known ones first.
        unknown: those of ``ignored`` that the kind does not know.
        notes: sentences for the user.
        extras: tensors that belong to no part, such as StyleGAN2's ``latent_average``.
    """

    def __init__(self, kind: str, parts: Parts) -> None:
        super().__init__(parts)
        self.kind = kind
        self.ignored: list[str] = []
        self.unknown: list[str] = []
        self.notes: list[str] = []
        self.extras: dict[str, Tensor] = {}


def convert_state_dict(kind: str, state: Mapping[str, Any]) -> Conversion:
    """Convert a published checkpoint into components of ours.

    Building a part's config (its ``type`` is the class) and loading its state strictly gives a
    ready module.

    Args:
        kind: one of `kinds`.
        state: the file's top-level dict, or a flat state dict; tensors or numpy arrays.

    Returns:
        Part -> (component config, state dict) with floats in float32.

    Raises:
        KeyError: unknown kind; the message lists the known ones and the closest.
        ConversionError: another kind of file, missing keys, or shapes that no such network has.

    Example:
        >>> from segkit.weights import convert_state_dict
        >>> convert_state_dict("bisenet", {})
        Traceback (most recent call last):
        ...
        segkit.weights.checkpoint.ConversionError: bisenet: not such a checkpoint: ...
    """
    known = kinds()
    if kind not in known:
        close = difflib.get_close_matches(kind, known, n=2)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise KeyError(f"no kind of checkpoint {kind!r}.{hint} Known: {', '.join(known)}")
    if not isinstance(state, Mapping):
        raise ConversionError(f"{kind}: expected a dict of tensors, got {type(state).__name__}")
    checkpoint = Checkpoint(kind, state)
    conversion = Conversion(kind, CONVERTERS[kind].convert(checkpoint))
    for name, (config, tensors) in conversion.items():
        conversion[name] = (config, _in_float32(tensors, checkpoint))
        check_fits(f"{kind}: {name}", config, conversion[name][1])
    for foreign in checkpoint.states:
        expected, unknown = foreign.leftovers()
        conversion.ignored += expected
        conversion.unknown += unknown
    conversion.ignored += conversion.unknown
    conversion.notes = checkpoint.notes
    conversion.extras = {key: tensor.float() for key, tensor in checkpoint.extras.items()}
    if conversion.unknown:
        logger.warning(
            "%s: %d keys are unknown and left out: %s",
            kind, len(conversion.unknown), ", ".join(conversion.unknown),
        )  # fmt: skip
    return conversion


def check_fits(name: str, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Compare a state dict with the component it was made for, without allocating it.

    Raises:
        ConversionError: naming the keys that differ, with the wanted and the given shapes.
    """
    arguments = dict(config)
    kind = arguments.pop("type")
    with torch.device("meta"):
        wanted = kind(**arguments).state_dict()
    problems = misfits(wanted, state)
    if problems:
        more = f"\n  ... and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ConversionError(
            f"{name}: {len(problems)} tensors do not fit {kind.__name__}; the checkpoint is of "
            "another resolution or version than any that segkit knows\n  "
            + "\n  ".join(problems[:5])
            + more
        )


def _in_float32(tensors: Mapping[str, Tensor], checkpoint: Checkpoint) -> dict[str, Tensor]:
    wide = {}
    found = set()
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            found.add(str(tensor.dtype).removeprefix("torch."))
            tensor = tensor.float()
        wide[key] = tensor.detach().contiguous()
    if found:
        checkpoint.note(f"weights stored as {', '.join(sorted(found))} became float32")
    return wide
