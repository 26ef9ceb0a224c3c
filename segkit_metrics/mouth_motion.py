"""Does the mouth open when it should: the gap between the lips, followed over time."""

from __future__ import annotations

import numpy as np

from segkit.registry import METRICS
from segkit_metrics.base import Clip, VideoMetric
from segkit_metrics.clip_samples import LengthPolicy
from segkit_metrics.face_regions import EYE_CORNERS

_UPPER, _LOWER = (61, 62, 63), (67, 66, 65)
"""The inner lips of the 68-point layout, in pairs."""


def lip_gap(landmarks: np.ndarray) -> np.ndarray:
    """Return how far the lips are apart, in distances of the outer eye corners.

    Args:
        landmarks: ``T 68 2`` pixels.

    Returns:
        ``T``; NaN where the face was missed.

    Example:
        >>> points = np.zeros((1, 68, 2)); points[0, 45] = 60, 0; points[0, 65:68] = 0, 6
        >>> lip_gap(points)
        array([0.1])
    """
    points = np.asarray(landmarks, np.float64)
    gap = np.linalg.norm(points[:, _LOWER] - points[:, _UPPER], axis=-1).mean(-1)
    left, right = (points[:, corner] for corner in EYE_CORNERS)
    distance = np.linalg.norm(right - left, axis=-1)
    return gap / np.where(distance > 0, distance, np.nan)


@METRICS.register
class MouthMotion(VideoMetric):
    """Correlation, over the frames of a clip, of the predicted and the true gap between the lips.

    It needs no network that learned what is in sync, and so favours no method that was trained by
    one; but it wants the truth, and a mouth that may open in another way is not as good to it.

    Args:
        on_length_mismatch: see `ClipMetric`.
        collect_device: mmengine's.
        prefix: instead of `default_prefix`.

    Source: Paper: none; ours.
    """

    name, unit, higher_is_better, default_prefix = "mouth motion", "correlation", True, "Mouth"
    needs = ("pred_landmarks", "gt_landmarks")

    def __init__(
        self,
        *,
        on_length_mismatch: LengthPolicy = "error",
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            reduce="video", on_length_mismatch=on_length_mismatch, collect_device=collect_device,
            prefix=prefix,
        )  # fmt: skip
        self._gaps: list[np.ndarray] = []

    def definition(self) -> str:
        """Say what the numbers are."""
        return (
            "gap between the inner lips over the distance of the outer eye corners: opening is "
            "Pearson's correlation of the predicted and the true gap in a clip (0 for a mouth that "
            "does not move), error their mean difference; mean of clips"
        )

    def begin(self, clip: Clip) -> None:
        """Start a clip."""
        super().begin(clip)
        self._gaps = []

    def add(self, chunk: Clip) -> None:
        """Measure the next frames."""
        both = [lip_gap(chunk[f"{side}_landmarks"]) for side in ("pred", "gt")]
        self._gaps.append(np.stack(both))

    def finish(self) -> dict[str, np.ndarray | float | int]:
        """Return the correlation (NaN where the true mouth never moves) and the error."""
        gaps = np.concatenate(self._gaps, 1)
        pred, true = gaps[:, np.isfinite(gaps).all(0)]
        opening = float("nan")
        if len(true) > 2 and true.std() > 0:
            moves = pred.std() > 0
            opening = float(np.corrcoef(pred, true)[0, 1]) if moves else 0.0
        error = float(np.abs(pred - true).mean()) if len(true) else float("nan")
        return {"opening": opening, "gap_error": error}
