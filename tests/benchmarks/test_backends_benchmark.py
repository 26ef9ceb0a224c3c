"""The ways to run a mask decoder compete, and all predict the same."""

from __future__ import annotations

import importlib.util

import torch

from benchmarks import backends, run


def test_every_way_of_torch_predicts_the_same(monkeypatch):
    calls = []

    def compiled(call, *, dynamic, mode):
        return lambda *inputs: calls.append(len(inputs)) or call(*inputs)

    # Code takes a minute to make, and its own tests make some; the others need an extra.
    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(backends, "is_fast_on", lambda device: True)
    peak = {torch.float32: 1.0, torch.bfloat16: 2.0}
    rows = run.compete("g", backends.by_backend(32, width=0.0625), rounds=1, peak=peak)
    found = {row.name: row for row in rows}
    assert [*found] == [
        "NCHW", "channels last", "channels last, norms folded", "channels last, compiled",
        "portrait", "portrait, norms folded", "portrait, compiled",
        "norms folded, bfloat16", "portrait, norms folded, bfloat16",
    ]  # fmt: skip
    for name, row in found.items():
        assert (1e-5 < row.error < 3e-2) if "bfloat16" in name else row.error <= 1e-5, name
    assert calls == [4, 3, 4, 3]
    assert found["portrait"].gflop < found["channels last"].gflop
    # Code that is watched is not run.
    assert found["channels last, compiled"].gflop == found["portrait, compiled"].gflop == 0
