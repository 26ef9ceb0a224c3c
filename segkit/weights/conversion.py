"""Turn published checkpoints into our components: the machinery; each kind is a file elsewhere."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import logging
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

Part = tuple[dict[str, Any], dict[str, Tensor]]
"""Component config (``dict(type=Class, **arguments)``) and the state dict that fits it exactly."""

Parts = dict[str, Part]
Rename = str | tuple[str, Callable[[Tensor], Tensor]]
"""Where a tensor of ours comes from: a foreign key, or that and what to do with the tensor."""

_LOCATIONS = ("segkit_models.converters", "segkit_metrics.converters")
"""Packages that register the converters; imported at the first use."""

logger = logging.getLogger("segkit.weights")


class ConversionError(ValueError):
    """A checkpoint that is not what was said, or not whole."""


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


@dataclass(frozen=True)
class Converter:
    """How one kind of checkpoint is converted.

    Attributes:
        kind: its name.
        convert: the function.
        fingerprint: endings of keys that only this kind has.
    """

    kind: str
    convert: Callable[[Checkpoint], Parts]
    fingerprint: tuple[str, ...]


_CONVERTERS: dict[str, Converter] = {}


def converter(
    kind: str, *, fingerprint: tuple[str, ...]
) -> Callable[[Callable[[Checkpoint], Parts]], Callable[[Checkpoint], Parts]]:
    """Register a function that turns a `Checkpoint` into parts; use as a decorator.

    Args:
        kind: name on the command line.
        fingerprint: a few keys, without prefixes, that tell this kind from all others.
    """

    def register(convert: Callable[[Checkpoint], Parts]) -> Callable[[Checkpoint], Parts]:
        _CONVERTERS[kind] = Converter(kind, convert, fingerprint)
        return convert

    return register


def kinds() -> list[str]:
    """Return the names of all kinds of checkpoint that can be converted, sorted."""
    for location in _LOCATIONS:
        for found in pkgutil.iter_modules(importlib.import_module(location).__path__):
            importlib.import_module(f"{location}.{found.name}")
    return sorted(_CONVERTERS)


class ForeignState:
    """The tensors of a checkpoint under their own names, and which of them were used.

    Args:
        kind: for messages.
        tensors: name -> tensor, prefixes stripped.
        fingerprint: keys that a checkpoint of this kind has.
        top: the file's top-level dict, for messages.
    """

    def __init__(
        self,
        kind: str,
        tensors: Mapping[str, Tensor],
        *,
        fingerprint: tuple[str, ...] = (),
        top: Mapping[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        self._tensors = dict(tensors)
        self._fingerprint = fingerprint
        self._top = top or {}
        self._taken: set[str] = set()
        self._ignored: dict[str, str] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._tensors

    def keys(self) -> list[str]:
        """Return every name."""
        return list(self._tensors)

    def take(self, key: str) -> Tensor:
        """Return a tensor and count it as used.

        Raises:
            ConversionError: it is not there.
        """
        if key not in self._tensors:
            raise self._missing([key])
        self._taken.add(key)
        return self._tensors[key]

    def shape(self, key: str) -> tuple[int, ...]:
        """Return a tensor's shape without counting it as used.

        Raises:
            ConversionError: it is not there.
        """
        if key not in self._tensors:
            raise self._missing([key])
        return tuple(self._tensors[key].shape)

    def ignore(self, *patterns: str, why: str) -> None:
        """Count the names that match (``fnmatch``) as known and not needed."""
        for key in self._tensors:
            if any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns):
                self._ignored.setdefault(key, why)

    def rename(self, table: Mapping[str, Rename]) -> dict[str, Tensor]:
        """Return the tensors under our names.

        Args:
            table: our key -> foreign key, or (foreign key, transform).

        Raises:
            ConversionError: naming the keys that are missing. A missing ``num_batches_tracked``
                (old files) is 0.
        """
        sources = {ours: (s, None) if isinstance(s, str) else s for ours, s in table.items()}
        missing = [
            key
            for key, _ in sources.values()
            if key not in self._tensors and not key.endswith("num_batches_tracked")
        ]
        if missing:
            raise self._missing(missing, wanted=len(sources))
        renamed = {}
        for ours, (key, transform) in sources.items():
            if key not in self._tensors:
                renamed[ours] = torch.zeros((), dtype=torch.long)
                continue
            tensor = self.take(key)
            renamed[ours] = tensor if transform is None else transform(tensor)
        return renamed

    def leftovers(self) -> tuple[list[str], list[str]]:
        """Return the unused names: those that `ignore` knew, and the others."""
        unused = [key for key in self._tensors if key not in self._taken]
        return (
            [key for key in unused if key in self._ignored],
            [key for key in unused if key not in self._ignored],
        )

    def _missing(self, keys: Sequence[str], *, wanted: int = 0) -> ConversionError:
        found = f"{len(self._tensors)} tensors such as {', '.join(list(self._tensors)[:3])}"
        if not self._tensors:
            inside = [str(key) for key in self._top]
            found = f"no tensors, but {', '.join(inside[:5])}" if inside else "no tensors"
        nested = [key for part in self._top.values() if isinstance(part, Mapping) for key in part]
        guess = _guess([*self._tensors, *map(str, nested)])
        if guess and guess != self.kind and not self._looks_right():
            return ConversionError(
                f"{self.kind}: this is a {guess!r} checkpoint ({found}); "
                f"use `segkit convert {guess}`"
            )
        if not self._looks_right():
            return ConversionError(
                f"{self.kind}: not such a checkpoint: expected keys such as "
                f"{', '.join(self._fingerprint) or keys[0]}, got {found}; known kinds: "
                f"{', '.join(sorted(_CONVERTERS))}"
            )
        some = ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
        of = f" of {wanted}" if wanted else ""
        return ConversionError(
            f"{self.kind}: {len(keys)}{of} keys are missing: {some}; "
            f"got {found}; the file is incomplete or of another version, fetch it again"
        )

    def _looks_right(self) -> bool:
        return any(key in self._tensors for key in self._fingerprint)


class Checkpoint:
    """What a converter works on.

    Args:
        kind: for messages.
        top: the file's top-level dict, or a flat state dict.
    """

    def __init__(self, kind: str, top: Mapping[str, Any]) -> None:
        self.kind = kind
        self.top = top
        self.notes: list[str] = []
        self.extras: dict[str, Tensor] = {}
        self.states: list[ForeignState] = []

    def state(
        self,
        *,
        containers: Sequence[str] = (),
        prefixes: Sequence[str] = (),
        required: bool = True,
    ) -> Any:
        """Return the flat tensors of the first container that is there.

        Args:
            containers: names under which the state dict may lie; without any of them the top level
                is taken for it.
            prefixes: stripped from the keys that begin with them, in this order.
            required: False returns None where no container is there, instead of the top level.

        Returns:
            A `ForeignState`, or None.
        """
        inner = next((self.top[name] for name in containers if name in self.top), None)
        if inner is None and not required:
            return None
        source = self.top if inner is None else inner
        if not isinstance(source, Mapping):
            raise ConversionError(
                f"{self.kind}: expected a dict of tensors, got {type(source).__name__}"
            )
        return self._track({_strip(str(key), prefixes): item for key, item in source.items()})

    def flatten(self) -> ForeignState:
        """Return the tensors of nested containers, their keys joined by ``/``."""
        return self._track(_flattened(self.top))

    def note(self, sentence: str) -> None:
        """Tell the user something."""
        self.notes.append(sentence)

    def extra(self, name: str, tensor: Tensor) -> None:
        """Keep a tensor that belongs to no part."""
        self.extras[name] = tensor

    def _track(self, items: Mapping[str, Any]) -> ForeignState:
        tensors = {
            key: torch.as_tensor(value)
            for key, value in items.items()
            if isinstance(value, (Tensor, np.ndarray))
        }
        fingerprint = _CONVERTERS[self.kind].fingerprint if self.kind in _CONVERTERS else ()
        state = ForeignState(self.kind, tensors, fingerprint=fingerprint, top=self.top)
        self.states.append(state)
        return state


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
        segkit.weights.conversion.ConversionError: bisenet: not such a checkpoint: ...
    """
    known = kinds()
    if kind not in known:
        close = difflib.get_close_matches(kind, known, n=2)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise KeyError(f"no kind of checkpoint {kind!r}.{hint} Known: {', '.join(known)}")
    if not isinstance(state, Mapping):
        raise ConversionError(f"{kind}: expected a dict of tensors, got {type(state).__name__}")
    checkpoint = Checkpoint(kind, state)
    conversion = Conversion(kind, _CONVERTERS[kind].convert(checkpoint))
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
        wanted = {key: tuple(v.shape) for key, v in kind(**arguments).state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    problems = [
        f"{key}: expected {wanted.get(key, 'nothing')}, got {given.get(key, 'nothing')}"
        for key in sorted(wanted.keys() | given.keys())
        if wanted.get(key) != given.get(key)
    ]
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


def _strip(key: str, prefixes: Sequence[str]) -> str:
    for prefix in prefixes:
        key = key.removeprefix(prefix)
    return key


def _flattened(node: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        name = f"{path}/{key}" if path else str(key)
        if isinstance(value, Mapping):
            flat |= _flattened(value, name)
        else:
            flat[name] = value
    return flat


def _guess(keys: Sequence[str]) -> str | None:
    """Return the kind whose fingerprint the keys bear, with the fewest prefixes before it."""
    # A key counts less with each prefix taken off: StyleGAN2's names stand inside E4S' too.
    worth: dict[str, float] = {}
    for key in keys:
        for value in (1.0, 0.9, 0.8):
            worth[key] = max(worth.get(key, 0.0), value)
            key = key.partition(".")[2]
    scores = {
        kind: sum(worth.get(key, 0.0) for key in entry.fingerprint) / len(entry.fingerprint)
        for kind, entry in _CONVERTERS.items()
    }
    best = max(scores, key=lambda kind: scores[kind], default=None)
    return best if best is not None and scores[best] > 0.5 else None
