"""`segkit synth`, `prepare`, `fit`, `bundle`: what is refused, and what reaches the library."""

import pytest
import torch


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


def test_fit_refuses(command_line, tmp_path, tiny_bundle):
    out = tmp_path / "me.safetensors"
    refused(command_line("fit", tmp_path / "absent.mp4", "--out", out), "CLIP", "does not exist")
    film = tmp_path / "film.mp4"
    film.write_text("Dear reader, this is no film. " * 20)
    refused(command_line("fit", film, "--out", out, "--model", tiny_bundle), film)
    out.write_bytes(b"dear to me")
    refused(command_line("fit", film, "--out", out, "--model", tiny_bundle), "--force")
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
