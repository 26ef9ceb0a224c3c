"""What belongs to a clip is worked out once, whatever its length; counted, not timed."""

import copy
import functools

import numpy as np
import pytest
import torch

from segkit.audio import save_wav
from segkit.backends import with_backend
from segkit.regions import SCHEME_12
from segkit.talk.masks import compose_labels, enlarged_lower, lower_logits
from segkit.talk.pipeline import talk
from segkit.talk.portrait import Portrait
from segkit.video import VideoReader
from segkit_models.mask_decoders import UNetMaskDecoder


def counting(calls, name, function):
    def counted(*arguments, **named):
        calls[name] = calls.get(name, 0) + 1
        return function(*arguments, **named)

    return counted


@pytest.fixture
def counted_talk(tmp_path, tools):
    """Talk for some seconds; returns the number of calls of every part."""

    def run(seconds, **source):
        # As the talk has it: what it made of the parts would call those that are counted here.
        bundle, parser, calls = with_backend(tools.make_tiny()), tools.FixedParser(), {}
        parts = bundle.modules
        for name, part, method in (
            ("style codes", parts["region_encoder"], "encode"),
            ("demodulation tables", parts["generator"], "prepare"),
            ("images", parts["generator"], "render"),
            ("mask encoder", parts["mask_decoder"], "encode"),
            ("skips' share", parts["mask_decoder"], "prepare"),
            ("speech", parts["audio_encoder"], "forward"),
            ("parser", parser, "forward"),
        ):
            setattr(part, method, counting(calls, name, getattr(part, method)))
        sound = tmp_path / "voice.wav"
        save_wav(sound, tools.voice(seconds))
        report = talk(
            out=tmp_path / "out.mp4", audio=sound, model=bundle, parser=parser, batch_size=3,
            progress=False, force=True, credentials=False, segment_frames=6, **source,
        )  # fmt: skip
        return report["frames"], calls

    return run


def test_a_portrait_is_parsed_and_encoded_once_however_long_it_talks(counted_talk, portrait_path):
    found = {}
    for seconds in (0.3, 0.8):
        frames, calls = counted_talk(seconds, image=portrait_path)
        images = calls.pop("images")
        assert images >= frames / 3
        found[frames] = calls
    short, long = found.values()
    assert sorted(found) == [8, 20]
    assert short == long
    once = ("style codes", "demodulation tables", "mask encoder", "skips' share")
    assert all(long[name] == 1 for name in once)
    assert long["parser"] == 2  # for the style codes, and for the film


def test_a_film_pays_per_frame_only_for_what_moves(counted_talk, film):
    (_, short), (_, long) = (counted_talk(seconds, video=film) for seconds in (0.4, 0.8))
    assert long["mask encoder"] > short["mask encoder"]
    assert long["parser"] > short["parser"]
    for name in ("style codes", "demodulation tables"):
        assert short[name] == long[name] == 1
    assert short["speech"] == long["speech"] == 2  # the voice, and silence
    assert "skips' share" not in long


def test_a_portrait_says_what_a_film_of_it_would(tmp_path, portrait_path, tools, monkeypatch):
    sound, bundle, frames = tmp_path / "voice.wav", tools.make_tiny(), {}
    save_wav(sound, tools.voice(0.3))
    for name in ("once", "again"):
        if name == "again":
            monkeypatch.setattr("segkit.talk.rendering.Scene.portrait", lambda scene: None)
        out = tmp_path / f"{name}.mp4"
        talk(
            out=out, image=portrait_path, audio=sound, model=copy.deepcopy(bundle),
            parser=tools.FixedParser(), progress=False, credentials=False,
        )  # fmt: skip
        with VideoReader(out) as reader:
            frames[name] = np.stack([frame.image for frame in reader]).astype(int)
    assert abs(frames["once"] - frames["again"]).max() <= 2


def test_a_decoder_that_prepares_nothing_is_simply_called():
    class Sum(torch.nn.Module):
        def forward(self, pose, reference, audio):
            return pose + reference + audio.sum()

    ones = torch.ones(2, 3, 4, 4)
    portrait = Portrait(Sum(), Sum(), mask_size=4)
    assert (portrait.logits(ones, ones, torch.ones(2, 5)) == 12).all()


@pytest.mark.parametrize(("kind", "method"), [("video", "decode"), ("image", "decode_prepared")])
def test_a_talk_asks_for_the_rows_that_it_looks_at(
    kind, method, film, portrait_path, tools, tmp_path
):
    bundle, rows = tools.make_tiny(), []
    decoder = bundle.modules["mask_decoder"]
    decode = getattr(decoder, method)

    @functools.wraps(decode)
    def watched(*given, first_row=0):
        rows.append(first_row)
        return decode(*given, first_row=first_row)

    setattr(decoder, method, watched)
    save_wav(tmp_path / "voice.wav", tools.voice(0.3))
    face = {"video": film, "image": portrait_path}[kind]
    talk(
        out=tmp_path / "out.mp4", audio=tmp_path / "voice.wav", model=bundle,
        parser=tools.FixedParser(), progress=False, credentials=False, **{kind: face},
    )  # fmt: skip
    assert set(rows) == {bundle.mask_size // 2 - 1}


@pytest.mark.parametrize("side", [32, 64, 128])
def test_labels_are_the_same_without_the_rows_that_nobody_looks_at(side):
    torch.manual_seed(0)
    decoder = UNetMaskDecoder(size=32, audio_dim=8, width=0.0625).eval()
    pose, reference = (torch.rand(3, 12, 32, 32).round() for _ in range(2))
    audio, labels = torch.rand(3, 8), np.zeros((side, side), np.uint8)
    lower = lower_logits(decoder, of=decoder.forward, side=32)
    for whole, part in zip(
        decoder(pose, reference, audio), lower(pose, reference, audio), strict=True
    ):
        assert not torch.equal(whole, part)
        expected = compose_labels(labels, whole.detach(), SCHEME_12)
        assert np.array_equal(compose_labels(labels, part.detach(), SCHEME_12), expected)
        assert len(np.unique(expected[side // 2 :])) > 1


@pytest.mark.parametrize(("size", "side"), [(16, 64), (16, 16), (16, 40), (16, 8), (15, 30)])
def test_only_the_lower_half_is_enlarged_and_as_the_whole_would_be(size, side):
    logits = torch.randn(2, 5, size, size, generator=torch.Generator().manual_seed(0))
    whole = torch.nn.functional.interpolate(logits, (side, side), mode="bilinear")
    torch.testing.assert_close(enlarged_lower(logits, side), whole[:, :, side // 2 :])
