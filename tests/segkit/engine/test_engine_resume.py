"""A training that was stopped and resumed equals one that was not, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

LONG = {"train_cfg.max_iters": 12}


def tensors(node: Any) -> list[Tensor]:
    """Return every tensor of a nested state, in order."""
    if isinstance(node, Tensor):
        return [node]
    items = [node[key] for key in sorted(node, key=str)] if isinstance(node, dict) else node
    return [t for item in items for t in tensors(item)] if isinstance(items, (list, tuple)) else []


@pytest.mark.parametrize("num_workers", [0, 2])
def test_resumed_training_is_exact(run_toy: Any, tmp_path: Path, num_workers: int) -> None:
    overrides = {"train_dataloader.num_workers": num_workers}
    run_toy("whole", overrides=overrides)
    torch.manual_seed(99)
    run_toy("second", resume=str(tmp_path / "whole" / "iter_6.pth"), overrides=overrides)
    whole, second = (
        torch.load(tmp_path / name / "iter_12.pth", weights_only=True)
        for name in ("whole", "second")
    )
    for part in ("state_dict", "optimizer", "random_states"):
        pairs = list(zip(tensors(whole[part]), tensors(second[part]), strict=True))
        assert pairs
        assert max((a.double() - b.double()).abs().max().item() for a, b in pairs) == 0.0


def test_resume_draws_only_what_is_left(run_toy: Any, tmp_path: Path) -> None:
    whole = run_toy("w")
    resumed = run_toy("v", resume=str(tmp_path / "w" / "iter_6.pth"))
    assert resumed.train_dataloader.dataset.drawn == whole.train_dataloader.dataset.drawn[24:]
    assert len(resumed.train_dataloader.dataset.drawn) == 24


def test_resume_in_place_continues_the_newest(run_toy: Any, tmp_path: Path) -> None:
    run_toy("w", overrides={"train_cfg.max_iters": 6})
    runner = run_toy("w", resume="auto")
    assert runner.iter == 12
    assert len(runner.train_dataloader.dataset.drawn) == 24


def test_resume_of_nothing_starts(run_toy: Any) -> None:
    assert run_toy("w", resume="auto", overrides={"train_cfg.max_iters": 1}).iter == 1


def test_another_training_is_not_overwritten(run_toy: Any, tmp_path: Path) -> None:
    run_toy("w", overrides={"train_cfg.max_iters": 1})
    before = (tmp_path / "w" / "iter_1.pth").read_bytes()
    with pytest.raises(FileExistsError, match=r"already holds a training .*--resume"):
        run_toy("w")
    assert (tmp_path / "w" / "iter_1.pth").read_bytes() == before


def test_missing_resume_checkpoint(run_toy: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"--resume nowhere\.pth"):
        run_toy("w", resume="nowhere.pth")


def test_dumped_config_trains_again(run_toy: Any, tmp_path: Path) -> None:
    run_toy("w")
    run_toy("again", config=str(tmp_path / "w" / "toy.py"))
    one, two = (
        torch.load(tmp_path / name / "iter_12.pth", weights_only=True) for name in ("w", "again")
    )
    assert all(
        torch.equal(one["state_dict"][key], two["state_dict"][key]) for key in one["state_dict"]
    )
