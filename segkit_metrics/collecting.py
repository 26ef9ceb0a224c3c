"""Bring together what several processes measured, on every one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import distributed


def world_size() -> int:
    """Return the number of processes that measure together."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def gather(items: Sequence[Any]) -> list[Any]:
    """Return the picklable items of all processes, in order of rank; call it on every process."""
    if world_size() == 1:
        return list(items)
    parts: list[list[Any]] = [[] for _ in range(world_size())]
    distributed.all_gather_object(parts, list(items))
    return [item for part in parts for item in part]


def check_each_once(sample_ids: Sequence[str], size: int) -> None:
    """Refuse a set of clips in which one comes twice or is missing.

    Args:
        sample_ids: of all processes.
        size: number of clips in the data set.

    Raises:
        ValueError: names the clips, and what to do.
    """
    twice = sorted(name for name, count in Counter(sample_ids).items() if count > 1)[:5]
    if twice:
        raise ValueError(
            f"measured more than once: {', '.join(map(repr, twice))}; set round_up=False in the "
            "sampler of validation and test, and give every clip its own sample_id"
        )
    if len(sample_ids) != size:
        raise ValueError(
            f"expected the {size} clips of the data set, measured {len(sample_ids)}; a metric "
            "takes whole clips, one sample each"
        )
