"""Class weights of a cross entropy (eq. 2): given as numbers, or measured on a clip folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor


def read_class_weights(
    source: Sequence[float] | str | Path | None,
) -> Sequence[float] | Tensor | None:
    """Return numbers as they are, and a clip folder's statistics for its path.

    Raises:
        FileNotFoundError: no statistics in the folder.
    """
    if not isinstance(source, (str, Path)):
        return source
    from segkit.clips import ClipFolder  # only training on a clip folder needs it

    return ClipFolder(source).class_weights
