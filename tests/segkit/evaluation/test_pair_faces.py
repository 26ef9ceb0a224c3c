"""Landmarks and masks of both sides: where they are, and what is told when they are not."""

import numpy as np
import pytest

from segkit.evaluation.faces import UNKNOWN, FaceSettings, PairFaces
from segkit.parser_choice import build_parser
from segkit.regions import SCHEME_12

NEEDS = ("pred_landmarks", "gt_landmarks")


@pytest.fixture(scope="module")
def portrait():
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[0:256, 96:352])


def planes(*images):
    return np.stack(images).transpose(0, 3, 1, 2)


def test_a_shifted_face_has_shifted_landmarks(portrait):
    shifted = np.roll(portrait, (0, 6), (0, 1))
    faces = PairFaces(FaceSettings(), needs=NEEDS, fps=25)
    chunk = {"pred_frames": planes(shifted, shifted), "gt_frames": planes(portrait, portrait)}
    faces.add_to(chunk)
    difference = chunk["pred_landmarks"] - chunk["gt_landmarks"]
    assert chunk["gt_landmarks"].shape == (2, 68, 2)
    np.testing.assert_allclose(np.median(difference, (0, 1)), [6, 0], atol=0.5)
    assert faces.sentences() == []
    assert "pred_masks" not in chunk


def test_missed_faces_are_gaps_and_are_told(portrait):
    blank = np.full_like(portrait, 128)
    faces = PairFaces(
        FaceSettings(parser=build_parser(), mask_size=128), needs=(*NEEDS, "gt_masks"), fps=25
    )
    chunk = {"pred_frames": planes(blank, portrait), "gt_frames": planes(portrait, portrait)}
    faces.add_to(chunk)
    assert np.isnan(chunk["pred_landmarks"][0]).all()
    assert np.isfinite(chunk["pred_landmarks"][1]).all()
    for side in ("pred", "gt"):
        assert (chunk[f"{side}_masks"][0] == UNKNOWN).all()
        assert chunk[f"{side}_masks"][1].max() < len(SCHEME_12)
    # The same picture on both sides, cut alike: the same labels but where tracking wavers.
    same = chunk["pred_masks"][1] == chunk["gt_masks"][1]
    assert same.mean() > 0.97
    assert faces.sentences() == [
        "the face was found in 1 of 2 predicted frames; the others are left out of numbers of faces"
    ]


def test_two_faces_ask_for_a_choice(portrait):
    both = np.concatenate([portrait, portrait[:, ::-1]], 1)
    chunk = {"pred_frames": planes(both), "gt_frames": planes(both)}
    faces = PairFaces(FaceSettings(), needs=NEEDS, fps=25)
    faces.add_to(chunk)
    assert np.isnan(chunk["gt_landmarks"]).all()
    assert len(faces.sentences()) == 2
    assert "--face" in faces.sentences()[0]
    chosen = PairFaces(FaceSettings(face=1), needs=NEEDS, fps=25)
    chunk = {"pred_frames": planes(both), "gt_frames": planes(both)}
    chosen.add_to(chunk)
    assert chunk["gt_landmarks"][0, :, 0].min() > 256
    assert chosen.sentences() == []


def test_what_a_clip_brings_itself_is_kept(portrait):
    faces = PairFaces(FaceSettings(own_masks="its own"), needs=("gt_masks",), fps=25)
    masks = np.zeros((1, 8, 8), np.uint8)
    chunk = {"pred_frames": planes(portrait), "gt_frames": planes(portrait),
             "pred_masks": masks, "gt_masks": masks}  # fmt: skip
    faces.add_to(chunk)
    assert chunk["gt_masks"] is masks
    assert "gt_landmarks" not in chunk
    assert FaceSettings(own_masks="its own").origins(["gt_masks"]) == ["its own"]
