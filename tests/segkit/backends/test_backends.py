"""Graphs by ONNX Runtime and OpenVINO in processes of their own, and what is told without them."""

from __future__ import annotations

import importlib.util
import re

import pytest
import torch

from segkit.backends import check_backend
from segkit.talk.pipeline import talk


@pytest.mark.parametrize(
    "script",
    [
        "backends/graph_backends.py",
        "backends/graph_backend_talks.py",
        "cli/exported_by_command.py",
        "export/exported_registries.py",
    ],
)
def test_graphs_pass_their_tests(run_alone, script):
    """The runtimes' threads stay in a process, which other tests would then fork from."""
    for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f'{package} is missing; needs the extra "export"')
    told = run_alone(f"tests/segkit/{script}")
    assert re.search(r"\b\d+ passed", told), told[-500:]
    assert "skipped" not in told, told[-500:]


def test_a_missing_backend_names_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "segkit\[export\]"'):
        check_backend("openvino", "fp32", torch.device("cpu"))


def test_a_choice_is_refused_before_anything_is_read(picture, hum, tmp_path):
    with pytest.raises(ValueError, match="--backend openvino"):
        talk(image=picture, audio=hum, out=tmp_path / "a.mp4", backend="onnxruntime",
             precision="bf16", device="cpu")  # fmt: skip
    assert not (tmp_path / "a.mp4").exists()
