"""A user's mask functions at their times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segkit.edits import MaskEdit, MaskFunction, edit_mask, load_function
from segkit.regions import RegionScheme


class TimedMask:
    """A mask function that works during a span.

    Args:
        edit: which function, and when.
        function: the function itself.
    """

    def __init__(self, edit: MaskEdit, function: MaskFunction) -> None:
        self._edit, self._function = edit, function
        self._name = f"mask edit {edit.module}:{edit.function}"

    def __call__(self, labels: np.ndarray, time_s: float, scheme: RegionScheme) -> np.ndarray:
        """Return the edited map ``H W``; outside of the span the map itself.

        Raises:
            ValueError: the function fails, or returns no label map.
        """
        if not self._edit.span.level_at(time_s):
            return labels
        return edit_mask(labels, self._function, time_s=time_s, scheme=scheme, name=self._name)


def load_masks(edits: Sequence[MaskEdit]) -> list[TimedMask]:
    """Load the functions, which runs the user's files.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that fails, or has no such function.
    """
    return [TimedMask(edit, load_function(edit.module, edit.function)) for edit in edits]
