"""The data set: deterministic, resumable, disjoint splits, sound and mouth together."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from segkit.clips import ClipFolder
from segkit.regions import SCHEME_12
from segkit.synthetic import Room, make_dataset, record, sample_room, talking_clip
from segkit.synthetic.clip import compose_speech, timbres
from segkit.synthetic.dataset import _Settings, _timbre
from segkit.synthetic.sentences import WRITTEN, is_held_out, sample_sentence
from segkit.synthetic.visemes import APERTURE
from segkit.synthetic.voice import Voice

pytest.importorskip("espeakng_loader", reason="needs the extra `synth`")

SMALL = {"num_clips": 3, "size": 64, "seconds": 0.4, "people": 3, "progress": False}


def fingerprint(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("synthetic") / "one", num_processes=1, **SMALL)


def test_same_bytes_whatever_the_number_of_processes(folder, tmp_path):
    again = make_dataset(tmp_path / "two", num_processes=2, **SMALL)
    assert fingerprint(folder) == fingerprint(again)
    other = make_dataset(tmp_path / "three", num_processes=1, seed=1, **{**SMALL, "num_clips": 1})
    assert not set(fingerprint(other).values()) & set(fingerprint(folder).values())


def test_folder_is_a_clip_folder(folder):
    clips = ClipFolder(folder)
    entries = [clip.entry for split in ("train", "val", "test") for clip in clips.clips(split)]
    assert len(entries) == 3
    clip = clips.clips("train")[0]
    assert clip.num_frames == 10
    assert len(clip.waveform) == 640 * 10
    assert clip.frames([0, 9]).shape == (2, 64, 64, 3)
    assert clip.masks([0]).max() < 12
    with np.load(folder / "clips" / clip.clip_id / "crop.npz") as arrays:
        assert arrays["mouth"].shape == (10, 20, 2)
    assert len(clips.class_weights) == 12


def test_interrupted_run_goes_on(folder, tmp_path):
    root = make_dataset(
        tmp_path / "part", num_processes=1, **{**SMALL, "num_clips": 2, "people": 2}
    )
    kept = {path: path.stat().st_mtime_ns for path in root.rglob("*.png")}
    with pytest.raises(FileExistsError, match="people"):
        make_dataset(root, num_processes=1, **SMALL)
    (root / "manifest.jsonl").unlink()
    grown = make_dataset(root, num_processes=1, **{**SMALL, "num_clips": 3, "people": 2})
    assert len((grown / "manifest.jsonl").read_text().splitlines()) == 3
    assert all(path.stat().st_mtime_ns == moment for path, moment in kept.items())


def test_foreign_folders_and_bad_numbers_are_refused(tmp_path):
    (tmp_path / "something").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        make_dataset(tmp_path, **SMALL)
    with pytest.raises(ValueError, match=r"64\.\.512"):
        make_dataset(tmp_path / "new", **{**SMALL, "size": 32})
    assert not (tmp_path / "new").exists()


def test_splits_share_no_person_voice_or_sentence(folder):
    entries = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    settings = _Settings(
        seed=0, size=64, seconds=1, people=100, val_people=10, test_people=10, storage="png"
    )
    voices = timbres(0)
    heard = {split: set() for split in ("train", "val", "test")}
    for person in range(100):
        heard[settings.split(person)].add(_timbre(voices, settings, person))
    assert len(heard["train"]) == 80
    assert len(heard["test"]) == len(heard["val"]) == 10
    assert not heard["train"] & heard["test"]
    assert not heard["train"] & heard["val"]
    assert not heard["val"] & heard["test"]
    people = {split: {e["person_id"] for e in entries if e["split"] == split} for split in heard}
    assert not people["train"] & people["test"]
    assert all(people.values())


def test_sentences_are_many_and_held_out_ones_stay_out():
    rng = np.random.default_rng(0)
    train = {sample_sentence(rng) for _ in range(3000)}
    test = {sample_sentence(rng, held_out=True) for _ in range(300)}
    assert len(train) > 1200
    assert not train & test
    assert len(WRITTEN) == len(set(WRITTEN)) >= 100
    assert 0.05 < np.mean([is_held_out(sentence) for sentence in WRITTEN]) < 0.25


def test_the_mouth_opens_with_the_voice():
    correlations = []
    for seed in range(4):
        clip = talking_clip(seed, seconds=6.0, size=64, room=Room())
        frames = clip.waveform.reshape(-1, 640)
        assert len(frames) == len(clip) == 150
        loudness = np.log10(np.sqrt((frames**2).mean(1)) + 1e-3)
        correlations.append(np.corrcoef(loudness, clip.motion.mouth[:, APERTURE])[0, 1])
        shifted = [
            np.corrcoef(np.roll(loudness, s), clip.motion.mouth[:, APERTURE])[0, 1]
            for s in (-12, 12)
        ]
        assert correlations[-1] > max(shifted)
    assert np.mean(correlations) > 0.5


def test_labels_show_the_mouth_that_the_phones_ask_for():
    clip = talking_clip(
        2, "Mama, papa, a baby bear far above.", size=128, room=Room(), liveliness=0
    )
    opening = np.array([(labels == SCHEME_12.index("mouth")).sum() for _, labels, _ in clip])
    times_s = (np.arange(len(clip)) + 0.5) / 25
    for phone in clip.phones:
        inside = (times_s > phone.start_s + 0.01) & (times_s < phone.end_s - 0.01)
        if phone.ipa == "m":
            assert opening[inside].max(initial=0) <= 2
        if phone.ipa == "ˈɑː":
            assert opening[inside].max() > 80
        if not phone.ipa and phone.end_s - phone.start_s > 0.3:
            middle = np.abs(times_s - (phone.start_s + phone.end_s) / 2) < 0.06
            assert opening[middle].max(initial=0) == 0


def test_composed_speech_has_the_wanted_length_and_pauses():
    rng = np.random.default_rng(3)
    speech, text = compose_speech(Voice(), rng, num_samples=640 * 200)
    assert len(speech.waveform) == 640 * 200
    assert text
    assert any(not phone.ipa and phone.end_s - phone.start_s >= 0.2 for phone in speech.phones)
    spoken, _ = compose_speech(Voice(), rng, text="One, two.")
    assert len(spoken.waveform) % 640 == 0


def test_a_room_moves_nothing_in_time():
    rng = np.random.default_rng(0)
    speech = rng.standard_normal(16000)
    for _ in range(8):
        heard = record(speech, sample_room(rng), rng)
        spectrum = np.fft.rfft(speech, 32000).conj() * np.fft.rfft(heard, 32000)
        assert np.argmax(np.abs(np.fft.irfft(spectrum))) == 0
        assert heard.dtype == np.float32
        assert np.abs(heard).max() <= 1


def test_a_room_has_its_noise_level():
    tone = np.sin(np.arange(32000) * 0.2).astype(np.float32)
    clean = record(tone, Room(snr_db=200), np.random.default_rng(1))
    noisy = record(tone, Room(snr_db=20), np.random.default_rng(1))
    measured = 10 * np.log10((clean**2).mean() / ((noisy - clean) ** 2).mean())
    assert measured == pytest.approx(20, abs=0.1)
    assert np.sqrt((clean**2).mean()) == pytest.approx(0.08, rel=0.01)
