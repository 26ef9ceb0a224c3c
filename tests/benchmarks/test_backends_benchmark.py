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
    rows = run.compete(
        "g", backends.by_backend(32, width=0.0625), rounds=1, peak={torch.float32: 1.0}
    )
    assert [row.name for row in rows] == [
        "NCHW", "channels last", "channels last, compiled", "portrait", "portrait, compiled",
    ]  # fmt: skip
    assert all(row.error <= 1e-5 for row in rows)
    assert calls == [4, 3, 4, 3]
    assert rows[3].gflop < rows[1].gflop
    assert rows[2].gflop == rows[4].gflop == 0  # code that is watched is not run
