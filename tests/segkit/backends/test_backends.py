"""Graphs by ONNX Runtime and OpenVINO in processes of their own, and what is told without them."""

from __future__ import annotations

import importlib.util
import re

import pytest
import torch

from segkit.backends import check_backend
from segkit.backends.cache import graph_file
from segkit.backends.quantised import check_regions
from segkit.export.parts import Part
from segkit.regions import SCHEME_12, SCHEME_14, SCHEME_19
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
    with pytest.raises(ValueError, match="--backend torch or openvino"):
        talk(image=picture, audio=hum, out=tmp_path / "a.mp4", backend="onnxruntime",
             precision="bf16", device="cpu")  # fmt: skip
    assert not (tmp_path / "a.mp4").exists()


def test_a_kept_graph_is_of_the_same_arguments(monkeypatch, tmp_path):
    monkeypatch.setenv("SEGKIT_CACHE", str(tmp_path))
    made = []

    def export(module, examples, path, **_):
        made.append(path)
        path.touch()

    monkeypatch.setattr("segkit.backends.cache.export_module", export)
    part = Part(torch.nn.Linear(2, 2), ("x",), ("y",), (torch.zeros(2, 2),), [], note="")
    files = [
        graph_file("generator", part, config={"num_masked_layers": layers})
        for layers in (13, 17, 13)
    ]
    assert files[0] == files[2] != files[1]
    assert made == files[:2]


def test_int8_is_for_the_regions_it_is_calibrated_on():
    check_regions(SCHEME_12)
    check_regions(SCHEME_14)
    with pytest.raises(ValueError, match=r"'celeba12', .* 'celeba_hq'; take --precision fp32"):
        check_regions(SCHEME_19)
