"""`segkit demo`: its plan is carried out and shown; the drawing itself is tested elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.video_writer import VideoWriter


def test_demo_says_first_when_the_model_is_not_there(command_line, tmp_path, monkeypatch):
    def absent():
        raise FileNotFoundError("the built-in model is not in this installation")

    monkeypatch.setattr("segkit.talk.bundle.builtin_bundle_path", absent)
    result = command_line("demo", "--out", tmp_path / "demo")
    assert result.exit_code == 2
    assert "built-in model" in result.stderr
    assert not (tmp_path / "demo").exists()


def test_demo_makes_three_videos_and_a_sheet(command_line, tmp_path, monkeypatch, smallest_bundle):
    pytest.importorskip("espeakng_loader", reason="needs the extra `synth`")
    calls = []

    def talk(**options):
        calls.append(options)
        inputs = [options["video"] or options["image"], options["audio"]]
        assert all(Path(path).stat().st_size > 0 for path in inputs)
        with VideoWriter(options["out"], width=64, height=64, fps=25, force=True) as video:
            for _ in range(4):
                video.write(np.full((64, 64, 3), 60 * len(calls), np.uint8))

    monkeypatch.setattr("segkit.cli.demo._SIZE", 64)
    monkeypatch.setattr("segkit.talk.bundle.builtin_bundle_path", lambda: smallest_bundle)
    monkeypatch.setattr("segkit.talk.pipeline.talk", talk)
    out = tmp_path / "demo"
    result = command_line("demo", "--out", out)
    assert result.exit_code == 0, result.output

    made = sorted(path.name for path in out.iterdir() if path.is_file())
    assert made == ["1_new_words.mp4", "2_photograph.mp4", "3_edited.mp4", "contact_sheet.png"]
    assert all(name in result.stdout for name in made)
    assert [bool(call["video"]) for call in calls] == [True, False, False]
    assert {"background", "swaps", "blinks"} <= set(calls[2])
    assert Path(calls[2]["swaps"][0].removeprefix("lip=")).is_file()
    sheet = np.asarray(Image.open(out / "contact_sheet.png"))
    assert sheet.shape[0] == 4 * (160 + 22) + 4
    for row, value in ((1, 60), (2, 120), (3, 180)):
        top = row * (160 + 22) + 22
        assert abs(float(sheet[top : top + 160, 4:164].mean()) - value) < 3
