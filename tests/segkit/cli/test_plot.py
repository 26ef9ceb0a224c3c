"""`segkit plot`: what is refused, and that pictures and numbers appear."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.cli.plot import parse_layers
from segkit.clips import write_clip, write_manifest
from segkit.regions import SCHEME_12

pytest.importorskip("sklearn", reason="needs the extra `plot`")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two test people, and a train split of one, as coloured shapes of 32 px."""
    root = tmp_path_factory.mktemp("clips")
    labels = np.zeros((32, 32), np.uint8)
    for name, top, bottom in (("hair", 4, 9), ("skin", 9, 28), ("eyes", 12, 14), ("lip", 20, 25)):
        labels[top:bottom, 9:23] = SCHEME_12.index(name)
    labels[23:25, 12:20] = SCHEME_12.index("mouth")
    entries = []
    for number, split in enumerate(("test", "test", "train")):
        random = np.random.default_rng(number)
        colours = random.integers(0, 256, (12, 3)).astype(np.uint8)
        frames = [colours[labels] // 2 + random.integers(0, 9, 3).astype(np.uint8)] * 6
        waveform = torch.from_numpy(random.normal(0, 0.1, 640 * 6)).float()
        entries.append(
            write_clip(root, f"clip_{number}", frames=frames, masks=[labels] * 6,
                       waveform=waveform, person_id=f"person_{number}", split=split)
        )  # fmt: skip
    write_manifest(root, entries)
    return root


def refused(result, *parts):
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    for part in parts:
        assert str(part) in result.stderr


@pytest.mark.parametrize("command", ["styles", "masks", "flow"])
def test_every_picture_explains_itself_with_an_example(command_line, command):
    result = command_line("plot", command, "--help")
    assert result.exit_code == 0
    assert f"Example: segkit plot {command}" in " ".join(result.stdout.split())
    assert "segkit[plot]" in result.stdout


def test_plot_stands_among_the_commands(command_line):
    assert "plot" in command_line("--help").stdout.split()
    words = command_line("plot", "--help").stdout.split()
    assert {"styles", "masks", "flow"} <= set(words)


def test_styles_writes_a_picture_and_its_numbers(command_line, folder, smallest_bundle, tmp_path):
    out, record = tmp_path / "styles.png", tmp_path / "styles.json"
    words = ["plot", "styles", "--data", folder, "--model", smallest_bundle, "--out", out]
    words += ["--frames", 3, "--layers", "1-2,5", "--seed", 7]
    result = command_line(*words)
    assert result.exit_code == 0, result.output
    with Image.open(out) as picture:
        assert picture.size == (2200, 1356)
    written = json.loads(record.read_text())
    assert written["settings"]["people"] == ["person_0", "person_1"]
    assert written["settings"]["layers"] == [1, 2, 5]
    assert written["settings"]["seed"] == 7
    assert written["settings"]["num_codes"] == 2 * 3 * 6  # every region is seen
    assert written["numbers"]["trained"]["person"]["purity"] == 1
    assert "layers 1, 2, 5 of 0..7" in result.stdout
    for words_of_row in ("by region", "by person", "from -1 (mixed)", "within each region"):
        assert words_of_row in result.stdout
    assert sorted(tmp_path.iterdir()) == [record, out]

    before = out.read_bytes()
    out.write_bytes(b"dear to me")
    refused(command_line(*words), out, "--force")
    out.unlink()
    refused(command_line(*words), record, "--force")
    assert command_line(*words, "--force").exit_code == 0
    assert out.read_bytes() == before
    assert json.loads(record.read_text()) == written


def test_styles_refuses_what_says_nothing(command_line, folder, smallest_bundle, tmp_path):
    words = [
        "plot",
        "styles",
        "--data",
        folder,
        "--model",
        smallest_bundle,
        "--out",
        tmp_path / "a.png",
    ]
    refused(command_line(*words, "--split", "train"), "two people or more, got 1")
    refused(command_line(*words, "--split", "dev"), "no clips of split 'dev'")
    refused(command_line(*words, "--layers", "8"), "0..7, got 8")
    refused(command_line(*words, "--layers", "first"), "--layers")
    refused(command_line(*words[:-1], tmp_path / "a.jpg"), ".png")
    refused(command_line("plot", "styles", "--data", tmp_path / "absent"), "absent does not exist")
    assert not list(tmp_path.iterdir())


def test_a_missing_library_is_one_sentence(command_line, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    result = command_line("plot", "styles", "--data", folder, "--out", tmp_path / "a.png")
    refused(result)
    assert result.stderr == "error: plots need scikit-learn: pip install 'segkit[plot]'\n"


def test_masks_writes_a_picture_and_tells_the_overlaps(
    command_line, folder, smallest_bundle, tmp_path
):
    out = tmp_path / "masks.png"
    words = ["plot", "masks", "--data", folder, "--model", smallest_bundle, "--out", out]
    result = command_line(*words, "--frames", 4, "--clip", "clip_1")
    assert result.exit_code == 0, result.output
    assert "clip_1, 4 frames" in result.stdout
    assert result.stdout.count("IoU of lips and mouth") == 2
    with Image.open(out) as picture:
        assert picture.width > 1000
    refused(command_line(*words), out, "--force")
    assert command_line(*words, "--force", "--split", "train").stdout.count("IoU of lips") == 1


def test_masks_refuses(command_line, folder, smallest_bundle, tmp_path):
    words = ["plot", "masks", "--model", smallest_bundle, "--out", tmp_path / "a.png"]
    refused(command_line(*words), "--data or --video")
    refused(command_line(*words, "--video", tmp_path / "absent.mp4"), "--video", "does not exist")
    refused(command_line(*words, "--data", folder, "--clip", "x"), "no clip 'x'", "clip_0, clip_1")
    assert not list(tmp_path.iterdir())


def test_flow_draws_a_photograph_and_a_voice(
    command_line, smallest_bundle, portrait, voice, tmp_path
):
    out = tmp_path / "flow.svg"
    words = ["plot", "flow", "--image", portrait, "--audio", voice, "--out", out]
    words += ["--model", smallest_bundle]
    result = command_line(*words, "--swap", f"hair={portrait}")
    assert result.exit_code == 0, result.output
    text = out.read_text()
    assert all(f">{word}</" in text for word in ("decoder", "generator", "hair", "talking mask"))
    assert text.count("<image") >= 8
    refused(command_line(*words), out, "--force")
    refused(command_line(*words, "--force", "--swap", "beak"), "no region 'beak'")
    refused(command_line(*words, "--force", "--swap", "lip=absent.png"), "--swap", "absent.png")
    assert out.read_text() == text


@pytest.mark.parametrize(
    ("text", "layers"), [("all", None), ("3", [3]), ("0-3,7", [0, 1, 2, 3, 7]), ("2, 1-2", [1, 2])]
)
def test_layers_as_they_are_written(text, layers):
    assert parse_layers(text) == layers


@pytest.mark.parametrize("text", ["", "a", "1-", "-2", "3-1", "1,,2"])
def test_layers_that_are_none(text):
    with pytest.raises(ValueError, match="--layers"):
        parse_layers(text)
