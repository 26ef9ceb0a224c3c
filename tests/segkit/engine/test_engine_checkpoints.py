"""Checkpoints are plain, complete, atomic, and refused when they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from torch import nn

from segkit.engine import checkpoints
from segkit.engine.checkpoints import (
    CheckpointMismatchError,
    check_state_fits,
    latest_checkpoint,
    load_state,
)
from segkit.engine.plain_data import (
    KEPT_HISTORY,
    from_plain,
    random_state,
    set_random_state,
    to_plain,
)


def test_checkpoint_loads_without_running_code(run_toy: Any, tmp_path: Path) -> None:
    run_toy("w")
    content = torch.load(tmp_path / "w" / "iter_12.pth", weights_only=True)
    assert set(content) == {
        "meta",
        "state_dict",
        "optimizer",
        "param_schedulers",
        "message_hub",
        "random_states",
    }
    assert content["meta"]["iter"] == 12
    assert len(content["random_states"]) == 1
    assert sorted(path.name for path in (tmp_path / "w").glob("*.pth")) == [
        "iter_12.pth",
        "iter_6.pth",
    ]
    assert (tmp_path / "w" / "last_checkpoint").read_text() == "iter_12.pth"
    assert load_state(tmp_path / "w" / "iter_12.pth").keys() == content["state_dict"].keys()


def test_plain_data_round_trip() -> None:
    history = HistoryBuffer([1.0, 2.5], [1, 3])
    plain = to_plain(
        {"log": history, "a": np.float32(0.5), "b": np.arange(3), "c": (Path("x"), [np.int64(4)])}
    )
    assert plain["a"] == 0.5
    assert torch.equal(plain["b"], torch.arange(3))
    assert plain["c"] == ("x", [4])
    back = from_plain(plain)["log"]
    assert np.array_equal(back.data[0], history.data[0])
    assert np.array_equal(back.data[1], history.data[1])


def test_long_histories_are_cut() -> None:
    history = HistoryBuffer(list(range(KEPT_HISTORY + 5)), [1] * (KEPT_HISTORY + 5))
    assert to_plain(history)["__history__"][0].tolist() == list(range(5, KEPT_HISTORY + 5))


def test_objects_with_code_are_refused() -> None:
    with pytest.raises(TypeError, match="Linear has no plain form"):
        to_plain({"model": [nn.Linear(1, 1)]})


def test_random_state_restores_all_three_generators() -> None:
    import random

    def draw() -> tuple[float, float, float]:
        return torch.rand(()).item(), float(np.random.rand()), random.random()

    state = to_plain(random_state())
    first = draw()
    set_random_state(state)
    assert draw() == first


def test_failed_write_leaves_older_checkpoints(
    run_toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(state: Any) -> Any:
        raise OSError("disk full")

    original = checkpoints.to_plain
    calls = []

    def fail_at_the_second(value: Any) -> Any:
        calls.append(value)
        return fail(value) if len(calls) > 6 else original(value)

    monkeypatch.setattr(checkpoints, "to_plain", fail_at_the_second)
    with pytest.raises(OSError, match="disk full"):
        run_toy("w")
    assert sorted(path.name for path in (tmp_path / "w").glob(".*")) == []
    assert latest_checkpoint(tmp_path / "w") == tmp_path / "w" / "iter_6.pth"


def test_other_shape_names_the_keys(run_toy: Any, tmp_path: Path) -> None:
    run_toy("w", overrides={"train_cfg.max_iters": 1})
    with pytest.raises(
        CheckpointMismatchError, match=r"net.0.weight: wanted \(8, 8\), got \(16, 8\)"
    ):
        run_toy("w", resume="auto", overrides={"model.width": 8})


def test_check_state_fits() -> None:
    model = nn.Linear(2, 3)
    state = model.state_dict()
    check_state_fits(model, {f"module.{key}": value for key, value in state.items()}, exact=True)
    check_state_fits(model, {"weight": state["weight"]}, exact=False)
    with pytest.raises(CheckpointMismatchError, match=r"bias: wanted \(3,\), missing"):
        check_state_fits(model, {"weight": state["weight"]}, exact=True)
    with pytest.raises(CheckpointMismatchError, match="none of its 1 keys belongs to Linear"):
        check_state_fits(model, {"other": state["weight"]}, exact=False)


def test_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth not found"):
        load_state(tmp_path / "nothing.pth")
