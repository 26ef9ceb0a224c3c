"""Turn a training state into data that ``torch.load(weights_only=True)`` accepts, and back."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

KEPT_HISTORY = 1000
"""Values of each logged scalar that a checkpoint keeps; the log windows look back far less."""

_HISTORY = "__history__"


def to_plain(value: Any) -> Any:
    """Replace all that a safe unpickler refuses: numpy values, paths, mmengine's log histories.

    Args:
        value: any nesting of dicts, lists and tuples around tensors, numbers, strings and the types
            above.

    Returns:
        The same nesting of dicts, lists, tuples, tensors, numbers, strings and None.

    Raises:
        TypeError: a value that has no plain form.
    """
    from mmengine.logging import HistoryBuffer

    if isinstance(value, HistoryBuffer):
        values, counts = value.data
        kept = [
            torch.from_numpy(np.asarray(part, dtype=np.float64)[-KEPT_HISTORY:].copy())
            for part in (values, counts)
        ]
        return {_HISTORY: kept, "max_length": value.max_length}
    if isinstance(value, dict):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [to_plain(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return _plain_leaf(value)


def _plain_leaf(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(
        value, (bool, int, float, complex, str, bytes, torch.Tensor, torch.dtype, torch.device)
    ):
        return value
    raise TypeError(f"a checkpoint holds plain data only; {type(value).__name__} has no plain form")


def from_plain(value: Any) -> Any:
    """Undo :func:`to_plain` for log histories; everything else stays plain."""
    from mmengine.logging import HistoryBuffer

    if isinstance(value, dict) and _HISTORY in value:
        values, counts = (part.numpy() for part in value[_HISTORY])
        return HistoryBuffer(values, counts, value["max_length"])
    if isinstance(value, dict):
        return {key: from_plain(item) for key, item in value.items()}
    return value


def random_state() -> dict[str, Any]:
    """Return the state of torch's, numpy's and Python's generators as plain data."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": (
            kind,
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            position,
            has_gauss,
            gauss,
        ),
        "python": random.getstate(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Put every generator back to where :func:`random_state` saw it."""
    torch.set_rng_state(state["torch"].cpu())
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss))
    version, words, gauss_next = state["python"]
    random.setstate((version, tuple(words), gauss_next))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
