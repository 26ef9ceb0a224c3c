"""An expert may be trained later than the training that will need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch


def hook(checkpoint: Path, *, needed_at: int) -> dict[str, Any]:
    """Return the config that loads the toy network as an expert."""
    return {
        "type": "segkit.engine.experts.LoadExpert",
        "module": "net",
        "checkpoint": str(checkpoint),
        "prefix": "net.",
        "needed_at": needed_at,
        "trained_by": "segkit train toy",
    }


def test_expert_is_loaded_when_needed(
    run_toy: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_toy("expert", overrides={"train_cfg.max_iters": 3})
    expert = torch.load(tmp_path / "expert" / "iter_3.pth", weights_only=True)["state_dict"]
    still = {"optim_wrapper.optimizer.lr": 0.0, "train_cfg.max_iters": 2}

    # Loaded from a work directory, before the first iteration.
    run_toy("a", overrides=still | {"custom_hooks": [hook(tmp_path / "expert", needed_at=0)]})
    state = torch.load(tmp_path / "a" / "iter_2.pth", weights_only=True)["state_dict"]
    assert torch.equal(state["net.0.weight"], expert["net.0.weight"])

    # Not there: a warning while it is not needed, an error when it is.
    missing = hook(tmp_path / "later", needed_at=1)
    overrides = still | {"custom_hooks": [missing], "default_hooks.checkpoint.interval": 1}
    with pytest.raises(FileNotFoundError, match=r"Train it first: `segkit train toy`.*--resume"):
        run_toy("b", overrides=overrides)
    assert "It is needed from iteration 1 on" in capfd.readouterr().out

    # Trained in the meantime: the resumed training finds it.
    (tmp_path / "expert").rename(tmp_path / "later")
    assert run_toy("b", resume="auto", overrides=overrides).iter == 2
    state = torch.load(tmp_path / "b" / "iter_2.pth", weights_only=True)["state_dict"]
    assert torch.equal(state["net.0.weight"], expert["net.0.weight"])
