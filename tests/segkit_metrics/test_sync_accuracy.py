"""Sync accuracy on hand-worked pairs, and the metric that collects them."""

import math

import numpy as np
import pytest
import torch

from segkit_metrics.sync_accuracy import SyncAccuracy, sync_accuracy

PROBABILITY = np.array([0.9, 0.2, 0.4, 0.1, 0.6, 0.7])
IN_SYNC = np.array([1, 1, 0, 0, 0, 1])


def test_each_kind_is_counted_apart():
    report = sync_accuracy(PROBABILITY, IN_SYNC)
    assert report["in_sync"] == pytest.approx(2 / 3)
    assert report["off_sync"] == pytest.approx(2 / 3)
    assert report["balanced"] == pytest.approx(2 / 3)
    assert report["probability_in_sync"] == pytest.approx(0.6)
    assert report["probability_off_sync"] == pytest.approx(1.1 / 3)


def test_balance_ignores_how_many_of_each_kind_there_are():
    many = np.concatenate([IN_SYNC, np.zeros(90)]), np.concatenate([PROBABILITY, np.full(90, 0.1)])
    report = sync_accuracy(many[1], many[0])
    assert report["balanced"] == pytest.approx((2 / 3 + 92 / 93) / 2)


def test_a_missing_kind_is_not_a_number():
    assert math.isnan(sync_accuracy(np.array([0.5]), np.array([1]))["off_sync"])
    with pytest.raises(ValueError, match=r"expected two arrays \(B,\)"):
        sync_accuracy(np.zeros(2), np.zeros(3))


def test_the_metric_gives_the_same():
    metric = SyncAccuracy()
    for half in (slice(0, 2), slice(2, 6)):
        pairs = zip(PROBABILITY[half], IN_SYNC[half], strict=True)
        metric.process(
            None, [{"probability": torch.tensor(p), "in_sync": torch.tensor(y)} for p, y in pairs]
        )
    report = metric.evaluate(6)
    expected = sync_accuracy(PROBABILITY, IN_SYNC)
    assert {key.removeprefix("sync/"): value for key, value in report.items()} == pytest.approx(
        expected
    )
