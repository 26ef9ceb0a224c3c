"""Masks against sets of pixels, scikit-image, brute force and stored values."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import find_boundaries

from segkit.regions import SCHEME_12, SCHEME_19
from segkit.registry import METRICS
from segkit_metrics.mask_boundaries import boundary_f, inner_boundary
from segkit_metrics.masks import (
    BoundaryF,
    MaskOverlap,
    confusion_matrix,
    mean_iou,
    opening_correlation,
    pixel_accuracy,
    region_iou,
)


def labels(seed, shape=(4, 6, 6), regions=12):
    return np.random.default_rng(seed).integers(regions, size=shape).astype(np.uint8)


def clip(prediction, target, name="a"):
    return {"sample_id": name, "pred_masks": prediction, "gt_masks": target}


def overlap(prediction, target, wanted, regions=12):
    return region_iou(confusion_matrix(prediction, target, num_regions=regions), wanted)


@given(one=st.integers(0, 50), other=st.integers(0, 50))
def test_iou_is_the_jaccard_index_of_sets_of_pixels(one, other):
    prediction, target = labels(one), labels(other)
    first, second = (
        {tuple(place) for place in np.argwhere((x == 1) | (x == 9))} for x in (prediction, target)
    )
    expected = len(first & second) / len(first | second)
    assert overlap(prediction, target, (1, 9)) == pytest.approx(expected)
    assert overlap(target, prediction, (1, 9)) == pytest.approx(expected)
    assert overlap(target, target, (1, 9)) == 1


@given(seed=st.integers(0, 50), step=st.integers(1, 11))
def test_renaming_the_regions_of_both_changes_no_mean(seed, step):
    prediction, target = labels(seed), labels(seed + 100)
    plain = confusion_matrix(prediction, target, num_regions=12)
    renamed = confusion_matrix((prediction + step) % 12, (target + step) % 12, num_regions=12)
    assert mean_iou(renamed) == pytest.approx(mean_iou(plain))
    assert pixel_accuracy(renamed) == pixel_accuracy(plain) == (prediction == target).mean()
    assert plain.sum() == target.size


def test_stored_values_of_overlap(oracle, oracle_inputs):
    prediction, target = oracle_inputs["seg_pred"], oracle_inputs["seg_gt"]
    pooled = confusion_matrix(prediction, target, num_regions=4)
    ours = [region_iou(pooled, [label]) for label in range(4)]
    assert ours == pytest.approx(oracle("seg_iou_pooled_per_class"), abs=1e-12)
    assert mean_iou(pooled) == pytest.approx(oracle("seg_miou_pooled"), abs=1e-12)
    assert pixel_accuracy(pooled) == pytest.approx(oracle("seg_pixel_acc"), abs=1e-12)
    single = [
        mean_iou(confusion_matrix(*pair, num_regions=4))
        for pair in zip(prediction, target, strict=True)
    ]
    assert np.mean(single) == pytest.approx(oracle("seg_miou_per_image"), abs=1e-12)
    metric = MaskOverlap()
    metric.process(None, [clip(prediction, target)])
    report = metric.evaluate(1)
    assert report["IoU/miou"] == pytest.approx(oracle("seg_miou_pooled"), abs=1e-12)
    assert report["IoU/accuracy"] == pytest.approx(oracle("seg_pixel_acc"), abs=1e-12)


def test_a_stored_value_of_boundaries(oracle, oracle_inputs):
    metric = BoundaryF()
    metric.process(None, [clip(oracle_inputs["seg_pred"], oracle_inputs["seg_gt"])])
    report = metric.evaluate(1)
    assert report["BoundaryF/mean"] == pytest.approx(oracle("seg_boundary_f_tol2"), abs=1e-12)
    assert report["BoundaryF/n"] == 2
    assert set(report) == {
        "BoundaryF/mean", "BoundaryF/lip", "BoundaryF/eyebrows", "BoundaryF/eyes", "BoundaryF/n",
        "BoundaryF/n_clips",
    }  # fmt: skip


def test_small_frames_weigh_by_their_pixels_not_by_their_number():
    target = np.zeros((2, 10, 10), np.uint8)
    target[0], target[1, 0, 0] = 1, 1
    prediction = np.zeros_like(target)
    prediction[0] = 1
    metric = MaskOverlap()
    metric.process(None, [clip(prediction, target)])
    assert metric.evaluate(1)["IoU/lip"] == pytest.approx(100 / 101)


def test_an_absent_region_has_no_overlap_to_speak_of():
    assert math.isnan(overlap(np.zeros((2, 2), int), np.zeros((2, 2), int), [3]))
    assert mean_iou(confusion_matrix(np.zeros(4, int), np.zeros(4, int), num_regions=12)) == 1
    assert math.isnan(mean_iou(np.zeros((3, 3), int)))
    assert math.isnan(pixel_accuracy(np.zeros((3, 3), int)))


def test_ignored_pixels_count_nowhere():
    target = np.array([[0, 1, 255], [1, 1, 255]], np.uint8)
    prediction = np.array([[0, 1, 0], [1, 0, 1]], np.uint8)
    counted = confusion_matrix(prediction, target, num_regions=2, ignore=255)
    assert counted.tolist() == [[1, 0], [1, 2]]


def test_labels_that_cannot_be_counted_are_refused():
    with pytest.raises(ValueError, match="two arrays of one shape"):
        confusion_matrix(np.zeros((2, 2), int), np.zeros((2, 3), int), num_regions=2)
    with pytest.raises(ValueError, match=r"labels: expected 0\.\.11, got 0\.\.255"):
        confusion_matrix(np.array([0, 1]), np.array([0, 255]), num_regions=12)
    with pytest.raises(ValueError, match=r"clip 'a': labels: expected 0\.\.11, got 12\.\.12"):
        MaskOverlap().process(None, [clip(np.full((1, 2, 2), 12), np.zeros((1, 2, 2), int))])


def test_opening_follows_the_area_not_the_place():
    target = np.zeros((4, 8, 8), np.uint8)
    prediction = target.copy()
    for frame, area in enumerate((1, 3, 2, 5)):
        target[frame, 0, :area] = 9
        prediction[frame, 5, : area + 2] = 9
    assert opening_correlation(prediction, target) == pytest.approx(1)
    assert opening_correlation(prediction[::-1], target) < 0
    assert math.isnan(opening_correlation(np.zeros_like(target), target))


@given(seed=st.integers(0, 50))
def test_opening_is_pearsons_correlation_of_areas(seed):
    prediction, target = labels(seed, (9, 12, 12)), labels(seed + 100, (9, 12, 12))
    areas = [(x == 9).sum((1, 2)) for x in (prediction, target)]
    assert opening_correlation(prediction, target) == pytest.approx(np.corrcoef(*areas)[0, 1])


@pytest.mark.parametrize("length", [1, 3, 64])
def test_the_metric_counts_over_all_clips_and_chunks(length):
    predictions = [labels(seed) for seed in range(3)]
    targets = [labels(seed + 10) for seed in range(3)]
    metric = MaskOverlap(groups={"both": ("lip", "mouth")})
    metric.chunk_frames = length
    for number, pair in enumerate(zip(predictions, targets, strict=True)):
        metric.process(None, [clip(*map(torch.from_numpy, pair), name=str(number))])
    report = metric.evaluate(3)
    everything, truth = np.concatenate(predictions), np.concatenate(targets)
    assert report["IoU/both"] == pytest.approx(overlap(everything, truth, (1, 9)))
    assert report["IoU/skin"] == pytest.approx(overlap(everything, truth, (6,)))
    assert report["IoU/opening"] == pytest.approx(opening_correlation(everything, truth))
    assert report["IoU/n"] == 12
    expected = overlap(predictions[1], targets[1], (1, 9))
    assert metric.rows()[1]["both"] == pytest.approx(expected)


def test_the_mouth_is_told_apart_in_every_scheme():
    assert MaskOverlap().labels["lips_and_mouth"] == [1, 9]
    names = [
        SCHEME_19.regions[k] for k in MaskOverlap(scheme=SCHEME_19.name).labels["lips_and_mouth"]
    ]
    assert sorted(names) == ["lower_lip", "mouth", "upper_lip"]
    with pytest.raises(KeyError, match="no region 'moth'"):
        MaskOverlap(groups={"mouth": ("moth",)})


def blobs(seed, side=24):
    """A smooth random mask: a few blobs, some cut by the frame."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 2) > 0.02


@given(seed=st.integers(0, 200), tolerance=st.sampled_from([0, 1, 1.5, 2, 3.7]))
def test_boundary_f_is_that_of_distances(seed, tolerance):
    masks = blobs(seed), blobs(seed + 1000)
    # scikit-image, too, finds no boundary at the edge of the frame.
    boundaries = [find_boundaries(m, mode="inner", connectivity=1) for m in masks]
    for mask, boundary in zip(masks, boundaries, strict=True):
        assert np.array_equal(inner_boundary(mask), boundary)
    near = [distance_transform_edt(~boundary) <= tolerance for boundary in boundaries]
    precision, recall = near[1][boundaries[0]].mean(), near[0][boundaries[1]].mean()
    expected = 2 * precision * recall / (precision + recall) if precision + recall else 0
    assert boundary_f(*masks, tolerance=tolerance) == pytest.approx(expected)
    assert boundary_f(*masks[::-1], tolerance=tolerance) == pytest.approx(expected)
    assert boundary_f(masks[0], masks[0], tolerance=0) == 1


def test_boundaries_that_are_missing():
    square = np.zeros((8, 12), bool)
    square[2:5, 2:5] = True
    nothing, everything = np.zeros_like(square), np.ones_like(square)
    assert math.isnan(boundary_f(nothing, everything, tolerance=2))
    assert boundary_f(square, nothing, tolerance=2) == boundary_f(nothing, square, tolerance=2) == 0
    far = np.roll(square, 3, 1)
    assert boundary_f(square, far, tolerance=1) == pytest.approx(3 / 8)
    assert boundary_f(square, far, tolerance=3) == 1


def test_they_are_found_by_name_and_say_what_they_measure():
    assert METRICS.build({"type": "MaskOverlap"}).definition().startswith("12 regions (")
    assert METRICS.build({"type": "BoundaryF", "tolerance": 1.5}).definition() == (
        f"inner boundaries of 11 regions ({SCHEME_12.name}) within 1.5 px, mean over regions, then "
        "frames"
    )
    with pytest.raises(ValueError, match="tolerance: expected pixels, 0 or more, got -1"):
        BoundaryF(tolerance=-1)


def test_frames_of_unknown_masks_count_nowhere():
    rng = np.random.default_rng(0)
    pred, true = rng.integers(0, 12, (2, 6, 8, 8)).astype(np.uint8)
    unknown = np.full((3, 8, 8), 255, np.uint8)
    whole = MaskOverlap(ignore=255)
    whole.process(None, [{"sample_id": "a", "pred_masks": pred, "gt_masks": true}])
    gaps = MaskOverlap(ignore=255)
    gaps.process(
        None,
        [
            {
                "sample_id": "a",
                "pred_masks": np.concatenate([pred[:2], unknown, pred[2:]]),
                "gt_masks": np.concatenate([true[:2], unknown, true[2:]]),
            }
        ],
    )
    assert gaps.evaluate(1) == pytest.approx(whole.evaluate(1))
