"""Configs of a bundle's parts: plain data by registered names, without training's arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from segkit.registry import Registry


class BundleError(ValueError):
    """A file that is no bundle, or one that does not fit its own description."""


def without_training(registry: Registry, config: Any) -> Any:
    """Leave out of a component's config, and of those inside it, what only training needs.

    That is ``weights``, a file that is read at the start of a training, and what a class names in
    ``only_training``. Values that suit one kind of machine give way to those that a class names in
    ``anywhere``.
    """
    if isinstance(config, (list, tuple)):
        return [without_training(registry, item) for item in config]
    if not isinstance(config, Mapping):
        return config
    kind = config.get("type")
    cls = registry.get(kind) if isinstance(kind, str) else kind
    dropped = {"weights", *getattr(cls, "only_training", ())} if kind is not None else set()
    anywhere = getattr(cls, "anywhere", {})
    return {
        key: anywhere[key].get(value, value)
        if key in anywhere
        else without_training(registry, value)
        for key, value in config.items()
        if key not in dropped
    }


def plain_config(registry: Registry, config: Mapping[str, Any]) -> dict[str, Any]:
    """Replace classes by their registered names and check that JSON gives back the rest."""
    plain = _with_names(registry, config)
    try:
        return json.loads(json.dumps(plain))
    except TypeError as error:
        raise BundleError(
            f"{registry.family}: the arguments of {plain['type']} are not plain data: {error}"
        ) from error


def _with_names(registry: Registry, config: Any) -> Any:
    """Name the class of a component, and of the components among its arguments."""
    if isinstance(config, (list, tuple)):
        return [_with_names(registry, item) for item in config]
    if not isinstance(config, Mapping):
        return config
    plain = {key: _with_names(registry, value) for key, value in config.items()}
    kind = plain.get("type")
    if isinstance(kind, type):
        plain["type"] = kind.__name__
        if registry.get(kind.__name__) is not kind:
            raise BundleError(
                f"{registry.family}: {kind} is not registered; a bundle names its parts, so "
                "register it"
            )
    return plain
