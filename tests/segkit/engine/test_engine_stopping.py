"""Ctrl-C, SIGTERM and a time limit end a training between two iterations, with a checkpoint."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch


def test_interrupt_saves_and_resumes_exactly(
    run_toy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    # The 15th sample belongs to the fourth batch.
    run_toy("w", overrides={"train_dataloader.dataset.interrupt_at": 14})
    assert signal.getsignal(signal.SIGINT) is handler
    assert "Once more: stop at once" in capsys.readouterr().err
    assert torch.load(tmp_path / "w" / "iter_4.pth", weights_only=True)["meta"]["iter"] == 4
    run_toy("w", resume="auto")
    run_toy("whole")
    one, two = (
        torch.load(tmp_path / name / "iter_12.pth", weights_only=True) for name in ("w", "whole")
    )
    assert all(
        torch.equal(one["state_dict"][key], two["state_dict"][key]) for key in one["state_dict"]
    )


def test_second_interrupt_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from segkit.engine import stopping

    clock = iter([0.0, 0.5, 1.5])
    monkeypatch.setattr(stopping.time, "monotonic", lambda: next(clock))
    hook = stopping.StopAfter()
    hook._on_signal(signal.SIGINT, None)
    # A terminal and a launcher may both pass on one Ctrl-C.
    hook._on_signal(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        hook._on_signal(signal.SIGINT, None)


def test_time_limit(run_toy: Any, tmp_path: Path) -> None:
    runner = run_toy("w", minutes=1e-6)
    assert runner.iter == 1
    assert (tmp_path / "w" / "iter_1.pth").is_file()


def test_dry_run_leaves_nothing(run_toy: Any, tmp_path: Path) -> None:
    assert run_toy("w", dry_run=True).iter == 1
    assert not (tmp_path / "w").exists()


def test_log_says_what_a_reader_needs(run_toy: Any, tmp_path: Path) -> None:
    run_toy("w")
    (log,) = (tmp_path / "w").glob("*/*.log")
    lines = log.read_text().splitlines()
    assert "ToyModel, 12 iterations, seed 0" in lines[0]
    assert len(lines) < 12, lines
    assert not any("deprecated" in line for line in lines)
