"""One small registry per component family, with one build rule for all of them."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Registry:
    """Map component names of one family to their classes, importing the family on first use.

    Args:
        family: plural field word shown in error messages, such as ``"audio encoders"``.
        locations: modules that register the family's own components; imported at the first look-up
            by name.
    """

    def __init__(self, family: str, *, locations: tuple[str, ...]) -> None:
        self.family = family
        self._locations = locations
        self._classes: dict[str, type] = {}
        self._imported = False

    def register(self, cls: type[T]) -> type[T]:
        """Add a class under its own name; use as a decorator.

        Raises:
            KeyError: another class of that name is registered already.
        """
        name = cls.__name__
        if self._classes.get(name, cls) is not cls:
            raise KeyError(
                f"{self.family}: {name!r} is already registered by {self._classes[name].__module__}"
            )
        self._classes[name] = cls
        return cls

    def names(self) -> list[str]:
        """Return every registered name, sorted."""
        self._import_locations()
        return sorted(self._classes)

    def get(self, name: str) -> type:
        """Return the class registered under ``name``.

        Raises:
            KeyError: unknown name; the message lists the known ones and the closest matches.
        """
        self._import_locations()
        if name in self._classes:
            return self._classes[name]
        close = difflib.get_close_matches(name, self._classes, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
        raise KeyError(
            f"{self.family}: no component named {name!r}.{hint} "
            f"Known: {', '.join(sorted(self._classes)) or 'none'}. "
            "A class of your own needs no registration: give the class itself as `type`."
        )

    def build(self, component: Any) -> Any:
        """Turn a config dict into an object; anything already built passes through.

        Args:
            component: ``dict(type=NameOrClass, **arguments)``, or a built object.

        Raises:
            KeyError: the dict has no ``type``, or its name is unknown.
            TypeError: the constructor refuses the arguments; the message names the component.
        """
        if not isinstance(component, dict):
            return component
        arguments = dict(component)
        if "type" not in arguments:
            raise KeyError(f"{self.family}: expected dict(type=...), got keys {sorted(arguments)}")
        kind = arguments.pop("type")
        constructor: Callable[..., Any] = self.get(kind) if isinstance(kind, str) else kind
        try:
            return constructor(**arguments)
        except TypeError as error:
            raise TypeError(
                f"{self.family}: {getattr(constructor, '__name__', constructor)}: {error}"
            ) from error

    def _import_locations(self) -> None:
        if not self._imported:
            self._imported = True
            for location in self._locations:
                importlib.import_module(location)


PARSERS = Registry("parsers", locations=("segkit_models.parsers",))
AUDIO_ENCODERS = Registry("audio encoders", locations=("segkit_models.audio_encoders",))
MASK_DECODERS = Registry("mask decoders", locations=("segkit_models.mask_decoders",))
REGION_ENCODERS = Registry("region encoders", locations=("segkit_models.region_encoders",))
GENERATORS = Registry("generators", locations=("segkit_models.generators",))
LOSSES = Registry("losses", locations=("segkit_models.losses",))
METRICS = Registry(
    "metrics",
    locations=(
        "segkit_metrics.fid",
        "segkit_metrics.fvd",
        "segkit_metrics.identity",
        "segkit_metrics.image",
        "segkit_metrics.landmarks",
        "segkit_metrics.masks",
        "segkit_metrics.mouth_motion",
        "segkit_metrics.sync",
        "segkit_metrics.sync_accuracy",
        "segkit_metrics.sync_expert",
        "segkit_metrics.temporal",
    ),
)

FAMILIES: dict[str, Registry] = {
    "parsers": PARSERS,
    "audio_encoders": AUDIO_ENCODERS,
    "mask_decoders": MASK_DECODERS,
    "region_encoders": REGION_ENCODERS,
    "generators": GENERATORS,
    "losses": LOSSES,
    "metrics": METRICS,
}
