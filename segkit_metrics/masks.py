"""Agreement of predicted and true masks: intersection over union, and how the mouth opens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from segkit.regions import SCHEME_12, SCHEMES
from segkit.registry import METRICS


def overlap_counts(
    prediction: np.ndarray, target: np.ndarray, *, labels: Sequence[int]
) -> tuple[int, int]:
    """Count the pixels of a set of regions, taken as one, in both masks and in either.

    Args:
        prediction: labels of any shape.
        target: labels of the same shape.
        labels: the regions.

    Returns:
        ``(intersection, union)``; sum them over frames and divide, so that small mouths do not
        weigh as large ones.

    Raises:
        ValueError: the arrays differ in shape.
    """
    if prediction.shape != target.shape:
        raise ValueError(
            f"labels: expected two arrays of one shape, got {prediction.shape} and {target.shape}"
        )
    predicted, true = np.isin(prediction, labels), np.isin(target, labels)
    return int((predicted & true).sum()), int((predicted | true).sum())


def mask_iou(prediction: np.ndarray, target: np.ndarray, *, labels: Sequence[int]) -> float:
    """Return intersection over union of a set of regions, taken as one.

    NaN where neither mask has any of them.

    Example:
        >>> mask_iou(np.array([1, 1, 0, 0]), np.array([0, 1, 1, 0]), labels=[1])
        0.3333333333333333
    """
    intersection, union = overlap_counts(prediction, target, labels=labels)
    return intersection / union if union else float("nan")


def opening_correlation(prediction: np.ndarray, target: np.ndarray, *, label: int = 9) -> float:
    """Correlate the area of the mouth's inside: does the mouth open when it should?

    Args:
        prediction: labels ``T H W``.
        target: labels ``T H W``.
        label: of the mouth's inside.

    Returns:
        Pearson's r over the T frames; NaN where either mouth never changes.
    """
    return _correlation(_areas(prediction, label), _areas(target, label))


def _areas(labels: np.ndarray, label: int) -> np.ndarray:
    return (labels == label).sum((-2, -1)).astype(np.float64)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


@METRICS.register
class MaskIoU(BaseMetric):
    """Collect predicted windows of masks; report overlaps and how the mouth opens.

    Args:
        regions: name in the report -> names of the regions taken as one. Default: the mouth (lips
            and inside), its inside, and the lips.
        scheme: name of the region scheme.
        collect_device: mmengine's.
    """

    name = "mask overlap"
    unit = "share"
    higher_is_better = True
    default_prefix = "iou"

    def __init__(
        self,
        *,
        regions: dict[str, Sequence[str]] | None = None,
        scheme: str = SCHEME_12.name,
        collect_device: str = "cpu",
    ) -> None:
        super().__init__(collect_device=collect_device)
        table = SCHEMES[scheme]
        regions = regions or {"mouth": ("lip", "mouth"), "inside": ("mouth",), "lip": ("lip",)}
        self.labels = {key: [table.index(name) for name in names] for key, names in regions.items()}
        self.inside = table.index("mouth")

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Count the ``labels`` and ``target`` (``T H W``) of each clip."""
        for sample in data_samples:
            predicted, true = (np.asarray(sample[key].cpu()) for key in ("labels", "target"))
            counts = {
                key: overlap_counts(predicted, true, labels=labels)
                for key, labels in self.labels.items()
            }
            areas = _areas(predicted, self.inside), _areas(true, self.inside)
            self.results.append((counts, areas))

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Return the overlaps over all frames, and ``opening``, see `opening_correlation`."""
        report = {}
        for key in self.labels:
            intersection, union = np.sum([counts[key] for counts, _ in results], axis=0)
            report[key] = float(intersection / union) if union else float("nan")
        predicted, true = (np.concatenate([areas[k] for _, areas in results]) for k in (0, 1))
        report["opening"] = _correlation(predicted, true)
        return report
