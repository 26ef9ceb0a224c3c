"""Phoneme features: right on real speech, in step with the frames."""

import copy
import gc
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hama.asr import ASRModel

import segkit.phonemes
from segkit.audio import load_audio
from segkit.phonemes import PhonemeRecogniser


@pytest.fixture(scope="module")
def recogniser() -> PhonemeRecogniser:
    return PhonemeRecogniser()


def speech_like(seconds: float) -> torch.Tensor:
    """Voiced sound in syllables, of no language."""
    time = torch.arange(round(16_000 * seconds)) / 16_000
    buzz = sum(torch.sin(2 * torch.pi * 120 * k * time) / k for k in range(1, 20))
    return 0.1 * buzz * (torch.sin(2 * torch.pi * 4 * time) > 0)


def test_real_speech_is_recognised(recogniser: PhonemeRecogniser, shared: Path) -> None:
    """LibriVox: "he was not an ill disposed young man", as the package's own decoder reads it."""
    name = "sense_and_sensibility_01_austen_64kb-0880.wav"
    waveform = load_audio(shared / "speech" / name)
    expected = ASRModel()(waveform.numpy(), 16_000)
    assert "ɪ l d ɪ s p oʊ z d" in expected.phoneme_text
    ours = recogniser(waveform).argmax(1).numpy()
    theirs = np.asarray(expected.frame_token_ids)[: len(ours)]
    assert (ours[: len(theirs)] == theirs).mean() > 0.97


@pytest.mark.parametrize("num_samples", [1, 640, 641, 16_000])
def test_two_features_per_started_frame(recogniser: PhonemeRecogniser, num_samples: int) -> None:
    features = recogniser(speech_like(1.0)[:num_samples])
    assert features.shape == (2 * -(-num_samples // 640), 191)
    assert features.dtype == torch.float32
    assert features.min() >= 0
    assert features.max() <= 1


def test_chunks_hear_what_the_whole_says(
    recogniser: PhonemeRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    waveform = speech_like(9.5)
    monkeypatch.setattr(segkit.phonemes, "_CHUNK_S", 20)
    whole = recogniser(waveform)
    monkeypatch.setattr(segkit.phonemes, "_CHUNK_S", 3)
    chunked = recogniser(waveform)
    assert whole.shape == chunked.shape
    assert (whole - chunked).abs().mean() < 0.02, "the mean difference of strangers is 0.2"
    assert np.corrcoef(whole.flatten(), chunked.flatten())[0, 1] > 0.95


def test_copies_share_the_engine(recogniser: PhonemeRecogniser) -> None:
    """A training copies its networks; the copy's end must not be that of the engine."""
    before = recogniser(speech_like(1.0))
    twin = pickle.loads(pickle.dumps(copy.deepcopy(recogniser)))
    assert torch.equal(twin(speech_like(1.0)), before)
    del twin
    gc.collect()
    assert torch.equal(recogniser(speech_like(1.0)), before)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hama.asr", None)
    segkit.phonemes._network.cache_clear()
    try:
        with pytest.raises(ImportError, match=r"pip install hama.*such as MelCNN"):
            PhonemeRecogniser()
    finally:
        segkit.phonemes._network.cache_clear()
