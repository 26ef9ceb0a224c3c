"""What is said of a talk, against a job worked out by hand."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from segkit.edits import (
    AutomaticBlinks,
    Background,
    BlinkSchedule,
    EditPlan,
    MaskEdit,
    Span,
    Swap,
)
from segkit.provenance import statement_of
from segkit.provenance.statement import described, edits_of
from segkit.regions import SCHEME_12, SCHEME_19
from segkit.talk.sources import PictureSource


@pytest.fixture
def job(tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "me.png")
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    return SimpleNamespace(
        out=tmp_path / "secret" / "out.mp4",
        source=PictureSource(tmp_path / "me.png"),
        sound=tmp_path / "voice.wav",
        bundle=SimpleNamespace(scheme=SCHEME_12),
        plan=EditPlan(
            swaps=(Swap("hair", tmp_path / "donor.jpg", 0.5, Span(1.0, 3.0, 0.2)),),
            blinks=BlinkSchedule(((0.5, 2.0),)),
            background=Background(image=tmp_path / "office.jpg"),
        ),
        model_file=tmp_path / "mine.safetensors",
    )


def test_a_talk_is_told_whole(job):
    said = statement_of(job, [(1.0, 1.5)])
    assert (said.title, said.kind, said.source, said.sound) == (
        "out.mp4", "picture", "me.png", "voice.wav",
    )  # fmt: skip
    assert said.regions == ("lip", "nose", "skin", "mouth", "hair", "eyes")
    assert said.edits == (
        {
            "kind": "swap",
            "region": "hair",
            "picture": "donor.jpg",
            "strength": 0.5,
            "start_s": 1.0,
            "end_s": 3.0,
        },
        {"kind": "blink", "amount": 0.5, "at_s": 2.0},
        {"kind": "background", "file": "office.jpg"},
    )
    assert said.model == "mine"
    assert said.model_sha256 == hashlib.sha256(b"weights").hexdigest()
    assert said.passed_through == ((1.0, 1.5),)


@pytest.mark.parametrize(
    ("plan", "wanted"),
    [
        (EditPlan(), ()),
        (EditPlan(automatic=AutomaticBlinks(seed=3)), ({"kind": "blinks", "seed": 3},)),
        (
            EditPlan(background=Background(colour=(32, 64, 255))),
            ({"kind": "background", "colour": "#2040ff"},),
        ),
        (EditPlan(background=Background(blur=0)), ({"kind": "background", "blur": "auto"},)),
        (
            EditPlan(masks=(MaskEdit(Path("/mine/own.py"), "smile", Span(2.0)),)),
            ({"kind": "mask", "file": "own.py", "function": "smile", "start_s": 2.0},),
        ),
    ],
)
def test_every_kind_of_edit_is_told(plan, wanted):
    assert edits_of(plan) == wanted


def test_a_mask_function_may_have_changed_every_region(job):
    job.plan = EditPlan(masks=(MaskEdit(Path("own.py"), "smile"),))
    assert statement_of(job, []).regions == tuple(SCHEME_12.regions[1:])


def test_no_path_is_told(job, tmp_path):
    from datetime import datetime, timezone

    manifest = statement_of(job, []).manifest(when=datetime.now(timezone.utc))
    assert str(tmp_path) not in str(manifest)
    assert "secret" not in str(manifest)


def test_a_model_that_never_was_a_file_has_no_checksum(job):
    job.model_file = None
    said = statement_of(job, [])
    assert (said.model, said.model_sha256) == ("unnamed", None)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"kind": "background"}, "background"),
        ({"kind": "blink", "amount": 0.5, "at_s": 2}, "blink: amount 0.5, at 2 s"),
        ({"kind": "swap", "region": "lip", "until_s": None}, "swap: region lip"),
    ],
)
def test_an_edit_is_a_phrase(edit, words):
    assert described(edit) == words


def test_two_eyes_and_two_lips_are_told_by_their_names(job):
    job.bundle.scheme = SCHEME_19
    job.plan = EditPlan(blinks=BlinkSchedule(((0.5, 2.0),)))
    said = statement_of(job, []).regions
    assert set(said) <= set(SCHEME_19.regions)
    assert {"left_eye", "right_eye", "upper_lip", "lower_lip"} <= set(said)
