"""Phoneme features: right on real speech, in step with the frames, made once."""

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
from segkit.phonemes import PhonemeRecogniser, cut_features, features_on_disk


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


def test_outside_the_clip_nothing_is_heard() -> None:
    features = torch.arange(1.0, 13.0).half()[:, None]  # six frames
    assert cut_features(features, 1, 2)[:, 0].tolist() == [3, 4, 5, 6]
    assert cut_features(features, -2, 3)[:, 0].tolist() == [0, 0, 0, 0, 1, 2]
    assert cut_features(features, 5, 2)[:, 0].tolist() == [11, 12, 0, 0]
    assert not cut_features(features, 9, 2).any()
    assert cut_features(features, 0, 1).dtype == torch.float32


class Counting:
    name = "counted"

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, waveform: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.arange(2 * len(waveform) // 640).float()[:, None] / 4


def test_features_are_made_once_and_left_in_the_clip(tmp_path: Path) -> None:
    listener, waveform = Counting(), torch.zeros(6400)
    first = features_on_disk(tmp_path, listener, waveform)
    again = features_on_disk(tmp_path, listener, waveform)
    assert listener.calls == 1
    assert first.dtype == again.dtype == torch.float16
    assert torch.equal(first, again)
    assert [path.name for path in tmp_path.iterdir()] == ["counted.npy"]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    features = features_on_disk(tmp_path / "absent", Counting(), torch.zeros(640))
    assert features.shape == (2, 1)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hama.asr", None)
    segkit.phonemes._network.cache_clear()
    try:
        with pytest.raises(ImportError, match=r"pip install hama.*such as MelCNN"):
            PhonemeRecogniser()
    finally:
        segkit.phonemes._network.cache_clear()
