"""Mask overlap against scikit-learn-free closed forms, and the metric that collects it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segkit_metrics.masks import MaskIoU, mask_iou, opening_correlation, overlap_counts


def labels(seed, shape=(4, 6, 6), regions=12):
    return np.random.default_rng(seed).integers(regions, size=shape).astype(np.uint8)


@given(one=st.integers(0, 50), other=st.integers(0, 50))
def test_iou_is_the_jaccard_index_of_sets_of_pixels(one, other):
    prediction, target = labels(one), labels(other)
    first, second = (
        {tuple(place) for place in np.argwhere((x == 1) | (x == 9))} for x in (prediction, target)
    )
    expected = len(first & second) / len(first | second)
    assert mask_iou(prediction, target, labels=(1, 9)) == pytest.approx(expected)
    assert mask_iou(target, prediction, labels=(1, 9)) == pytest.approx(expected)
    assert mask_iou(target, target, labels=(1, 9)) == 1


def test_an_absent_region_has_no_overlap_to_speak_of():
    assert math.isnan(mask_iou(np.zeros((2, 2)), np.zeros((2, 2)), labels=[3]))
    with pytest.raises(ValueError, match="two arrays of one shape"):
        overlap_counts(np.zeros((2, 2)), np.zeros((2, 3)), labels=[3])


def test_opening_follows_the_area_not_the_place():
    target = np.zeros((4, 8, 8), np.uint8)
    prediction = target.copy()
    for frame, area in enumerate((1, 3, 2, 5)):
        target[frame, 0, :area] = 9
        prediction[frame, 5, : area + 2] = 9
    assert opening_correlation(prediction, target) == pytest.approx(1)
    assert opening_correlation(prediction[::-1], target) < 0
    assert math.isnan(opening_correlation(np.zeros_like(target), target))


def test_the_metric_counts_over_all_clips():
    predictions = [labels(seed) for seed in range(3)]
    targets = [labels(seed + 10) for seed in range(3)]
    metric = MaskIoU(regions={"mouth": ("lip", "mouth"), "skin": ("skin",)})
    for prediction, target in zip(predictions, targets, strict=True):
        clip = {"labels": torch.from_numpy(prediction), "target": torch.from_numpy(target)}
        metric.process(None, [clip])
    report = metric.evaluate(3)
    everything, truth = np.concatenate(predictions), np.concatenate(targets)
    assert report["iou/mouth"] == pytest.approx(mask_iou(everything, truth, labels=(1, 9)))
    assert report["iou/skin"] == pytest.approx(mask_iou(everything, truth, labels=(6,)))
    assert report["iou/opening"] == pytest.approx(opening_correlation(everything, truth))


def test_unknown_regions_are_told():
    with pytest.raises(KeyError, match="no region 'moth'"):
        MaskIoU(regions={"mouth": ("moth",)})
