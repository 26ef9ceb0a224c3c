"""Agreement of predicted and true masks: overlap, boundaries, and how the mouth opens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from segkit.regions import SCHEME_12, SCHEMES
from segkit.registry import METRICS
from segkit_metrics.base import Clip, ClipMetric, VideoMetric
from segkit_metrics.clip_samples import LengthPolicy
from segkit_metrics.mask_boundaries import boundary_f
from segkit_metrics.means import Reduction

LIPS_AND_MOUTH = ("lip", "upper_lip", "lower_lip", "mouth")
"""What speech moves, by the names of any scheme."""


def confusion_matrix(
    prediction: np.ndarray, target: np.ndarray, *, num_regions: int, ignore: int | None = None
) -> np.ndarray:
    """Count how often each true label is predicted as each label.

    Args:
        prediction: integer labels of any shape.
        target: labels of the same shape.
        num_regions: R.
        ignore: true label of pixels that do not count.

    Returns:
        ``R R``, true label first; sum matrices over frames, so that small mouths do not weigh as
        large ones.

    Raises:
        ValueError: shapes that differ, or a label outside 0..R-1.

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), num_regions=2)
        array([[1, 1],
               [0, 1]])
    """
    if prediction.shape != target.shape:
        raise ValueError(
            f"labels: expected two arrays of one shape, got {prediction.shape} and {target.shape}"
        )
    if ignore is not None:
        prediction, target = prediction[target != ignore], target[target != ignore]
    for labels in (prediction, target):
        if labels.size and not 0 <= labels.min() <= labels.max() < num_regions:
            raise ValueError(
                f"labels: expected 0..{num_regions - 1}, got {labels.min()}..{labels.max()}"
            )
    pairs = target.astype(np.int64).ravel() * num_regions + prediction.ravel()
    return np.bincount(pairs, minlength=num_regions**2).reshape(num_regions, num_regions)


def region_iou(confusion: np.ndarray, labels: Sequence[int]) -> float:
    """Return intersection over union of a set of regions, taken as one; NaN if both lack it.

    Args:
        confusion: ``R R`` from `confusion_matrix`.
        labels: the regions.
    """
    chosen = list(labels)
    intersection = confusion[np.ix_(chosen, chosen)].sum()
    union = confusion[chosen].sum() + confusion[:, chosen].sum() - intersection
    return float(intersection / union) if union else float("nan")


def mean_iou(confusion: np.ndarray) -> float:
    """Return the mean of the overlaps of single regions; those absent from both are left out."""
    overlaps = np.array([region_iou(confusion, [label]) for label in range(len(confusion))])
    present = np.isfinite(overlaps)
    return float(overlaps[present].mean()) if present.any() else float("nan")


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Return the share of pixels with the right label; NaN without pixels."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


def opening_correlation(prediction: np.ndarray, target: np.ndarray, *, label: int = 9) -> float:
    """Correlate the area of the mouth's inside: does the mouth open when it should?

    Args:
        prediction: labels ``T H W``.
        target: labels ``T H W``.
        label: of the mouth's inside.

    Returns:
        Pearson's r over the T frames; NaN where either mouth never changes.
    """
    return _correlation(_sums(_areas(prediction, label), _areas(target, label)))


@METRICS.register
class MaskOverlap(ClipMetric):
    """Overlap of masks, pooled over all frames; each region, the mouth as one, and its opening.

    Args:
        scheme: name of the region scheme.
        groups: name in the report -> regions taken as one. Default: ``lips_and_mouth``.
        ignore: true label of pixels that do not count, such as 255; a frame of nothing else is left
            out of the opening too.
        on_length_mismatch: see `ClipMetric`.
        prefix: instead of `default_prefix`.

    Raises:
        KeyError: an unknown region.
    """

    name = "mask overlap"
    unit = "share"
    higher_is_better = True
    default_prefix = "IoU"
    needs = ("pred_masks", "gt_masks")

    def __init__(
        self,
        *,
        scheme: str = SCHEME_12.name,
        groups: dict[str, Sequence[str]] | None = None,
        ignore: int | None = None,
        on_length_mismatch: LengthPolicy = "error",
        prefix: str | None = None,
    ) -> None:
        super().__init__(on_length_mismatch=on_length_mismatch, prefix=prefix)
        self.scheme, self.ignore = SCHEMES[scheme], ignore
        if groups is None:
            groups = {"lips_and_mouth": [r for r in LIPS_AND_MOUTH if r in self.scheme.regions]}
        self.labels = {name: [label] for label, name in enumerate(self.scheme.regions)}
        for name, regions in groups.items():
            self.labels[name] = [self.scheme.index(region) for region in regions]
        self._inside = self.scheme.index("mouth")
        self._start()

    def definition(self) -> str:
        """Say what the number is."""
        return (
            f"{len(self.scheme)} regions ({self.scheme.name}); intersection over union from pixels "
            "pooled over all frames, mean over regions that occur; opening: correlation of the "
            "area of the mouth's inside"
        )

    def begin(self, clip: Clip) -> None:
        """Start a clip."""
        super().begin(clip)
        self._start()

    def _start(self) -> None:
        self._confusion = np.zeros((len(self.scheme), len(self.scheme)), np.int64)
        self._areas = np.zeros(6)

    def add(self, chunk: Clip) -> None:
        """Count the next frames."""
        prediction, target = chunk["pred_masks"], chunk["gt_masks"]
        try:
            self._confusion += confusion_matrix(
                prediction, target, num_regions=len(self.scheme), ignore=self.ignore
            )
        except ValueError as error:
            raise ValueError(f"clip {self._sample_id!r}: {error}") from error
        known = (
            np.full(len(target), True)
            if self.ignore is None
            else (target != self.ignore).any((1, 2))
        )
        areas = (_areas(labels[known], self._inside) for labels in (prediction, target))
        self._areas += _sums(*areas)

    def row(self) -> dict[str, Any]:
        """Return the clip's own overlaps, and the counts that are pooled."""
        counts = {"confusion": self._confusion, "areas": self._areas}
        return {**self._overlaps(**counts), **counts}

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Return the overlaps over all clips; ``n`` counts frames."""
        if not results:
            return {"n": 0}
        confusion, areas = (sum(row[key] for row in results) for key in ("confusion", "areas"))
        return {**self._overlaps(confusion, areas), "n": int(areas[0])}

    def _overlaps(self, confusion: np.ndarray, areas: np.ndarray) -> dict[str, float]:
        return {
            "miou": mean_iou(confusion),
            "accuracy": pixel_accuracy(confusion),
            **{name: region_iou(confusion, labels) for name, labels in self.labels.items()},
            "opening": _correlation(areas),
        }


@METRICS.register
class BoundaryF(VideoMetric):
    """F-measure of the boundaries of regions: mean over the regions of a frame, then over frames.

    Args:
        scheme: name of the region scheme.
        tolerance: pixels that boundaries may lie apart. Paper: not measured; ours: 2, for masks of
            512 px.
        background: label that has no boundary of its own; None if all have.
        reduce: average over frames, or over the clips' own means.
        on_length_mismatch: see `ClipMetric`.
        prefix: instead of `default_prefix`.
    """

    name = "boundary F"
    unit = "share"
    higher_is_better = True
    default_prefix = "BoundaryF"
    needs = ("pred_masks", "gt_masks")

    def __init__(
        self,
        *,
        scheme: str = SCHEME_12.name,
        tolerance: float = 2.0,
        background: int | None = 0,
        reduce: Reduction = "frame",
        on_length_mismatch: LengthPolicy = "error",
        prefix: str | None = None,
    ) -> None:
        super().__init__(reduce=reduce, on_length_mismatch=on_length_mismatch, prefix=prefix)
        if not tolerance >= 0:
            raise ValueError(f"tolerance: expected pixels, 0 or more, got {tolerance}")
        self.scheme, self.tolerance = SCHEMES[scheme], tolerance
        self.labels = [label for label in range(len(self.scheme)) if label != background]
        self._values: list[list[float]] = []

    def definition(self) -> str:
        """Say what the number is."""
        return (
            f"inner boundaries of {len(self.labels)} regions ({self.scheme.name}) within "
            f"{self.tolerance:g} px, mean over regions, then {self.reduce}s"
        )

    def begin(self, clip: Clip) -> None:
        """Start a clip."""
        super().begin(clip)
        self._values = []

    def add(self, chunk: Clip) -> None:
        """Measure the next frames."""
        for pair in zip(chunk["pred_masks"], chunk["gt_masks"], strict=True):
            self._values.append(
                [boundary_f(*(m == k for m in pair), tolerance=self.tolerance) for k in self.labels]
            )

    def finish(self) -> dict[str, np.ndarray | float | int]:
        """Return the mean over regions of each frame, then each region."""
        values = np.array(self._values)
        present = np.isfinite(values)
        num_present = present.sum(1)
        total = np.where(present, values, 0).sum(1)
        mean = np.where(num_present > 0, total / np.maximum(num_present, 1), np.nan)
        names = [self.scheme.regions[label] for label in self.labels]
        # A region that no frame has is no finding, and would be warned of.
        found = {n: c for n, c in zip(names, values.T, strict=True) if np.isfinite(c).any()}
        return {"mean": mean, **found}


def _areas(labels: np.ndarray, label: int) -> np.ndarray:
    return (labels == label).sum((-2, -1)).astype(np.float64)


def _sums(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return what adds up over parts of a video: n and the sums of x, y, xx, yy, xy."""
    return np.array([len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y])


def _correlation(sums: np.ndarray) -> float:
    # Areas are whole numbers: the differences below are exact zeros where nothing changes.
    n, x, y, xx, yy, xy = sums
    spread_x, spread_y = n * xx - x * x, n * yy - y * y
    if n < 2 or spread_x == 0 or spread_y == 0:
        return float("nan")
    return float((n * xy - x * y) / np.sqrt(spread_x) / np.sqrt(spread_y))
