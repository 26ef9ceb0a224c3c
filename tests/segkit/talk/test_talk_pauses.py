"""Pauses of speech are found under noise; short ones and clip borders are left alone."""

import logging
import sys
import warnings

import numpy as np
import pytest
import torch

from segkit.audio import load_audio
from segkit.regions import SCHEME_12
from segkit.synthetic.clip import compose_speech
from segkit.synthetic.voice import Voice
from segkit.talk import pauses
from segkit.talk.identity import closed_mouth_of
from segkit.talk.pauses import quiet_by_level, silence_gate


@pytest.fixture(scope="module")
def sentence():
    text = "She sells sea shells by the shore, and he is not amused."
    speech, _ = compose_speech(Voice(), np.random.default_rng(0), text=text)
    return torch.as_tensor(speech.waveform).float()


def with_pause(speech, pause_s):
    """Speech, a pause, and the speech again; returns the wave and the pause's frames."""
    speech = speech[: len(speech) // 640 * 640]
    frames = len(speech) // 640
    wave = torch.cat([speech, torch.zeros(round(16000 * pause_s)), speech])
    return wave, slice(frames, frames + round(25 * pause_s))


def noise(kind, speech, snr_db):
    """Room noise, hum or notes, so many dB below the speech."""
    random, num = np.random.default_rng(1), len(speech)
    time_s = np.arange(num) / 16000
    if kind == "room":
        spectrum = np.fft.rfft(random.normal(size=num))
        wave = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 60) ** 0.8, num)
    elif kind == "hum":
        wave = sum(np.sin(2 * np.pi * 50 * k * time_s + k) / k for k in (1, 2, 3, 5, 7))
    else:
        pitch = 220 * 2 ** (random.integers(0, 24, num // 4000 + 1) / 12)
        fade = np.exp(-(np.arange(num) % 4000) / 2500)
        phase = 2 * np.pi * np.repeat(pitch, 4000)[:num] * (np.arange(num) % 4000) / 16000
        wave = fade * sum(np.sin(k * phase) / k for k in range(1, 6))
    wave = torch.tensor(wave / np.sqrt(np.mean(wave**2)), dtype=torch.float32)
    return wave * speech.square().mean().sqrt() * 10 ** (-snr_db / 20)


@pytest.mark.parametrize(
    ("kind", "snr_db"), [("room", 20), ("room", 5), ("hum", 10), ("notes", 20)]
)
def test_a_pause_is_found_under_noise_that_hides_it_from_a_meter(sentence, kind, snr_db):
    wave, pause = with_pause(sentence, 2.0)
    wave = wave + noise(kind, wave, snr_db)
    gate = silence_gate(wave)
    assert gate.shape == (-(-len(wave) // 640),)
    assert gate[pause].mean() > 0.8
    outside = torch.cat([gate[: pause.start], gate[pause.stop :]])
    assert outside.mean() < 0.06
    # What stood here before, the level alone, finds nothing.
    assert pauses._long_runs(quiet_by_level(wave)).sum() == 0


def test_digital_silence_is_a_pause_and_a_short_one_is_none(sentence):
    wave, pause = with_pause(sentence, 2.0)
    gate = silence_gate(wave)
    assert gate[pause.start + 5 : pause.stop - 5].min() == 1
    assert (gate.diff().abs() <= 0.5).all()
    wave, _ = with_pause(sentence, 0.6)
    assert silence_gate(wave).sum() == 0


def test_a_clip_that_begins_within_a_word_begins_open(sentence):
    assert silence_gate(sentence[8000:40000])[:5].sum() == 0


def test_real_speech_under_room_noise(shared):
    clips = sorted((shared / "speech").glob("*.wav"))[:2]
    parts = [load_audio(clip)[:48000] for clip in clips]
    wave = torch.cat([parts[0], torch.zeros(32000), parts[1]])
    wave = wave + noise("room", wave, 10)
    gate = silence_gate(wave)
    assert gate[75:125].mean() > 0.85
    assert gate[:70].sum() == 0
    assert gate[135:].mean() < 0.1
    assert pauses._long_runs(quiet_by_level(wave)).sum() == 0


@pytest.mark.parametrize("level", [0.0, 1e-5])
def test_all_silence_is_all_gated(level):
    torch.manual_seed(0)
    assert silence_gate(level * torch.randn(20000))[2:-2].min() == 1


def test_nothing_is_no_pause():
    assert len(silence_gate(torch.zeros(0))) == 0


@pytest.fixture
def without_detector(monkeypatch):
    monkeypatch.setattr(pauses, "_detector", lambda: None)


@pytest.mark.usefixtures("without_detector")
class TestByLevel:
    def test_pauses_of_a_second(self):
        wave = torch.sin(torch.arange(16000 * 4) * 0.2) * 0.3
        wave[16000:35200] = 0  # 1.2 s
        wave[6400:7680] = 0  # 0.08 s, the closure of a plosive
        wave[44800:57600] = 0  # 0.8 s, a breath
        gate = silence_gate(wave)
        assert gate.shape == (100,)
        assert gate[27:53].min() == 1
        assert gate[:22].sum() == 0
        assert gate[58:].sum() == 0
        assert (gate.diff().abs() <= 0.5).all()

    def test_loudness_does_not_move_the_gate(self):
        torch.manual_seed(0)
        wave = torch.randn(48000) * 0.3
        wave[9600:32000] *= 0.001
        assert torch.equal(silence_gate(wave), silence_gate(0.3 * wave))
        assert silence_gate(wave).sum() > 5


def test_without_the_detector_a_line_says_so(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    pauses._detector.cache_clear()
    with caplog.at_level(logging.WARNING, "segkit.talk"):
        assert silence_gate(torch.zeros(20000)).max() == 1
    pauses._detector.cache_clear()
    assert "pip install silero-vad" in caplog.text


def test_loading_the_detector_changes_no_setting_and_warns_of_nothing(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "silero_vad"]:
        monkeypatch.delitem(sys.modules, name)
    pauses._detector.cache_clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert pauses._detector() is not None
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)


def test_a_person_is_remembered_with_lips_that_meet():
    """Also one whose film shows no closed mouth: what is left is a line, as thick as it may be."""
    mouth, lip = SCHEME_12.index("mouth"), SCHEME_12.index("lip")
    labels = np.full((192, 192), SCHEME_12.index("skin"), np.uint8)
    assert closed_mouth_of(labels, SCHEME_12) is None
    labels[100:140, 60:130] = lip
    labels[110:130, 70:120] = mouth
    closed = closed_mouth_of(labels, SCHEME_12)
    assert (closed == mouth).sum() == 2 * 50
    assert (closed == lip).sum() == (labels == lip).sum()
    labels[111:130, 70:120] = lip
    assert np.array_equal(closed_mouth_of(labels, SCHEME_12), labels)
