"""Optimisers: precision, groups of modules, averaging."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from engine_toys import ToyGAN
from torch import nn

from segkit.engine.optim import AutocastOptimWrapper, OptimisersOfModules


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_autocast_on_cpu(precision: str, dtype: torch.dtype) -> None:
    model = nn.Linear(4, 4)
    wrapper = AutocastOptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), precision=precision)
    with wrapper.optim_context(model):
        assert model(torch.ones(2, 4)).dtype == dtype
    assert model.weight.dtype == torch.float32


def test_unknown_precision() -> None:
    with pytest.raises(ValueError, match="float32, bfloat16, got 'half'"):
        AutocastOptimWrapper(
            torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1), precision="half"
        )


def test_groups_take_their_modules_and_nothing_frozen() -> None:
    adam = {"type": "Adam", "lr": 1e-3}
    model = ToyGAN()
    wrappers = OptimisersOfModules({"generator": {"optimizer": adam}, "second": {
        "modules": ["discriminator", "expert"], "optimizer": adam}})(model)  # fmt: skip
    second = wrappers["second"].optimizer.param_groups[0]["params"]
    assert {id(p) for p in second} == {id(p) for p in model.discriminator.parameters()}
    assert len(wrappers["generator"].optimizer.param_groups[0]["params"]) == 2
    whole = OptimisersOfModules({"optimizer": adam})(model)
    assert len(whole.optimizer.param_groups[0]["params"]) == 4
    with pytest.raises(ValueError, match="no trainable parameter"):
        OptimisersOfModules({"expert": {"optimizer": adam}})(model)


def test_two_optimisers_resume_exactly(run_toy: Any, tmp_path: Path) -> None:
    adam = {"optimizer": {"type": "Adam", "lr": 1e-2}}
    overrides = {
        "model": {"type": "engine_toys.ToyGAN", "_delete_": True},
        "optim_wrapper": {"_delete_": True, "generator": adam, "discriminator": adam},
    }
    run_toy("whole", overrides=overrides)
    run_toy("second", resume=str(tmp_path / "whole" / "iter_6.pth"), overrides=overrides)
    one, two = (
        torch.load(tmp_path / name / "iter_12.pth", weights_only=True)
        for name in ("whole", "second")
    )
    assert set(one["optimizer"]) == {"generator", "discriminator"}
    assert all(
        torch.equal(one["state_dict"][key], two["state_dict"][key]) for key in one["state_dict"]
    )
