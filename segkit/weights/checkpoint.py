"""A foreign checkpoint: its tensors under their own names, and which of them were used."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.weights.kinds import CONVERTERS, guess

Rename = str | tuple[str, Callable[[Tensor], Tensor]]
"""Where a tensor of ours comes from: a foreign key, or that and what to do with the tensor."""


class ConversionError(ValueError):
    """A checkpoint that is not what was said, or not whole."""


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
        similar = guess([*self._tensors, *map(str, nested)])
        if similar and similar != self.kind and not self._looks_right():
            return ConversionError(
                f"{self.kind}: this is a {similar!r} checkpoint ({found}); "
                f"use `segkit convert {similar}`"
            )
        if not self._looks_right():
            return ConversionError(
                f"{self.kind}: not such a checkpoint: expected keys such as "
                f"{', '.join(self._fingerprint) or keys[0]}, got {found}; known kinds: "
                f"{', '.join(sorted(CONVERTERS))}"
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
        fingerprint = CONVERTERS[self.kind].fingerprint if self.kind in CONVERTERS else ()
        state = ForeignState(self.kind, tensors, fingerprint=fingerprint, top=self.top)
        self.states.append(state)
        return state


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
