"""`segkit weights` and `segkit convert`: what they tell, and what they refuse."""

import json
import re

import pytest
import torch

from segkit.weight_catalogue import KNOWN_FILES
from segkit.weights import kinds


def test_every_kind_has_a_file_and_every_file_a_kind():
    assert {entry.kind for entry in KNOWN_FILES if entry.kind} == set(kinds())
    assert len({entry.name for entry in KNOWN_FILES}) == len(KNOWN_FILES)
    for entry in KNOWN_FILES:
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert entry.licence
        assert entry.source.startswith("https://")


def test_the_help_names_every_kind(command_line):
    text = " ".join(command_line("convert", "--help").stdout.split())
    assert all(kind in text for kind in kinds())


def test_list_names_all_and_tells_what_is_there(command_line, tmp_path):
    (tmp_path / "bisenet").mkdir()
    (tmp_path / "bisenet" / "79999_iter.pth").write_bytes(b"x")
    (tmp_path / "arcface").mkdir()
    (tmp_path / "arcface" / "arcface_irse50.safetensors").write_bytes(b"x")
    rows = json.loads(command_line("weights", "--root", tmp_path, "--json").stdout)
    states = {row["name"]: row["state"] for row in rows}
    assert set(states) == {entry.name for entry in KNOWN_FILES}
    assert states["bisenet"] == "to convert"
    assert states["arcface_irse50"] == "ready"
    assert states["avhubert_base"] == "missing"
    shown = command_line("weights", "--root", tmp_path).stdout
    assert all(entry.name in shown for entry in KNOWN_FILES)


def test_one_file_with_the_command_that_converts_it(command_line, tmp_path):
    shown = command_line("weights", "bisenet", "--root", tmp_path).stdout
    assert f"segkit convert bisenet {tmp_path}/bisenet/79999_iter.pth" in shown
    assert "468e13ca" in shown
    answer = command_line("weights", "bisonet", "--root", tmp_path)
    assert answer.exit_code == 2
    assert "known: avhubert_base" in answer.stderr


def test_a_damaged_file_is_told(command_line, tmp_path):
    (tmp_path / "bisenet").mkdir()
    (tmp_path / "bisenet" / "79999_iter.pth").write_bytes(b"x")
    answer = command_line("weights", "--root", tmp_path, "--check")
    assert answer.exit_code == 2
    assert "damaged" in answer.stdout


def test_the_environment_names_the_folder(command_line, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_WEIGHTS", str(tmp_path / "mine"))
    assert str(tmp_path / "mine") in command_line("weights", "bisenet").stdout


@pytest.fixture
def syncnet_file(tmp_path):
    """A Wav2Lip SyncNet checkpoint at its real size, of random weights."""
    from segkit_models.baselines.wav2lip import Wav2LipSyncNet

    state = Wav2LipSyncNet().state_dict()
    path = tmp_path / "lipsync_expert.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 1}, path)
    return path


def test_convert_writes_once_and_reports(command_line, tmp_path, syncnet_file):
    out = tmp_path / "expert.safetensors"
    dry = command_line("convert", "wav2lip_syncnet", syncnet_file, out, "--dry-run")
    assert "nothing written" in dry.stdout
    assert not out.exists()
    answer = command_line("convert", "wav2lip_syncnet", syncnet_file, out)
    assert answer.exit_code == 0, answer.stderr
    assert "Wav2LipSyncNet(" in answer.stdout
    assert out.exists()
    again = command_line("convert", "wav2lip_syncnet", syncnet_file, out)
    assert again.exit_code == 2
    assert "--force" in again.stderr


def test_convert_refuses_in_one_line(command_line, tmp_path, syncnet_file):
    out = tmp_path / "expert.safetensors"
    cases = {
        ("wav2lip_syncnets", syncnet_file): "Did you mean 'wav2lip_syncnet'",
        ("wav2lip", syncnet_file): "this is a 'wav2lip_syncnet' checkpoint",
        ("wav2lip", tmp_path / "none.pth"): "does not exist",
    }
    for (kind, source), message in cases.items():
        answer = command_line("convert", kind, source, out)
        assert answer.exit_code == 2
        assert message in answer.stderr
        assert "Traceback" not in answer.output
    assert not out.exists()
