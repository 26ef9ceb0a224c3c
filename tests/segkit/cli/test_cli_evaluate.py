"""`segkit evaluate`: of videos and of models; what cannot be measured is said."""

import json

import numpy as np
import pytest
import torch

from segkit.video import VideoWriter
from tests.talking_ellipse import ellipse_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    people = (("a", "test"), ("b", "test"), ("c", "train"))
    return ellipse_folder(tmp_path_factory.mktemp("clips"), people, num_frames=8)


def film(path, *, num_frames, level=128, sound=None):
    options = dict(width=64, height=48, fps=25, crf=1, preset="ultrafast", waveform=sound)
    with VideoWriter(path, **options) as writer:
        for number in range(num_frames):
            writer.write(np.full((48, 64, 3), level + number, np.uint8))
    return path


def content(folder):
    return json.loads((folder / "report.json").read_text())


def test_a_model_is_measured_on_a_clip_folder(command_line, data, tmp_path):
    words = ["evaluate", "--data", data, "--metrics", "psnr,masks", "--out", tmp_path / "out"]
    result = command_line(*words, "--clips", 1)
    assert result.exit_code == 0, result.output
    found = content(tmp_path / "out")
    assert list(found["clips"]) == ["clip_0"]
    assert 5 < found["values"]["PSNR/psnr"] < 50
    # The upper half is the true one: no method can miss all of it.
    assert found["values"]["IoU/accuracy"] > 0.5
    assert found["inputs"]["model"] == "built in"
    assert "the model's own and the data set's" in found["definitions"]["masks"]
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 3
    assert "pictures/clip_0_worst.png" in (tmp_path / "out" / "report.html").read_text()


def test_the_config_of_a_training_names_the_data(command_line, data, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_DATA", str(data))
    words = ["evaluate", "--config", "tsg_tiny", "--metrics", "psnr", "--split", "train"]
    result = command_line(*words, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert list(content(tmp_path / "out")["clips"]) == ["clip_2"]


def test_published_numbers_stand_beside(command_line, tmp_path):
    one = film(tmp_path / "a.mp4", num_frames=5)
    words = ["evaluate", "--pred", one, "--real", one, "--metrics", "ssim", "--compare"]
    result = command_line(*words, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "SegTalker, table 1" in text
    assert "only rows of one source compare" in text
    assert "Beside published numbers" in (tmp_path / "out" / "report.md").read_text()


def test_three_silent_frames_without_a_face(command_line, tmp_path):
    """Frame metrics have their numbers, all others say why not; no crash, no wrong number."""
    sound = torch.zeros(16_000 // 8)
    pred = film(tmp_path / "p.mp4", num_frames=3, level=100, sound=sound)
    real = film(tmp_path / "r.mp4", num_frames=3, level=110, sound=sound)
    words = ["evaluate", "--pred", pred, "--real", real, "--out", tmp_path / "out"]
    result = command_line(*words, "--metrics", "psnr,lmd,masks,mouth-psnr,mouth-motion,tof")
    assert result.exit_code == 0, result.output
    found = content(tmp_path / "out")
    assert found["values"]["PSNR/psnr"] == pytest.approx(28.13, abs=1)
    for name in ("LMD/M", "PSNR-mouth/psnr", "Mouth/opening", "IoU/miou"):
        assert found["values"][name] == "nan", name
    assert "LMD/M: nothing could be measured in 1 clips" in found["problems"]["all clips"]
    told = " ".join(found["problems"]["p"])
    assert "the face was found in 0 of 3 predicted frames" in told
    assert "the face was found in 0 of 3 real frames" in told
    assert found["values"]["tOF/n"] == 2


def test_a_point_chooses_whose_mouth_is_measured(command_line, photo, tmp_path):
    for name, left in (("real", photo), ("pred", np.roll(photo, 6, axis=0))):
        pair = np.concatenate([left, photo], 1)
        options = dict(width=600, height=300, fps=25, crf=10, preset="ultrafast")
        with VideoWriter(tmp_path / f"{name}.mp4", **options) as writer:
            for _ in range(3):
                writer.write(pair)
    words = ["evaluate", "--pred", tmp_path / "pred.mp4", "--real", tmp_path / "real.mp4"]
    moved = {}
    for side, x in (("left", 150), ("right", 450)):
        out = tmp_path / side
        result = command_line(*words, "--metrics", "lmd", "--point", f"{x},150", "--out", out)
        assert result.exit_code == 0, result.output
        moved[side] = content(out)["values"]["LMD/M"]
    # The mesh sees a shift by 6 pixels to about a pixel.
    assert moved["left"] == pytest.approx(6, abs=1.5)
    assert moved["right"] < 0.2
    result = command_line(*words, "--face", 0, "--point", "1,2", "--out", tmp_path / "out")
    assert "leave one" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "expected --pred and --real"),
        (["--pred", "a.mp4"], "expected --pred and --real"),
        (["--pred", "a.mp4", "--data", "x"], "got some of both"),
        (["--checkpoint", "x.pth"], "--data: a model is measured on a clip folder"),
        (["--data", "x", "--face", "0"], "--face: for videos alone"),
        (["--data", "x", "--ref-image", "gone.jpg"], "--ref-image: for videos alone"),
        (["--data", "absent"], "clip folder absent does not exist"),
        (["--pred", "a.mp4", "--real", "b.mp4"], "--pred: a.mp4 does not exist"),
    ],
)
def test_what_is_missing_is_named(command_line, tmp_path, words, told):
    result = command_line("evaluate", *words, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()
