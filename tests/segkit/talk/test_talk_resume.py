"""A talk that is stopped goes on where it was, and nothing of another talk slips in."""

import inspect
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from segkit.audio import save_wav
from segkit.talk.description import describe
from segkit.talk.job import prepare_job
from segkit.talk.pipeline import talk
from segkit.talk.resume import Segment, WorkFolder
from segkit.talk.sources import Played
from segkit.talk.windows import first_frame, num_segments, windows
from segkit.video import VideoReader, VideoWriter

SCRIPT = """
import json, sys
from segkit.talk.pipeline import talk
talk(progress=False, **json.loads(sys.argv[1]))
"""


def images(path):
    with VideoReader(path) as reader:
        return [(frame.image, frame.time_s) for frame in reader]


@pytest.fixture
def swaying(tmp_path, portrait, tools):
    return tools.write_film(tmp_path / "film.mp4", portrait, num_frames=30, fps=25, size=(128, 128))


def test_after_a_kill_the_same_command_makes_the_same_film(
    tmp_path, swaying, tiny_path, caplog, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    out = tmp_path / "out.mp4"
    wish = {"video": str(swaying), "model": str(tiny_path), "segment_frames": 6, "batch_size": 4}
    wish |= {"background": "blur", "credentials": False}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(wish | {"out": str(out)})],
        stderr=subprocess.DEVNULL,
    )
    work = tmp_path / ".out.mp4.segkit"
    deadline = time.monotonic() + 120
    while not (work / "00001.json").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not out.exists()
    assert len(list(work.glob("?????.json"))) in (2, 3)

    with caplog.at_level(logging.WARNING, "segkit.talk"):
        report = talk(out=out, progress=False, **wish)
    assert report["resumed_frames"] in (12, 18)
    assert f"going on at frame {report['resumed_frames']} of 30" in caplog.text
    assert not work.exists()
    whole = tmp_path / "whole.mp4"
    assert talk(out=whole, progress=False, **wish)["resumed_frames"] == 0
    pairs = list(zip(images(out), images(whole), strict=True))
    assert len(pairs) == report["frames"] == 30
    for (image, time_s), (other, other_s) in pairs:
        assert np.array_equal(image, other)
        assert time_s == other_s
    assert out.read_bytes() == whole.read_bytes()


def test_a_failure_keeps_finished_segments_for_the_same_talk_only(
    tmp_path, swaying, caplog, tools, monkeypatch
):
    out = tmp_path / "out.mp4"
    wish = {"out": out, "video": swaying, "model": tools.make_tiny(), "progress": False}
    wish |= {"segment_frames": 10, "credentials": False, "parser": tools.FixedParser()}

    def stop_half_way(**changed):
        written = itertools.count()

        class Stopping(VideoWriter):
            def write(self, image, time_s=None):
                if next(written) == 15:
                    raise RuntimeError("no more memory")
                super().write(image, time_s)

        with monkeypatch.context() as patch:
            patch.setattr("segkit.talk.rendering.VideoWriter", Stopping)
            with pytest.raises(RuntimeError, match="no more memory"):
                talk(**wish | changed)

    stop_half_way()
    assert "stopped after 10 frames; the same command goes on there" in caplog.text
    assert talk(**wish)["resumed_frames"] == 10
    stop_half_way(force=True)
    report = talk(**wish, crf=20, force=True)
    assert report["resumed_frames"] == 0
    assert "starting afresh: the work kept for" in caplog.text
    assert "has quality crf 17, veryfast, this talk crf 20, veryfast" in caplog.text
    stop_half_way(force=True)
    assert talk(**wish, force=True, resume=False)["resumed_frames"] == 0
    assert "starting afresh, as asked" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "out.mp4"]


def test_what_decides_the_frames_is_in_the_description(
    tmp_path, swaying, tools, portrait_path, monkeypatch
):
    # The words are what counts here; no graph is made.
    monkeypatch.setattr("segkit.talk.job.check_backend", lambda *a: None)
    monkeypatch.setattr("segkit.talk.job.with_backend", lambda bundle, **_: bundle)
    save_wav(tmp_path / "voice.wav", tools.voice(0.2))
    usual = dict.fromkeys(inspect.signature(prepare_job).parameters) | {
        "out": tmp_path / "out.mp4", "video": swaying, "model": tools.make_tiny(), "swaps": (),
        "blinks": (), "mask_edits": (), "on_short_video": "pingpong", "on_long_video": "trim",
        "parser": tools.FixedParser(), "batch_size": 8, "force": False, "credentials": False,
        "backend": "torch", "precision": "fp32",
    }  # fmt: skip

    def described(*, crf=17, preset="fast", segment_frames=10, **changed):
        job = prepare_job(**usual | changed)
        return describe(job, crf=crf, preset=preset, segment_frames=segment_frames)

    plain = described()
    assert described(out=tmp_path / "other.mp4", force=True) == plain
    for name, change in {
        "--audio": {"audio": tmp_path / "voice.wav"},
        "--model": {"model": tools.make_tiny(seed=1)},
        "--parser": {"parser": tools.BrokenParser(ValueError())},
        "--face": {"face": 0},
        "edits": {"swaps": [f"hair={portrait_path}"]},
        "--on-short-video": {"on_short_video": "loop"},
        "--on-long-video": {"on_long_video": "keep"},
        "batch and segment": {"batch_size": 7},
        "quality": {"crf": 20, "preset": "slow"},
        "--backend": {"backend": "openvino", "precision": "bf16"},
    }.items():
        other = described(**change)
        assert [key for key in plain if plain[key] != other[key]] == [name]
    renamed = tools.make_tiny()
    renamed.configs["generator"]["num_masked_layers"] = 1  # no weight tells
    assert described(model=renamed)["--model"] != plain["--model"]
    os.utime(swaying, (1, 1))  # another film, as far as one can tell
    changed = described()
    assert changed["--video or --image"] != plain["--video or --image"]


def test_windows_cover_every_frame_once_and_see_their_neighbours():
    for total in (1, 10, 24, 25, 61):
        for first in range(num_segments(total, size=12)):
            pulled = range(first_frame(first, size=12), total)
            played = (Played(np.zeros(1), number / 25, number) for number in pulled)
            own, seen = [], []
            for window in windows(played, total=total, first=first, size=12):
                numbers = [frame.number for frame in window.frames]
                seen.append(numbers)
                own += numbers[window.lead : window.lead + window.size]
            assert own == list(range(12 * first, total))
            for number, numbers in enumerate(seen, first):
                start, stop = max(0, 12 * number - 8), min(total, 12 * number + 16)
                assert numbers == list(range(start, stop))


def test_two_processes_do_not_make_one_output(tmp_path):
    with WorkFolder(tmp_path / "out.mp4", {"a": "1"}):
        with pytest.raises(ValueError, match="another process is making"):
            WorkFolder(tmp_path / "out.mp4", {"a": "1"}).__enter__()
        assert (tmp_path / ".out.mp4.segkit").is_dir()
    assert not (tmp_path / ".out.mp4.segkit").exists()


def test_foreign_files_are_not_deleted(tmp_path):
    folder = tmp_path / ".out.mp4.segkit"
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"diary\.txt"), WorkFolder(tmp_path / "out.mp4", {}):
        pass
    assert (folder / "diary.txt").read_text() == "mine"


def test_segments_end_at_the_first_hole(tmp_path):
    work = WorkFolder(tmp_path / "out.mp4", {"a": "1"})
    work.path.mkdir()
    for number in (0, 1, 3):
        work.finish(number, Segment([number / 25], [False]))
    assert [segment.times_s for segment in work.segments()] == [[0.0], [0.04]]
