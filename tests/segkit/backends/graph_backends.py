"""Backends give torch's numbers, keep their graphs, and say clearly what they lack.

`tests/segkit/backends/test_backends.py` runs this file in a process of its own.
"""

from __future__ import annotations

import logging

import pytest
import torch

from segkit.backends import check_backend, quantised, with_backend
from segkit.backends.cache import cache_folder
from segkit.export.parts import random_masks
from segkit.talk.bundle import load_bundle

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield load_bundle()


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@torch.no_grad()
def test_a_backend_draws_what_torch_draws(bundle, backend):
    other = with_backend(bundle, backend=backend)
    torch.manual_seed(0)
    for rows in (1, 3):
        mask = random_masks(rows, 128, 12, blocks=8)
        inputs = {
            "mask_decoder": (mask, mask.flip(0), torch.rand(rows, 128)),
            "generator": (torch.randn(rows, 12, 12, 128), mask),
        }
        for name, given in inputs.items():
            wanted, found = bundle.modules[name](*given), other.modules[name](*given)
            spread = wanted.max() - wanted.min()
            assert (wanted - found).abs().max() <= 1e-4 * spread, name
    assert other.modules["audio_encoder"] is bundle.modules["audio_encoder"]


def test_a_graph_is_made_once(bundle, monkeypatch):
    with_backend(bundle, backend="onnxruntime")
    files = {path: path.stat().st_mtime_ns for path in cache_folder().rglob("*.onnx")}
    assert len([path for path in files if "int8" not in path.name]) == 2
    monkeypatch.setattr("segkit.backends.cache.export_module", lambda *a, **k: pytest.fail("again"))
    with_backend(bundle, backend="openvino")
    assert files == {path: path.stat().st_mtime_ns for path in files}


def test_int8_is_taken_only_if_it_keeps_the_masks(bundle, monkeypatch, caplog):
    monkeypatch.setattr(quantised, "lost_points", lambda *a: 0.51)
    with caplog.at_level(logging.WARNING):
        refused = with_backend(bundle, backend="onnxruntime", precision="int8")
    assert "0.51 points of mIoU" in caplog.text
    assert "fp32" in caplog.text
    monkeypatch.setattr(quantised, "lost_points", lambda *a: 0.49)
    taken = with_backend(bundle, backend="onnxruntime", precision="int8")
    mask = random_masks(1, 128, 12, blocks=8)
    inputs = (mask, mask, torch.rand(1, 128))
    plain = with_backend(bundle, backend="onnxruntime").modules["mask_decoder"](*inputs)
    assert torch.equal(refused.modules["mask_decoder"](*inputs), plain)
    assert not torch.equal(taken.modules["mask_decoder"](*inputs), plain)


def test_lost_points_by_hand(bundle, monkeypatch):
    face = random_masks(1, 128, 12, blocks=8)
    monkeypatch.setattr(quantised, "_faces", lambda *a: iter([(face, face, torch.zeros(1, 128))]))
    half = torch.zeros(1, 12, 8, 8)
    half[:, 1, :4] = 1
    half[:, 2, 4:] = 1
    moved = half.clone()
    moved[:, 1, 4] = 2  # one row of eight goes from region 2 to region 1
    lost = quantised.lost_points(lambda *a: half, lambda *a: moved, bundle)
    assert lost == pytest.approx(100 * (1 - (4 / 5 + 3 / 4) / 2))


@pytest.mark.parametrize(
    ("backend", "precision", "device", "error", "words"),
    [
        ("tensorrt", "fp32", "cpu", ValueError, "expected one of torch, compile, onnxruntime"),
        ("openvino", "fp8", "cpu", ValueError, "expected one of fp32, bf16, int8"),
        ("torch", "int8", "cpu", ValueError, "--backend onnxruntime or openvino"),
        ("onnxruntime", "bf16", "cpu", ValueError, "--backend torch or openvino"),
        ("onnxruntime", "fp32", "cuda", ValueError, "--device cpu, or --backend torch"),
    ],
)
def test_what_cannot_be_run_is_told(bundle, backend, precision, device, error, words):
    with pytest.raises(error, match=words):
        check_backend(backend, precision, torch.device(device))


def test_a_processor_without_bf16_is_told(bundle, monkeypatch):
    import openvino

    class Core:
        def get_property(self, device, name):
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "Core", Core)
    with pytest.raises(ValueError, match=r"no bf16 .*--precision fp32"):
        check_backend("openvino", "bf16", CPU)
