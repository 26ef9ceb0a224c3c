"""A folder of talking videos becomes a clip folder; bad ones are reported, finished ones kept."""

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segkit.audio import load_audio
from segkit.clips import ClipFolder, write_clip, write_manifest
from segkit.prepare import find_videos, prepare_folder
from segkit.video import VideoReader, VideoWriter

SHARED = Path(os.environ.get("SEGKIT_SHARED", Path(__file__).parents[2].parent / "shared"))
RATE = 30
NUM = 24


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    data = pytest.importorskip("skimage.data")
    return data.astronaut()[:280, 80:380]


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
    assert not (tmp_path / "out").exists()
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
