"""Speech synthesis: timing against the sound itself, determinism, errors."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from segkit.synthetic.visemes import VOWELS, letters_of
from segkit.synthetic.voice import LANGUAGES, Voice, speak

pytest.importorskip("espeakng_loader", reason="needs the extra `synth`")

SAYING = "Papa said hello, then Mister Fox saw the big fish."


def loudness_db(waveform, start_s, end_s):
    piece = waveform[int(start_s * 16000) : int(end_s * 16000)]
    return 10 * np.log10(np.mean(piece**2) + 1e-10)


def brightness(waveform, start_s, end_s):
    piece = waveform[int(start_s * 16000) : int(end_s * 16000)]
    return np.mean(np.diff(piece) ** 2) / (np.mean(piece**2) + 1e-10)


def test_pauses_are_silent_and_vowels_are_loud():
    speech = speak(SAYING, Voice())
    vowels = [p for p in speech.phones if letters_of(p.ipa) and letters_of(p.ipa)[0] in VOWELS]
    pauses = [p for p in speech.phones[:-1] if not p.ipa and p.end_s - p.start_s > 0.1]
    assert len(vowels) >= 10
    assert pauses
    quiet = [loudness_db(speech.waveform, p.start_s + 0.03, p.end_s - 0.05) for p in pauses]
    loud = np.median([loudness_db(speech.waveform, p.start_s, p.end_s) for p in vowels])
    assert max(quiet) < loud - 25


def test_hiss_lies_inside_its_phones():
    speech = speak(SAYING, Voice())
    hisses = [
        brightness(speech.waveform, p.start_s, p.end_s)
        for p in speech.phones
        if p.ipa in ("s", "ʃ")
    ]
    others = [
        brightness(speech.waveform, p.start_s, p.end_s)
        for p in speech.phones
        if letters_of(p.ipa) and letters_of(p.ipa)[0] in VOWELS
    ]
    assert min(hisses) > 3 * np.median(others)


def test_phones_are_in_order_and_end_with_the_sound():
    speech = speak(SAYING, Voice("en-gb-scotland", "f1", pitch=60, words_per_minute=200))
    ends = [phone.end_s for phone in speech.phones[:-1]]
    assert ends == [phone.start_s for phone in speech.phones[1:]]
    assert all(phone.end_s > phone.start_s for phone in speech.phones)
    assert speech.phones[-1].end_s == pytest.approx(speech.duration_s, abs=2e-4)


@pytest.mark.parametrize("variant", ["", "m3", "f4", "klatt2", "Annie"])
def test_same_words_same_bytes_whatever_was_said_before(variant):
    voice = Voice("en", variant)
    first = speak(SAYING, voice)
    speak("Something else altogether.", Voice("de", "f4", pitch=70))
    second = speak(SAYING, voice)
    assert first.waveform.tobytes() == second.waveform.tobytes()
    assert first.phones == second.phones


def test_rate_and_pitch_do_what_they_say():
    slow, fast = (speak(SAYING, Voice(words_per_minute=rate)) for rate in (120, 200))
    assert slow.duration_s > 1.3 * fast.duration_s

    def pitch_hz(waveform):
        lags = np.arange(16000 // 350, 16000 // 60)
        periods = []
        for start in range(0, len(waveform) - 1600, 800):
            piece = waveform[start : start + 1600]
            correlation = np.fft.irfft(np.abs(np.fft.rfft(piece, 3200)) ** 2)[:1600] / np.arange(
                1600, 0, -1
            )
            if (piece**2).mean() > 1e-3:
                periods.append(lags[np.argmax(correlation[lags] > 0.85 * correlation[lags].max())])
        return 16000 / np.median(periods)

    low, high = (speak("Ah, we are all aware.", Voice(pitch=pitch)) for pitch in (20, 80))
    assert pitch_hz(high.waveform) > 1.3 * pitch_hz(low.waveform)


def test_every_language_speaks_in_known_letters():
    text = "The joyful zebra quickly vexed a big chef, who thought of the measure and the church."
    for language in LANGUAGES:
        phones = speak(text, Voice(language)).phones
        silent = [p.ipa for p in phones if p.ipa and not letters_of(p.ipa)]
        assert len(silent) <= 0.06 * len(phones), (language, silent)


def test_errors_say_what_to_do(monkeypatch):
    with pytest.raises(ValueError, match="empty text"):
        speak("  ")
    with pytest.raises(ValueError, match="no voice 'xx'"):
        speak("Hello.", Voice("xx"))
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "espeakng_loader":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'segkit\[synth\]'"):
        speak("Hello.")
