"""Compare weights with what a component wants, key for key and shape for shape."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def misfits(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """Return a sentence for each key that is missing, unknown, or of another shape.

    Args:
        wanted: state dict of the component.
        given: state dict to load.

    Example:
        >>> import torch
        >>> misfits({"a": torch.zeros(2)}, {"a": torch.zeros(3), "b": torch.zeros(1)})
        ['a: expected (2,), got (3,)', 'b: expected nothing, got (1,)']
    """
    shapes = [{key: tuple(v.shape) for key, v in state.items()} for state in (wanted, given)]
    return [
        f"{key}: expected {shapes[0].get(key, 'nothing')}, got {shapes[1].get(key, 'nothing')}"
        for key in sorted(wanted.keys() | given.keys())
        if shapes[0].get(key) != shapes[1].get(key)
    ]
