"""Clips are refused by name and key, cut only on request, and chunked without copies."""

import numpy as np
import pytest
import torch

from segkit_metrics.clip_samples import check_clip, chunks, unit_range, without_frames

PAIR = ("pred_frames", "gt_frames")


def clip(length=5, **entries):
    frames = np.zeros((length, 3, 8, 10), np.uint8)
    return {"sample_id": "a", "pred_frames": frames, "gt_frames": frames, **entries}


def floats(value, length=5):
    return np.full((length, 3, 8, 10), value, np.float32)


@pytest.mark.parametrize(
    ("change", "needs", "message"),
    [
        ({"sample_id": 3}, PAIR, "expected a str sample_id, got 3"),
        ({"gt_frames": None}, PAIR, "clip 'a': expected gt_frames, got only pred_frames, sample_"),
        ({}, (*PAIR, "audio"), "clip 'a': expected audio"),
        ({"pred_frames": floats(0)[:, :1]}, PAIR, r"a': pred_frames: expected shape \(T, 3, H, W"),
        ({"pred_frames": floats(0, 0)}, PAIR, r"with T >= 1, got \(0, 3, 8, 10\)"),
        ({"gt_frames": floats(0).astype(int)}, PAIR, "gt_frames: expected uint8 or floats in"),
        ({"gt_frames": floats(255)}, PAIR, r"floats in \[0, 1\], got \[255, 255\]; give uint8"),
        ({"gt_frames": floats(-1)}, PAIR, r"\(x \+ 1\) / 2 for \[-1, 1\]"),
        ({"gt_frames": floats(np.nan)}, PAIR, "gt_frames: expected finite values"),
        ({"gt_frames": floats(0)[..., 1:]}, PAIR, "pred_frames 8 x 10, gt_frames 8 x 9; resize"),
        ({"gt_frames": floats(0)[1:]}, PAIR, "pred_frames 5, gt_frames 4; cut them alike, or set"),
        ({"gt_landmarks": np.zeros((5, 20, 2))}, ("gt_landmarks",), r"\(T, 68, 2\)"),
        ({"gt_landmarks": np.full((5, 68, 2), np.inf)}, ("gt_landmarks",), "NaN where no face"),
        ({"gt_masks": np.zeros((5, 8, 10))}, ("gt_masks",), "integer labels, got float64"),
        ({"audio": np.zeros(9, np.float32)}, ("audio",), r"int16 \(L,\) at 16 kHz, got float32"),
        ({"fps": 0}, ("fps",), "fps: expected a positive number, got 0"),
    ],
)
def test_a_bad_clip_is_refused_with_its_name(change, needs, message):
    with pytest.raises(ValueError, match=message):
        check_clip(clip(**change), needs=needs)


def test_tensors_become_arrays_and_what_is_not_needed_is_let_through():
    checked = check_clip(
        clip(gt_frames=torch.rand(5, 3, 8, 10), gt_masks="unread", extra=1), needs=PAIR
    )
    assert isinstance(checked["gt_frames"], np.ndarray)
    assert (checked["gt_masks"], checked["extra"], checked["size"]) == ("unread", 1, (8, 10))
    assert checked["trimmed"] == 0


def test_trimming_cuts_every_entry_and_is_counted():
    landmarks = np.full((7, 68, 2), np.nan)
    given = clip(gt_frames=floats(0, 4), gt_landmarks=landmarks)
    checked = check_clip(given, needs=(*PAIR, "gt_landmarks"), on_length_mismatch="trim")
    assert checked["trimmed"] == 3
    assert {len(checked[key]) for key in (*PAIR, "gt_landmarks")} == {4}


def test_chunks_put_together_are_the_clip_and_share_its_memory():
    whole = check_clip(clip(pred_frames=floats(0.5)), needs=PAIR)
    parts = list(chunks(whole, 2))
    assert [len(part["pred_frames"]) for part in parts] == [2, 2, 1]
    assert all(np.shares_memory(part["gt_frames"], whole["gt_frames"]) for part in parts)
    assert np.array_equal(np.concatenate([p["pred_frames"] for p in parts]), whole["pred_frames"])
    assert not {"pred_frames", "gt_frames"} & set(without_frames(whole))


def test_bytes_become_shares_and_floats_stay():
    assert unit_range(np.array([0, 51, 255], np.uint8)).tolist() == [0, 0.2, 1]
    assert unit_range(np.array([0.25], np.float32)).dtype == np.float64
