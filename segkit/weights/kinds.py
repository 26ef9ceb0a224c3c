"""Which kinds of published checkpoints there are: a registry of functions that convert them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from segkit.weights.checkpoint import Checkpoint

Part = tuple[dict[str, Any], dict[str, Tensor]]
"""Component config (``dict(type=Class, **arguments)``) and the state dict that fits it exactly."""

Parts = dict[str, Part]
Convert = Callable[["Checkpoint"], Parts]

_LOCATIONS = ("segkit_models.converters", "segkit_metrics.converters")
"""Packages that register the converters; imported at the first use."""


@dataclass(frozen=True)
class Converter:
    """How one kind of checkpoint is converted.

    Attributes:
        kind: its name.
        convert: the function.
        fingerprint: endings of keys that only this kind has.
    """

    kind: str
    convert: Convert
    fingerprint: tuple[str, ...]


CONVERTERS: dict[str, Converter] = {}
"""Kind -> converter."""


def converter(kind: str, *, fingerprint: tuple[str, ...]) -> Callable[[Convert], Convert]:
    """Register a function that turns a `Checkpoint` into parts; use as a decorator.

    Args:
        kind: name on the command line.
        fingerprint: a few keys, without prefixes, that tell this kind from all others.
    """

    def register(convert: Convert) -> Callable[[Checkpoint], Parts]:
        CONVERTERS[kind] = Converter(kind, convert, fingerprint)
        return convert

    return register


def kinds() -> list[str]:
    """Return the names of all kinds of checkpoint that can be converted, sorted."""
    for location in _LOCATIONS:
        for found in pkgutil.iter_modules(importlib.import_module(location).__path__):
            importlib.import_module(f"{location}.{found.name}")
    return sorted(CONVERTERS)


def guess(keys: Sequence[str]) -> str | None:
    """Return the kind whose fingerprint the keys bear, with the fewest prefixes before it."""
    # A key counts less with each prefix taken off: StyleGAN2's names stand inside E4S' too.
    worth: dict[str, float] = {}
    for key in keys:
        for value in (1.0, 0.9, 0.8):
            worth[key] = max(worth.get(key, 0.0), value)
            key = key.partition(".")[2]
    scores = {
        kind: sum(worth.get(key, 0.0) for key in entry.fingerprint) / len(entry.fingerprint)
        for kind, entry in CONVERTERS.items()
    }
    best = max(scores, key=lambda kind: scores[kind], default=None)
    return best if best is not None and scores[best] > 0.5 else None
