"""`segkit export`: whole folders or none, and nothing overwritten unasked.

`tests/segkit/backends/test_backends.py` runs this file in a process of its own.
"""

from __future__ import annotations

import json

import numpy as np
import onnxruntime


def test_a_part_runs_without_torch(command_line, tmp_path):
    out = tmp_path / "graphs"
    made = command_line("export", "--out", out, "--parts", "mask_decoder")
    assert made.exit_code == 0, made.stderr
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "mask_decoder.onnx"]
    (part,) = json.loads((out / "manifest.json").read_text())["parts"]
    assert part["difference"] <= 1e-4
    assert part["inputs"]["pose"] == ["batch", 12, 128, 128]
    session = onnxruntime.InferenceSession(out / part["file"], providers=["CPUExecutionProvider"])
    for batch in (1, 4):
        feed = {
            name: np.zeros((batch, *shape[1:]), np.float32)
            for name, shape in part["inputs"].items()
        }
        assert session.run(None, feed)[0].shape == (batch, *part["outputs"]["logits"][1:])
    assert list(tmp_path.iterdir()) == [out]


def test_nothing_is_overwritten_unasked(command_line, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    for words, message in (
        ((), "--force to replace it"),
        (("--force",), "is no export"),
    ):
        refused = command_line("export", "--out", tmp_path / "mine", *words)
        assert refused.exit_code == 2
        assert message in refused.stderr
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_a_difference_leaves_no_folder(command_line, tmp_path, monkeypatch):
    monkeypatch.setattr("segkit.export.module.difference", lambda *a: 2e-4)
    made = command_line("export", "--out", tmp_path / "out", "--parts", "mask_decoder")
    assert made.exit_code == 2
    assert "differs from torch by 2.0e-04" in made.stderr
    assert list(tmp_path.iterdir()) == []


def test_unknown_parts_and_dry_runs(command_line, tmp_path):
    refused = command_line("export", "--out", tmp_path / "out", "--parts", "ear")
    assert refused.exit_code == 2
    assert "expected some of audio_encoder, mask_decoder" in refused.stderr
    shown = command_line("export", "--dry-run", "--parts", "generator")
    assert shown.exit_code == 0
    assert "generator.onnx: RegionStyleGAN2" in shown.stdout
    assert list(tmp_path.iterdir()) == []
