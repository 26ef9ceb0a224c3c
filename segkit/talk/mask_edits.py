"""A user's mask functions and paintings at their times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segkit.edits import (
    MaskEdit,
    MaskFunction,
    Painting,
    Span,
    edit_mask,
    load_function,
    paint,
    read_painting,
)
from segkit.regions import RegionScheme


class TimedMask:
    """A mask function that works during a span.

    Args:
        function: changes a mask.
        span: when.
        name: for messages.
    """

    def __init__(self, function: MaskFunction, *, span: Span, name: str) -> None:
        self._function, self._span, self._name = function, span, name

    def __call__(self, labels: np.ndarray, time_s: float, scheme: RegionScheme) -> np.ndarray:
        """Return the edited map ``H W``; outside of the span the map itself.

        Raises:
            ValueError: the function fails, or returns no label map.
        """
        if not self._span.level_at(time_s):
            return labels
        return edit_mask(labels, self._function, time_s=time_s, scheme=scheme, name=self._name)


def load_masks(edits: Sequence[MaskEdit | Painting], *, scheme: RegionScheme) -> list[TimedMask]:
    """Load the functions, which runs the user's files, and the paintings.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that fails, or has no such function; a painting that cannot be used.
    """
    return [_loaded(edit, scheme) for edit in edits]


def _loaded(edit: MaskEdit | Painting, scheme: RegionScheme) -> TimedMask:
    if isinstance(edit, MaskEdit):
        function = load_function(edit.module, edit.function)
        name = f"mask edit {edit.module}:{edit.function}"
        return TimedMask(function, span=edit.span, name=name)
    strokes = read_painting(edit.picture, scheme=scheme)
    return TimedMask(_painter(strokes), span=edit.span, name=f"painting {edit.picture}")


def _painter(strokes: np.ndarray) -> MaskFunction:
    def lay(labels: np.ndarray, time_s: float, scheme: RegionScheme) -> np.ndarray:
        del time_s
        return paint(labels, strokes, scheme=scheme)

    return lay
