"""Names and arguments of a config are checked before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from segkit.engine.config import find_config, load_config


def problems(config: Path, **overrides: object) -> str:
    """Return the message of the error that a changed config raises."""
    with pytest.raises(ValueError, match=config.name) as caught:
        load_config(
            str(config),
            overrides={key.replace("__", "."): value for key, value in overrides.items()},
        )
    return str(caught.value)


def test_all_problems_come_in_one_message(toy_config: Path) -> None:
    message = problems(
        toy_config,
        optim_wrapper__optimizer__type="Adm",
        model__widht=3,
        default_hooks__checkpoint__intervall=5,
        train_dataloader__dataset__sise=1,
    )
    assert "optim_wrapper.optimizer.type: there is no 'Adm'. Did you mean 'Adam'" in message
    assert "model: ToyModel has no argument 'widht'. Did you mean 'width'?" in message
    assert "SaveCheckpoint has no argument 'intervall'. Did you mean 'interval'?" in message
    assert (
        "train_dataloader.dataset: ToyData has no argument 'sise'. Did you mean 'size'?" in message
    )


def test_unknown_hook_and_scheduler(toy_config: Path) -> None:
    assert "default_hooks.extra.type: there is no 'EMAHok'. Did you mean 'EMAHook'" in problems(
        toy_config, default_hooks__extra={"type": "EMAHok"}
    )
    assert "there is no 'CosineAnealingLR'. Did you mean 'CosineAnnealingLR'" in problems(
        toy_config, param_scheduler=[{"type": "CosineAnealingLR"}]
    )


def test_missing_argument(toy_config: Path) -> None:
    assert "train_cfg: TrainLoop needs 'max_iters'" in problems(
        toy_config, train_cfg={"_delete_": True, "val_interval": 3}
    )


def test_missing_section(toy_config: Path) -> None:
    assert "needs 'model'" in problems(toy_config, model=None)


def test_dotted_class_that_does_not_exist(toy_config: Path) -> None:
    with pytest.raises(ImportError, match="Adamant"):
        load_config(
            str(toy_config), overrides={"optim_wrapper.optimizer.type": "torch.optim.Adamant"}
        )


def test_schedulers_that_never_begin_are_left_out(toy_config: Path) -> None:
    late = [{"type": "ConstantLR", "begin": 20, "end": 30}, {"type": "ConstantLR", "begin": 2}]
    assert (
        len(load_config(str(toy_config), overrides={"param_scheduler": late}).param_scheduler) == 1
    )


def test_find_config_by_name() -> None:
    assert find_config("tsg_tiny").name == "tsg_tiny.py"
    assert find_config("tsg_tiny.py").name == "tsg_tiny.py"
    with pytest.raises(FileNotFoundError, match=r"'tsg_tinny': no such file.*tsg_tiny"):
        find_config("tsg_tinny")
