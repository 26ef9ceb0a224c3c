"""Experts have no registry: a config names the class itself."""

from __future__ import annotations

from typing import Any

from torch import nn


def build_expert(
    expert: nn.Module | dict[str, Any], *, default: type[nn.Module] | None = None
) -> Any:
    """Turn ``dict(type=Class, **arguments)`` into an object; anything built passes through.

    Args:
        expert: a module or its config.
        default: class of a config that names none.

    Raises:
        KeyError: the dict does not name a class.
    """
    if isinstance(expert, nn.Module):
        return expert
    arguments = dict(expert)
    kind = arguments.pop("type", default)
    if not isinstance(kind, type):
        raise KeyError(f"expert: expected dict(type=Class, ...), got type={kind!r}")
    return kind(**arguments)
