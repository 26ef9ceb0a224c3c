"""Accuracy of a SyncNet on pairs in sync and off sync."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from segkit.registry import METRICS


def sync_accuracy(
    probability: np.ndarray, in_sync: np.ndarray, *, threshold: float = 0.5
) -> dict[str, float]:
    """Tell how often each kind of pair is recognised.

    Args:
        probability: ``B`` in [0, 1], that a pair is in sync.
        in_sync: ``B``, 1 where it is.
        threshold: above it a pair counts as in sync. Paper: not given; ours: 0.5.

    Returns:
        ``in_sync`` and ``off_sync`` (share of each kind recognised; NaN without such pairs), their
        mean ``balanced`` (the paper's 81 %), and the mean ``probability_in_sync`` and
        ``probability_off_sync``.

    Raises:
        ValueError: the arrays differ in shape.

    Example:
        >>> sync_accuracy(np.array([0.9, 0.2, 0.4, 0.1]), np.array([1, 1, 0, 0]))["balanced"]
        0.75
    """
    if probability.shape != in_sync.shape or probability.ndim != 1:
        raise ValueError(
            f"pairs: expected two arrays (B,), got {probability.shape} and {in_sync.shape}"
        )
    called, true = probability > threshold, in_sync > 0.5

    def mean(values: np.ndarray) -> float:
        return float(values.mean()) if len(values) else float("nan")

    right_in, right_off = mean(called[true]), mean(~called[~true])
    return {
        "in_sync": right_in,
        "off_sync": right_off,
        "balanced": (right_in + right_off) / 2,
        "probability_in_sync": mean(probability[true]),
        "probability_off_sync": mean(probability[~true]),
    }


@METRICS.register
class SyncAccuracy(BaseMetric):
    """Collect the predictions of `SyncExpert` and report `sync_accuracy`.

    Args:
        threshold: above it a pair counts as in sync.
        collect_device: mmengine's.
    """

    name = "sync accuracy"
    unit = "share"
    higher_is_better = True
    default_prefix = "sync"

    def __init__(self, *, threshold: float = 0.5, collect_device: str = "cpu") -> None:
        super().__init__(collect_device=collect_device)
        self.threshold = threshold

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep the ``probability`` and ``in_sync`` of each pair."""
        self.results += [
            (float(pair["probability"]), float(pair["in_sync"])) for pair in data_samples
        ]

    def compute_metrics(self, results: list[tuple[float, float]]) -> dict[str, float]:
        """Return the accuracies over all pairs."""
        probability, in_sync = np.asarray(results, np.float64).reshape(-1, 2).T
        return sync_accuracy(probability, in_sync, threshold=self.threshold)
