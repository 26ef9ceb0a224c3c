"""Masks from speech: which moments, which mouth, and how it overlaps with the true one."""

import numpy as np
import pytest
import torch

from segkit.clips import ClipFolder
from segkit.decisions import decide
from segkit.halves import pose_of
from segkit.plots.mask_picture import mouth_window
from segkit.plots.masks import plot_masks
from segkit.plots.spoken_masks import (
    moments_of_clip,
    mouth_overlap,
    spoken_masks,
    spread,
)
from segkit.regions import SCHEME_12, one_hot
from segkit.talk.speech import embed_speech

pytest.importorskip("sklearn", reason="needs the extra `plot`")

LIP, MOUTH = SCHEME_12.index("lip"), SCHEME_12.index("mouth")


@pytest.fixture
def clips(people_folder):
    return ClipFolder(people_folder).clips("test")


def test_overlap_by_hand():
    truth, masks = torch.zeros(4, 4, 4, dtype=torch.uint8), torch.zeros(4, 4, 4, dtype=torch.uint8)
    truth[0, 1:3, :2], masks[0, 1:3, 1:3] = LIP, MOUTH  # 2 of 6 pixels in common
    truth[1, 0], masks[1, 0] = MOUTH, LIP  # lip and mouth are one region
    truth[2, 0] = LIP
    overlaps = mouth_overlap(masks, truth, scheme=SCHEME_12)
    np.testing.assert_allclose(overlaps, [2 / 6, 1, 0, np.nan])


def test_moments_are_spread_over_the_frames_with_a_face(clips, tiny_bundle):
    moments = moments_of_clip(clips[0], tiny_bundle, num_frames=3)
    assert moments.times_s == [1 / 25, 4 / 25, 7 / 25]
    assert np.array_equal(moments.images, clips[0].frames([1, 4, 7]))
    assert np.array_equal(moments.labels.numpy(), clips[0].masks([1, 4, 7]))
    # The mouth of these clips is closed in frame 2.
    assert np.array_equal(moments.reference.numpy(), clips[0].masks([2])[0])
    assert spread(range(5), 99) == [0, 1, 2, 3, 4]


def test_spoken_masks_keep_the_true_upper_half_and_take_the_decoders_lower(clips, tiny_bundle):
    moments = moments_of_clip(clips[0], tiny_bundle, num_frames=4)
    masks = spoken_masks(tiny_bundle, moments, clips[2].waveform)
    assert torch.equal(masks[:, :16], moments.labels[:, :16])
    with torch.no_grad():
        speech = embed_speech(tiny_bundle.modules["audio_encoder"], clips[2].waveform)
        frames = [round(25 * time_s) for time_s in moments.times_s]
        logits = tiny_bundle.modules["mask_decoder"](
            pose_of(one_hot(moments.labels, 12)),
            one_hot(moments.reference.expand(4, -1, -1), 12),
            speech.vectors[frames],
        )
    assert torch.equal(masks[:, 16:], decide(logits, SCHEME_12)[:, 16:])


def test_the_window_holds_every_mouth_and_is_twice_as_wide_as_high(clips):
    labels = clips[0].masks(range(8))
    top, bottom, left, right = mouth_window(labels, scheme=SCHEME_12)
    assert right - left == 2 * (bottom - top)
    assert 0 <= top < bottom <= 32
    assert 0 <= left < right <= 32
    mouth = np.isin(labels, SCHEME_12.mouth_labels)
    assert mouth[:, top:bottom, left:right].sum() == mouth.sum()
    top, bottom, left, right = mouth_window(np.zeros((2, 32, 32), np.uint8), scheme=SCHEME_12)
    assert 0 <= top < bottom <= 32
    assert 0 <= left < right <= 32


def test_give_a_folder_or_a_film(tmp_path):
    for sources in ({}, {"data": tmp_path, "video": "film.mp4"}):
        with pytest.raises(ValueError, match="either a clip folder"):
            plot_masks(**sources, out=tmp_path / "masks.png")
