"""`segkit synth`, `prepare`, `inspect`, `pack`, `fit`, `bundle`: refusals, and what they say."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.clips import ClipFolder
from segkit.video import VideoWriter
from tests.talking_ellipse import ellipse_folder


def refused(result, *parts):
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    for part in parts:
        assert str(part) in result.stderr


def test_synth_refuses_what_it_did_not_make(command_line, tmp_path):
    (tmp_path / "mine.txt").write_text("dear to me")
    refused(command_line("synth", "--out", tmp_path), tmp_path)
    refused(command_line("synth", "--out", tmp_path, "--force"), tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "dear to me"


def test_synth_force_replaces_its_own(command_line, tmp_path, monkeypatch):
    import segkit.synthetic.dataset as dataset

    made = []

    def make(out, **settings):
        out.mkdir(exist_ok=True)
        if (out / dataset.SETTINGS).exists():
            raise FileExistsError(f"{out} holds clips of other settings")
        (out / dataset.SETTINGS).write_text("{}")
        made.append(settings)

    monkeypatch.setattr(dataset, "make_dataset", make)
    out = tmp_path / "data"
    assert command_line("synth", "--out", out, "--clips", "3", "--seed", "5").exit_code == 0
    refused(command_line("synth", "--out", out), "other settings")
    assert command_line("synth", "--out", out, "--force").exit_code == 0
    assert [settings["num_clips"] for settings in made] == [3, 200]
    assert made[0]["seed"] == 5


@pytest.mark.parametrize(
    "words", [("--clips", "0"), ("--size", "16"), ("--size", "65"), ("--seconds", "0")]
)
def test_synth_refuses_impossible_numbers(command_line, tmp_path, words):
    assert command_line("synth", "--out", tmp_path / "data", *words).exit_code == 2
    assert not (tmp_path / "data").exists()


def test_prepare_refuses(command_line, tmp_path):
    out = tmp_path / "out"
    refused(command_line("prepare", tmp_path / "absent", "--out", out), "absent does not exist")
    (tmp_path / "empty").mkdir()
    refused(command_line("prepare", tmp_path / "empty", "--out", out), "empty")
    (tmp_path / "empty" / "a.mp4").write_text("no film")
    refused(
        command_line("prepare", tmp_path / "empty", "--out", out, "--parser", "MeshPaser"),
        "MeshParser",
    )
    refused(command_line("prepare", tmp_path / "empty", "--out", out), "a.mp4")


def test_prepare_names_wrong_options_before_it_works(command_line, tmp_path):
    film = tmp_path / "a.mp4"
    film.write_text("no film")
    out = tmp_path / "out"
    refused(command_line("prepare", film, "--out", out, "--features", "Phonems"), "--features")
    refused(command_line("prepare", film, "--out", out, "--sync", tmp_path / "no"), "--sync")
    notes = tmp_path / "notes"
    notes.mkdir()
    refused(command_line("prepare", tmp_path, "--out", out, "--hdtf", notes), "no times")
    assert not out.exists()


def test_prepare_cuts_what_hdtf_annotates(command_line, tmp_path, monkeypatch):
    """The second face, seconds 1 to 3 of 4, a dead link, and a second run that does nothing."""
    import skimage.data

    monkeypatch.setenv("SEGKIT_WEIGHTS", str(tmp_path))
    face = skimage.data.astronaut()[20:260, 100:340]
    pair = np.concatenate([face, face[:, ::-1] // 2], 1)
    waveform = torch.zeros(64_000)
    waveform[16_000:48_000] = 0.3 * torch.sin(torch.arange(32_000) * 0.1)
    (tmp_path / "films").mkdir()
    with VideoWriter(
        tmp_path / "films" / "Eve1.mp4", width=480, height=240, fps=25, waveform=waveform,
        preset="ultrafast",
    ) as writer:  # fmt: skip
        for _ in range(100):
            writer.write(pair)
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "RD_annotion_time.txt").write_text(
        "\ufeffEve1.mp4 00:01-00:03 \r\nGone.mp4 00:01-00:02"
    )
    (notes / "RD_video_url.txt").write_text("Gone https://y.be/watch?v=gone")
    (notes / "RD_resolution.txt").write_text("Eve1.mp4 480\r\n")
    (notes / "RD_crop_wh.txt").write_text("Eve1_0.mp4 480 480 0 480\n")
    words = ("prepare", tmp_path / "films", "--hdtf", notes, "--out", tmp_path / "out")
    words = (*words, "--size", "64", "--jobs", "1")
    result = command_line(*words)
    assert result.exit_code == 0, result.output
    assert "1 clips ready, 1 of them new" in result.stdout
    assert "sync filter: not done" in result.stderr
    assert "1 could not be used" in result.stderr
    (clip,) = ClipFolder(tmp_path / "out").clips(None)
    assert (clip.clip_id, clip.num_frames, clip.entry["person_id"]) == ("RD_Eve1_000", 50, "Eve")
    assert clip.entry["source"]["first_frame"] == 25
    assert clip.frames([5]).mean() < 0.7 * face.mean()  # the darker one, on the right
    assert clip.waveform.square().mean() > 0.03  # no silence in it
    (line,) = (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert (entry["clip"], entry["sha256"]) == ("RD_Gone", None)
    assert "https://y.be/watch?v=gone" in entry["reason"]
    result = command_line(*words)
    assert "1 clips ready, 0 of them new" in result.stdout
    assert (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines() == [line]
    (tmp_path / "films" / "gone.mp4").write_text("found at last, and no film")
    assert command_line(*words).exit_code == 0
    (line,) = (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["clip"] == "RD_Gone_000"


def test_inspect_tells_and_draws(command_line, tmp_path):
    root = ellipse_folder(tmp_path / "clips", (("0", "train"), ("1", "val")), num_frames=10)
    sheet = tmp_path / "sheet.png"
    result = command_line("inspect", root, "--sheet", sheet)
    assert result.exit_code == 0, result.output
    assert "2 clips, 2 persons, 0.0 min, 128 px" in result.stdout
    assert "no clip looks wrong" in result.stdout
    with Image.open(sheet) as picture:
        assert picture.width > 2 * picture.height
    found = json.loads(command_line("inspect", root, "--json").stdout)
    assert found["splits"]["val"] == {"clips": 1, "persons": 1, "seconds": 0.4}
    refused(command_line("inspect", root, "--sheet", sheet), "--force")
    refused(command_line("inspect", root, "--sheet", tmp_path / "sheet.txt"), ".png")
    refused(command_line("inspect", tmp_path / "absent"), "absent does not exist")


def test_pack_says_what_it_wrote(command_line, tmp_path):
    root = ellipse_folder(tmp_path / "clips", (("0", "train"), ("1", "val")), num_frames=10)
    out = tmp_path / "shards"
    result = command_line("pack", root, "--out", out, "--shard-mb", "0.01")
    assert "2 clips in 2 shards" in result.stdout
    assert len(ClipFolder(out).clips(None)) == 2
    refused(command_line("pack", root, "--out", out), "--force")
    assert command_line("pack", root, "--out", out, "--force").exit_code == 0
    refused(command_line("pack", root, "--out", root, "--force"), "no folder of shards")


def test_fit_refuses(command_line, tmp_path, smallest_bundle):
    out = tmp_path / "me.safetensors"
    refused(command_line("fit", tmp_path / "absent.mp4", "--out", out), "CLIP", "does not exist")
    film = tmp_path / "film.mp4"
    film.write_text("Dear reader, this is no film. " * 20)
    refused(command_line("fit", film, "--out", out, "--model", smallest_bundle), film)
    out.write_bytes(b"dear to me")
    refused(command_line("fit", film, "--out", out, "--model", smallest_bundle), "--force")
    assert out.read_bytes() == b"dear to me"


def test_bundle_refuses_what_is_no_checkpoint(command_line, tmp_path):
    out = tmp_path / "mine.safetensors"
    refused(
        command_line(
            "bundle", "--tsg", tmp_path / "a.pth", "--sgi", tmp_path / "b.pth", "--out", out
        ),
        "--tsg",
    )
    for name in ("a.pth", "b.pth"):
        torch.save({"nothing": 1}, tmp_path / name)
    refused(
        command_line(
            "bundle", "--tsg", tmp_path / "a.pth", "--sgi", tmp_path / "b.pth", "--out", out
        ),
        "a.pth",
    )
    assert not out.exists()
