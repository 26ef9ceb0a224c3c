"""Checkpoints: plain data, written in one piece, resumed exactly, refused when they do not fit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import Tensor, nn

from segkit.engine.plain_data import from_plain, random_state, set_random_state, to_plain

LATEST = "last_checkpoint"
"""File in the work directory that names the newest checkpoint."""


class CheckpointMismatchError(ValueError):
    """A checkpoint's weights do not fit the model."""


class SaveCheckpoint(Hook):
    """Save every ``interval`` iterations and at the end; restore so that a resume is exact.

    A checkpoint loads with ``torch.load(path, weights_only=True)``: ``state_dict``, ``optimizer``,
    ``param_schedulers``, ``message_hub`` (logs), ``random_states`` (one per process) and ``meta``
    (iteration, config).

    Args:
        interval: iterations between two checkpoints.
        keep: number of newest checkpoints to keep.
    """

    priority = "VERY_LOW"

    def __init__(self, *, interval: int = 5000, keep: int = 2) -> None:
        if interval < 1 or keep < 1:
            raise ValueError(
                f"SaveCheckpoint: expected interval >= 1 and keep >= 1, got {interval} and {keep}"
            )
        self.interval, self.keep = interval, keep
        self._saved_at = -1
        self._random_states: list[dict[str, Any]] = []
        self._to_restore: dict[str, Any] | None = None

    def before_train(self, runner: Any) -> None:
        """Remove what a killed run left half written."""
        if is_main_process():
            for partial in Path(runner.work_dir).glob(".iter_*.partial"):
                partial.unlink()

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Put the random generators back, once, after the data loader has drawn its own seeds."""
        state, self._to_restore = self._to_restore, None
        if state is not None:
            set_random_state(state)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save at every ``interval``-th iteration."""
        if (batch_idx + 1) % self.interval == 0:
            self.save(runner, batch_idx + 1)

    def after_train(self, runner: Any) -> None:
        """Save what was trained since, however the training ended."""
        if runner.iter != self._saved_at and runner.iter > 0:
            self.save(runner, runner.iter)

    def save(self, runner: Any, iteration: int) -> None:
        """Write ``iter_<iteration>.pth``; a crash half way leaves the older ones as they were."""
        self._random_states = all_gather_object(random_state())
        self._saved_at = iteration
        if not is_main_process():
            return
        folder = Path(runner.work_dir)
        target, partial = folder / f"iter_{iteration}.pth", folder / f".iter_{iteration}.partial"
        try:
            runner.save_checkpoint(
                str(folder),
                partial.name,
                meta={"iter": iteration, "epoch": 0},
                by_epoch=False,
                save_param_scheduler=runner.param_schedulers is not None,
            )
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        _write_text(folder / LATEST, target.name)
        for old in list_checkpoints(folder)[: -self.keep]:
            old.unlink()
        runner.logger.info(f"Saved {target}")

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Make the checkpoint plain and add the random generators."""
        checkpoint["random_states"] = self._random_states
        checkpoint["message_hub"] = dict(checkpoint["message_hub"])
        for key, value in checkpoint.items():
            checkpoint[key] = to_plain(value)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse weights that do not fit; keep the random state for the first iteration."""
        resume = bool(runner._resume)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        check_state_fits(model, checkpoint.get("state_dict", checkpoint), exact=resume)
        if not resume:
            return
        if "message_hub" in checkpoint:
            checkpoint["message_hub"] = from_plain(checkpoint["message_hub"])
        self._saved_at = checkpoint["meta"]["iter"]
        states = checkpoint.get("random_states", [])
        self._to_restore = states[get_rank()] if get_rank() < len(states) else None


def check_state_fits(model: nn.Module, state: dict[str, Tensor], *, exact: bool) -> None:
    """Compare a checkpoint's weights with a model's.

    Args:
        model: the model to load into.
        state: state dict of the checkpoint.
        exact: whether missing and unexpected keys are errors too (a resume), or shapes only.

    Raises:
        CheckpointMismatchError: naming the keys, with the wanted and the given shapes.
    """
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    given = {
        key.removeprefix("module."): tuple(value.shape)
        for key, value in state.items()
        if torch.is_tensor(value)
    }
    shared = wanted.keys() & given.keys()
    problems = [
        f"{key}: wanted {wanted[key]}, got {given[key]}"
        for key in sorted(shared)
        if wanted[key] != given[key]
    ]
    if exact:
        problems += [
            f"{key}: wanted {wanted[key]}, missing in the checkpoint"
            for key in sorted(wanted.keys() - shared)
        ]
        problems += [
            f"{key}: got {given[key]}, unknown to the model"
            for key in sorted(given.keys() - shared)
        ]
    elif not shared:
        problems.append(f"none of its {len(given)} keys belongs to {type(model).__name__}")
    if problems:
        more = f"\n  ... and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise CheckpointMismatchError(
            f"the checkpoint does not fit {type(model).__name__}; "
            "was it trained with another config?\n  " + "\n  ".join(problems[:10]) + more
        )


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a work directory, oldest iteration first."""
    found = [path for path in folder.glob("iter_*.pth") if path.stem[5:].isdigit()]
    return sorted(found, key=lambda path: int(path.stem[5:]))


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint of a work directory, or None."""
    found = list_checkpoints(folder)
    return found[-1] if found else None


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of a checkpoint without running any pickled code.

    Args:
        path: a checkpoint of this engine, or a plain state dict.

    Returns:
        Key -> tensor, on the CPU.

    Raises:
        FileNotFoundError: no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"checkpoint {path} not found; train it first or give another path")
    content = torch.load(path, map_location="cpu", weights_only=True)
    state = content.get("state_dict", content)
    return {
        key.removeprefix("module."): value for key, value in state.items() if torch.is_tensor(value)
    }


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
