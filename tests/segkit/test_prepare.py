"""Talking videos become a clip folder: bad ones set aside, shots apart, finished clips kept."""

import contextlib
import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch

from segkit.audio import load_audio
from segkit.clips import ClipFolder, write_clip, write_manifest
from segkit.faces import FaceMesh
from segkit.prepare import find_videos, prepare_folder
from segkit.preparing.clip_maker import ClipMaker
from segkit.preparing.footage import Footage
from segkit.preparing.quarantine import Quarantine
from segkit.preparing.workers import Died
from segkit.video import VideoReader, VideoWriter

SHARED = Path(os.environ.get("SEGKIT_SHARED", Path(__file__).parents[2].parent / "shared"))
RATE = 30
NUM = 24


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return skimage.data.astronaut()[:280, 80:380]


def talking_video(path: Path, face: np.ndarray, *, sound: bool = True) -> None:
    """A face that slides sideways for 0.8 s at 30 fps, with nobody in the first frames."""
    seconds = NUM / RATE
    waveform = 0.3 * torch.sin(torch.arange(round(16_000 * seconds)) * 0.1)
    with VideoWriter(
        path,
        width=240,
        height=240,
        fps=RATE,
        waveform=waveform if sound else None,
        preset="ultrafast",
    ) as writer:
        for number in range(NUM):
            shift = 20 + number
            frame = face[20:260, shift : shift + 240]
            writer.write(frame if number >= 6 else np.full_like(frame, 90))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, face: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "more").mkdir()
    talking_video(folder / "anna_01.mp4", face)
    talking_video(folder / "more" / "ben_01.mov", face[:, ::-1])
    talking_video(folder / "mute_1.mp4", face, sound=False)
    whole = (folder / "anna_01.mp4").read_bytes()
    (folder / "cut_1.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "empty_1.mp4").touch()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    with VideoWriter(
        folder / "nobody_1.mp4", width=64, height=64, fps=25, waveform=torch.zeros(6400)
    ) as writer:
        for _ in range(10):
            writer.write(noise)
    (folder / "notes.txt").write_text("not a video")
    return folder


SETTINGS: dict[str, Any] = {"size": 96, "min_frames": 10, "progress": False, "storage": "png"}


@pytest.fixture(scope="module")
def prepared(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("prepared")
    return out, prepare_folder(videos, out, **SETTINGS)


def test_good_videos_become_clips_and_bad_ones_are_reported(
    videos: Path, prepared: tuple[Path, Any]
) -> None:
    out, report = prepared
    assert sorted(report.clips) == ["anna_01", "more-ben_01"]
    assert report.num_new == 2
    reasons = {Path(video).name: reason for video, reason in report.skipped.items()}
    assert set(reasons) == {"mute_1.mp4", "cut_1.mp4", "empty_1.mp4", "nobody_1.mp4"}
    assert "no audio stream" in reasons["mute_1.mp4"]
    assert "truncated" in reasons["cut_1.mp4"]
    assert "is empty" in reasons["empty_1.mp4"]
    assert "no face" in reasons["nobody_1.mp4"]
    assert sorted(path.name for path in (out / "clips").iterdir()) == ["anna_01", "more-ben_01"]
    folder = ClipFolder(out)
    assert folder.stats["clips"] == {"train": 1, "val": 1}  # two persons: one is held out
    assert {clip.entry["person_id"] for clip in folder.clips(None)} == {"anna", "ben"}


def test_crops_masks_and_sound_agree(prepared: tuple[Path, Any]) -> None:
    for clip in ClipFolder(prepared[0]).clips(None):
        # 0.8 s are 20 frames at 25 fps; the first 0.2 s show nobody.
        assert clip.num_frames == 15
        assert clip.entry["source"]["first_frame"] == 5
        assert clip.valid_ranges == [(0, 15)]
        expected = 0.3 * torch.sin(torch.arange(640 * 5, 640 * 20) * 0.1)
        assert (clip.waveform - expected)[:9000].abs().max() < 0.05
        frames, masks = clip.frames(range(15)), clip.masks(range(15))
        assert frames.shape == (15, 96, 96, 3)
        extra = clip.extra()
        eyes = [mask for mask in masks == 3]
        rows = [np.nonzero(eye)[0].mean() / 96 for eye in eyes]
        assert np.abs(np.array(rows) - 0.42).max() < 0.05
        lips = [np.nonzero(np.isin(mask, (1, 9)))[0].mean() / 96 for mask in masks]
        assert np.abs(np.array(lips) - 0.66).max() < 0.05
        # The face slides through the film but stands still in the crop.
        assert np.ptp(extra["transforms"][:, 0, 2]) > 5
        steps = [np.abs(a.astype(int) - b).mean() for a, b in itertools.pairwise(frames[:, 30:70])]
        assert max(steps) < 12


def test_a_second_run_keeps_everything(videos: Path, prepared: tuple[Path, Any]) -> None:
    out, _ = prepared
    before = {path: path.stat().st_mtime_ns for path in out.rglob("frames/*")}
    manifest = (out / "manifest.jsonl").read_bytes()
    report = prepare_folder(videos, out, **SETTINGS)
    assert (sorted(report.clips), report.num_new) == (["anna_01", "more-ben_01"], 0)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("frames/*")} == before
    assert (out / "manifest.jsonl").read_bytes() == manifest


def lines_of(out: Path) -> dict[str, dict[str, Any]]:
    lines = (out / "quarantine.jsonl").read_text().splitlines()
    assert len({json.loads(line)["clip"] for line in lines}) == len(lines)
    return {entry["clip"]: entry for entry in map(json.loads, lines)}


def content(out: Path) -> dict[str, bytes]:
    """Every file but the quarantine, which tells the time."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
    found.pop("quarantine.jsonl", None)
    return found


def test_bad_videos_are_in_the_quarantine(videos: Path, prepared: tuple[Path, Any]) -> None:
    out, report = prepared
    found = lines_of(out)
    assert sorted(found) == ["cut_1", "empty_1", "mute_1", "nobody_1"]
    assert report.num_quarantined == 4
    assert found["mute_1"]["reason"] == report.skipped[str(videos / "mute_1.mp4")]
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert found["empty_1"]["sha256"] == nothing  # of no bytes at all


def test_a_quarantined_video_waits_for_retry_or_another_file(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    (tmp_path / "videos").mkdir()
    for name in ("anna_01.mp4", "mute_1.mp4"):
        shutil.copy(videos / name, tmp_path / "videos" / name)
    make = ClipMaker.make

    def listened(self: ClipMaker, footage: Footage, **others: Any) -> Any:
        tried.append(footage.clip_id)
        return make(self, footage, **others)

    monkeypatch.setattr(ClipMaker, "make", listened)

    def run(**changes: Any) -> Any:
        tried.clear()
        return prepare_folder(tmp_path / "videos", tmp_path / "out", **{**SETTINGS, **changes})

    run()
    assert tried == ["anna_01", "mute_1"]
    report = run()
    assert (tried, report.num_quarantined) == ([], 1)
    assert "no audio stream" in report.skipped[str(tmp_path / "videos" / "mute_1.mp4")]
    assert (run(retry=True).num_quarantined, tried) == (1, ["mute_1"])
    shutil.copy(videos / "more" / "ben_01.mov", tmp_path / "videos" / "mute_1.mp4")
    report = run()
    assert (tried, report.clips, report.skipped) == (["mute_1"], ["anna_01", "mute_1"], {})
    assert lines_of(tmp_path / "out") == {}


def test_a_quarantined_video_is_tried_again_when_what_refused_it_changes(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    make = ClipMaker.make

    def listened(self: ClipMaker, footage: Footage, **others: Any) -> Any:
        tried.append(footage.clip_id)
        return make(self, footage, **others)

    monkeypatch.setattr(ClipMaker, "make", listened)

    def run(**changes: Any) -> Any:
        tried.clear()
        with contextlib.suppress(ValueError):  # that none could be used
            prepare_folder(videos, tmp_path, **{**SETTINGS, **changes})
        listed = Quarantine(tmp_path).entries  # the last line of each counts
        return sorted(tried), {name: line["settings"] for name, line in listed.items()}

    everything = ["anna_01", "cut_1", "empty_1", "more-ben_01", "mute_1", "nobody_1"]
    short = {"face": None, "min_frames": 16}
    unseen = {"face": None, "parser": "MeshParser"}
    files = {"cut_1": {}, "empty_1": {}, "mute_1": {}}  # no setting gives these a sound
    too_short = {"anna_01": short, "more-ben_01": short}
    assert run(min_frames=16) == (everything, {**files, **too_short, "nobody_1": unseen})
    assert run(min_frames=16)[0] == []
    # No face is no matter of length; the two that show one for 15 frames are made now.
    assert run() == (["anna_01", "more-ben_01"], {**files, "nobody_1": unseen})
    assert run(face=0)[0] == ["nobody_1"]
    assert run(face=0)[0] == []
    assert run(face=0, retry=True)[0] == ["cut_1", "empty_1", "mute_1", "nobody_1"]


def test_any_crash_is_quarantined_with_its_kind(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = FaceMesh.__call__, itertools.count()

    def fails_once(self: FaceMesh, *arguments: Any) -> Any:
        if next(calls) == 3:
            raise ZeroDivisionError("nobody thought of this")
        return whole(self, *arguments)

    monkeypatch.setattr(FaceMesh, "__call__", fails_once)
    report = prepare_folder(videos, tmp_path, **SETTINGS)
    assert report.clips == ["more-ben_01"]
    assert "ZeroDivisionError: nobody thought of this" in lines_of(tmp_path)["anna_01"]["reason"]


def test_ctrl_c_keeps_whole_clips_and_the_next_run_gives_the_same_files(
    videos: Path, prepared: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = FaceMesh.__call__, itertools.count()

    def interrupted(self: FaceMesh, *arguments: Any) -> Any:
        if next(calls) == 26:  # in the middle of the second film
            raise KeyboardInterrupt
        return whole(self, *arguments)

    with monkeypatch.context() as patched, contextlib.suppress(KeyboardInterrupt):
        patched.setattr(FaceMesh, "__call__", interrupted)
        prepare_folder(videos, tmp_path, **SETTINGS)
        raise AssertionError("nothing interrupted it")
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["anna_01"]
    assert [clip.clip_id for clip in ClipFolder(tmp_path).clips(None)] == ["anna_01"]
    prepare_folder(videos, tmp_path, **SETTINGS)
    assert content(tmp_path) == content(prepared[0])


def test_several_processes_give_the_same_files(
    videos: Path, prepared: tuple[Path, Any], tmp_path: Path
) -> None:
    report = prepare_folder(videos, tmp_path, **SETTINGS, jobs=2)
    assert (report.clips, report.num_quarantined) == (["anna_01", "more-ben_01"], 4)
    assert content(tmp_path) == content(prepared[0])
    assert sorted(lines_of(tmp_path)) == sorted(lines_of(prepared[0]))


def test_a_killed_worker_costs_its_video_only(
    videos: Path, prepared: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool reports a death; what was half written goes, what is whole stays."""

    def jobs_die(setup: Any, jobs: list[Any], **others: Any) -> Any:
        work = setup()
        for number, job in enumerate(jobs):
            if job.footage.clip_id == "more-ben_01":
                (tmp_path / "clips" / ".more-ben_01.part").mkdir()
                (tmp_path / "clips" / "more-ben_01_s000").mkdir()
                yield number, Died(-9)
            else:
                yield number, work(job, lambda *words: None)

    monkeypatch.setattr("segkit.preparing.run.run_jobs", jobs_die)
    report = prepare_folder(videos, tmp_path, **SETTINGS)
    assert report.clips == ["anna_01"]
    assert "was killed (SIGKILL)" in lines_of(tmp_path)["more-ben_01"]["reason"]
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["anna_01"]
    monkeypatch.undo()
    prepare_folder(videos, tmp_path, **SETTINGS, retry=True)
    assert content(tmp_path) == content(prepared[0])


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, face: np.ndarray) -> Path:
    """A face, a hard cut, nobody, a hard cut, the face in less light: 15, 5, 15 frames."""
    path = tmp_path_factory.mktemp("film") / "carl_1.mp4"
    dark = (face * 0.55).astype(np.uint8)
    shots = [(face, 15), (np.full_like(face, 220), 5), (dark, 15)]
    waveform = 0.3 * torch.sin(torch.arange(640 * 35) * 0.1)
    with VideoWriter(
        path, width=240, height=240, fps=25, waveform=waveform, preset="ultrafast"
    ) as writer:
        for picture, count in shots:
            for number in range(count):
                writer.write(picture[20:260, 20 + number : 260 + number])
    return path


def test_each_shot_becomes_a_clip(film: Path, tmp_path: Path) -> None:
    report = prepare_folder(film, tmp_path, **SETTINGS)
    assert report.clips == ["carl_1_s000", "carl_1_s001"]
    clips = ClipFolder(tmp_path).clips("train")  # one person: both in one split
    places = [clip.entry["source"]["first_frame"] for clip in clips]
    # The first frame of a new shot may be too poor to show a face.
    assert (places[0], clips[0].num_frames, places[1] in (20, 21)) == (0, 15, True)
    assert places[1] + clips[1].num_frames == 35
    for clip, place in zip(clips, places, strict=True):
        times = torch.arange(640 * place, 640 * (place + clip.num_frames)) * 0.1
        assert (clip.waveform - 0.3 * torch.sin(times))[500:8500].abs().max() < 0.1
        assert clip.entry["person_id"] == "carl"
    light = [clip.frames([7]).mean() for clip in clips]
    assert light[0] > 1.4 * light[1]


def test_a_half_finished_film_is_finished(film: Path, tmp_path: Path) -> None:
    prepare_folder(film, tmp_path, **SETTINGS)
    before = content(tmp_path)
    shutil.rmtree(tmp_path / "clips" / "carl_1_s001")
    report = prepare_folder(film, tmp_path, **SETTINGS)
    assert (report.num_new, report.clips) == (1, ["carl_1_s000", "carl_1_s001"])
    assert content(tmp_path) == before


def test_clips_of_another_recipe_are_not_mixed(videos: Path, prepared: tuple[Path, Any]) -> None:
    with pytest.raises(ValueError, match="clips of size 96 by MeshParser, wanted are size 128"):
        prepare_folder(videos, prepared[0], **{**SETTINGS, "size": 128})


def test_clips_of_others_stay(videos: Path, tmp_path: Path) -> None:
    entry = write_clip(
        tmp_path, "theirs", frames=np.zeros((3, 96, 96, 3), np.uint8), person_id="zoe",
        masks=np.zeros((3, 96, 96), int), waveform=torch.zeros(1920), split="test",
    )  # fmt: skip
    write_manifest(tmp_path, [entry])
    (tmp_path / "clips" / "anna_01").mkdir()
    report = prepare_folder(videos, tmp_path, **SETTINGS)
    assert "exists already" in report.skipped[str(videos / "anna_01.mp4")]
    assert not list((tmp_path / "clips" / "anna_01").iterdir())
    splits = {clip.clip_id: clip.entry["split"] for clip in ClipFolder(tmp_path).clips(None)}
    assert splits == {"theirs": "test", "more-ben_01": "train"}


def test_a_folder_without_one_good_video_is_an_error(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/empty.mp4").touch()
    with pytest.raises(ValueError, match=r"none of the 1 videos(.|\n)*empty\.mp4 is empty"):
        prepare_folder(tmp_path / "bad", tmp_path / "out", **SETTINGS)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["quarantine.jsonl"]
    with pytest.raises(FileNotFoundError, match="give a folder of talking videos"):
        prepare_folder(tmp_path / "none", tmp_path / "out", **SETTINGS)
    with pytest.raises(FileNotFoundError, match=r"holds no video \(\.mp4"):
        prepare_folder(Path(__file__).parent, tmp_path, **SETTINGS)
    with pytest.raises(KeyError, match="no component named 'MeshParsr'"):
        prepare_folder(videos, tmp_path / "out", **{**SETTINGS, "parser": "MeshParsr"})


def test_names_stay_apart(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.MOV", "b c/ä.mkv", "out/clips/x/video.mp4", "skip.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_videos(tmp_path, tmp_path / "out")
    assert sorted(found) == ["a.MOV", "a.mp4", "b_c-ä"]


def test_a_real_clip_of_variable_rate(tmp_path: Path) -> None:
    path = SHARED / "clips" / "square_700_vfr.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    (tmp_path / "videos").mkdir()
    man, sound = tmp_path / "videos" / "man.mp4", load_audio(path)[:16_000]
    with VideoReader(path) as film:
        size = {"width": film.width, "height": film.height}
        with VideoWriter(man, **size, fps=film.fps, waveform=sound, preset="ultrafast") as writer:
            for frame in itertools.takewhile(lambda frame: frame.time_s < 1, film):
                writer.write(frame.image, frame.time_s)
    prepare_folder(tmp_path / "videos", tmp_path / "out", **SETTINGS)
    (clip,) = ClipFolder(tmp_path / "out").clips("train")
    assert abs(clip.num_frames - 25) <= 1
    labels = clip.masks(range(clip.num_frames))
    shares = np.bincount(labels.ravel(), minlength=12) / labels.size
    assert 0.15 < shares[6] < 0.5  # skin
    assert (shares[[1, 2, 3, 4, 5, 8]] > 0.002).all()  # lips, brows, eyes, hair, nose, neck
