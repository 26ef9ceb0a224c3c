"""Where a film cuts from one shot to the next."""

from __future__ import annotations

import numpy as np

_CUT_LEVEL = 24.0
"""Mean change of grey level between two frames that counts as a scene cut."""


class CutSense:
    """Tell, frame by frame, whether a new shot begins; keeps one thumbnail."""

    def __init__(self) -> None:
        self._thumbnail: np.ndarray | None = None

    def __call__(self, frame: np.ndarray) -> bool:
        """Return whether a cut lies before this frame.

        Args:
            frame: uint8 RGB ``H W 3``, of the size of the one before.
        """
        rows, columns = max(1, frame.shape[0] // 64), max(1, frame.shape[1] // 64)
        thumbnail = frame[::rows, ::columns].mean(-1)
        previous, self._thumbnail = self._thumbnail, thumbnail
        return previous is not None and float(np.abs(thumbnail - previous).mean()) > _CUT_LEVEL
