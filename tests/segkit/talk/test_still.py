"""Previews: the frame that a preview shows is the frame that the video will have."""

import zipfile
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.audio import save_wav
from segkit.edits import Background, BlinkSchedule, EditPlan, Swap
from segkit.regions import SCHEME_12
from segkit.talk.bundle import Bundle
from segkit.talk.frame_labels import OUTSIDE, labels_in_frame, overlaid
from segkit.talk.pipeline import talk
from segkit.talk.speech import embed_speech
from segkit.talk.still import Sitting, film_frames
from segkit.video import VideoReader


def brightness(frame):
    return frame @ (0.299, 0.587, 0.114)


def test_a_still_is_the_frame_of_the_film(tmp_path, portrait_path, tools):
    save_wav(tmp_path / "voice.wav", tools.voice(0.5))
    bundle, parser = tools.make_tiny(), tools.FixedParser()
    plan = EditPlan(
        swaps=(Swap("hair", portrait_path, 0.5),),
        blinks=BlinkSchedule(((1.0, 0.2),)),
        background=Background(colour=(20, 90, 160)),
    )
    talk(
        out=tmp_path / "out.mp4", image=portrait_path, audio=tmp_path / "voice.wav", model=bundle,
        parser=parser, edits=plan, crf=1, progress=False, credentials=False,
        masks=tmp_path / "masks.zip",
    )  # fmt: skip
    sitting = Sitting(
        portrait_path, is_film=False, audio=tmp_path / "voice.wav", bundle=bundle, parser=parser,
        device=torch.device("cpu"),
    )  # fmt: skip
    with VideoReader(tmp_path / "out.mp4") as video:
        frames = [frame.image for frame in video]
    masks = zipfile.ZipFile(tmp_path / "masks.zip")
    for number in (5, 8):
        still = sitting.still(number / 25, plan)
        # What is left is the video's coding, which keeps colours at half resolution.
        assert np.abs(brightness(still.frame) - brightness(frames[number])).mean() < 1
        written = np.asarray(Image.open(BytesIO(masks.read(f"{number:06d}.png"))))
        assert (written == still.frame_labels).all()
    eyes = SCHEME_12.index("eyes")
    assert (sitting.still(0.2, plan).labels == eyes).sum() == 0
    assert (sitting.still(0.2).labels == eyes).sum() > 0


def test_frames_about_a_moment_are_those_of_the_film(film):
    with VideoReader(film) as video:
        frames = [frame.image for frame in video]
    for time_s, numbers in ((0.4, range(8, 13)), (0.0, range(5)), (5.0, range(22, 27))):
        played = film_frames(film, time_s, around=2)
        assert [round(item.time_s * 25) for item in played] == list(numbers)
        for item, number in zip(played, numbers, strict=True):
            assert (item.image == frames[number]).all()


def test_labels_lie_on_the_frame_where_their_crop_was_cut():
    labels = np.arange(16, dtype=np.uint8).reshape(4, 4) % 12
    # The crop is the frame's pixels 2..9 across and 1..8 down, at half the size.
    transform = np.array([[0.5, 0, -1.0], [0, 0.5, -0.5]])
    laid = labels_in_frame(labels, transform, height=12, width=12)
    expected = np.full((12, 12), OUTSIDE, np.uint8)
    expected[1:9, 2:10] = labels.repeat(2, 0).repeat(2, 1)
    assert (laid == expected).all()


def test_paint_lies_on_regions_and_not_on_the_background():
    frame = np.full((2, 2, 3), 100, np.uint8)
    labels = np.array([[0, OUTSIDE], [1, 6]], np.uint8)
    painted = overlaid(frame, labels, scheme=SCHEME_12, opacity=0.5)
    assert (painted[0] == 100).all()
    for row, label in ((painted[1, 0], 1), (painted[1, 1], 6)):
        assert row == pytest.approx((100 + np.array(SCHEME_12.colours[label])) / 2, abs=1)


def test_a_film_that_speaks_itself_keeps_the_delay_of_its_sound(tmp_path, film, tools, monkeypatch):
    save_wav(tmp_path / "voice.wav", tools.voice(0.5))
    monkeypatch.setattr(Bundle, "own_sound_delay_s", 0.08)
    delays = []

    def embedded(encoder, waveform, *, delay_s):
        delays.append(delay_s)
        return embed_speech(encoder, waveform, delay_s=delay_s)

    monkeypatch.setattr("segkit.talk.still.embed_speech", embedded)
    for voice in (None, tmp_path / "voice.wav"):
        Sitting(
            film, is_film=True, audio=voice, bundle=tools.make_tiny(),
            parser=tools.FixedParser(), device=torch.device("cpu"), face_choice=0,
        )  # fmt: skip
    assert delays == [0.08, 0.0]
