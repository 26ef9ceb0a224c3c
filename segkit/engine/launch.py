"""Start a training: one process or several, CPU or GPU, fresh or resumed."""

from __future__ import annotations

import itertools
import logging
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.engine.config import load_config
from segkit.engine.logs import tidy, without_cosmetic_warnings

_RUNS = itertools.count()


@dataclass(frozen=True)
class TrainOptions:
    """What ``segkit train`` was asked to do.

    Args:
        config: path or base name of a config.
        work_dir: where the checkpoints and logs go; None is ``work_dirs/<config>``.
        data: root of the clip folder, replacing the config's.
        resume: ``"auto"`` (newest checkpoint of the work directory), a path, or None.
        precision: ``"bfloat16"`` to train under autocast whatever the config says.
        overrides: dotted key -> value.
        launcher: ``"none"``, or ``"pytorch"`` below torchrun.
        minutes: stop, with a checkpoint, after this time.
        dry_run: build everything, train one iteration, write nothing.
    """

    config: str
    work_dir: str | None = None
    data: str | None = None
    resume: str | None = None
    precision: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    launcher: str = "none"
    minutes: float | None = None
    dry_run: bool = False


def prepare(options: TrainOptions) -> Any:
    """Return the finished config of a training, after every check that needs no network.

    Raises:
        FileNotFoundError: config, data or checkpoint not found.
        FileExistsError: the work directory holds another training.
        ValueError: the config is wrong.
    """
    from segkit.engine.pretrained import leave_out_missing

    with without_cosmetic_warnings():
        config = load_config(options.config, overrides=options.overrides, data=options.data)
        config.work_dir = (
            options.work_dir or config.get("work_dir") or f"work_dirs/{Path(options.config).stem}"
        )
        _apply(config, options)
        require_data(config)
        for sentence in leave_out_missing(config):
            print(f"warning: {sentence}", file=sys.stderr)
        if not options.dry_run:
            _choose_checkpoint(config, options)
    return config


def train(config: Any, *, dry_run: bool = False) -> Any:
    """Train a prepared config and return mmengine's Runner.

    Args:
        config: of :func:`prepare`.
        dry_run: build everything, train one iteration, leave no files.

    Raises:
        CheckpointMismatchError: the checkpoint to start from belongs to another model.
    """
    with without_cosmetic_warnings():
        if config.launcher != "pytorch":
            return _dry_run(config) if dry_run else _run(config)
        start_processes(config)
        try:
            return _dry_run(config) if dry_run else _run(config)
        finally:
            stop_processes()


def _apply(config: Any, options: TrainOptions) -> None:
    config.launcher = options.launcher
    if options.minutes is not None:
        config.default_hooks.stop.minutes = options.minutes
    if options.precision:
        groups = (
            [config.optim_wrapper]
            if "optimizer" in config.optim_wrapper
            else config.optim_wrapper.values()
        )
        for group in groups:
            if isinstance(group, dict):
                group["precision"] = options.precision


def require_data(config: Any) -> None:
    """Refuse to go on without data, before a network is built.

    Raises:
        FileNotFoundError: naming ``segkit prepare`` and ``segkit synth``.
    """
    for key in ("train_dataloader", "val_dataloader"):
        dataset = (config.get(key) or {}).get("dataset") or {}
        root = dataset.get("root")
        if root and getattr(dataset.get("type"), "__module__", "").startswith("segkit."):
            from segkit.clips import ClipFolder

            ClipFolder(root)


def _choose_checkpoint(config: Any, options: TrainOptions) -> None:
    """Set ``load_from`` and ``resume``; never mix two trainings in one directory."""
    from segkit.engine.checkpoints import latest_checkpoint

    latest = latest_checkpoint(Path(config.work_dir))
    if options.resume is None:
        if latest is not None:
            raise FileExistsError(
                f"{config.work_dir} already holds a training ({latest.name}); "
                "continue it with --resume, or give another --work-dir"
            )
        if config.get("resume"):
            # A config dumped by a resumed training says so; a new one starts at the beginning.
            config.resume, config.load_from = False, None
        return
    checkpoint = latest if options.resume == "auto" else Path(options.resume)
    if checkpoint is not None and not checkpoint.is_file():
        raise FileNotFoundError(f"--resume {options.resume}: no such checkpoint")
    # Nothing to resume yet: --resume auto in a fresh directory starts from the beginning.
    config.resume = checkpoint is not None
    if checkpoint is not None:
        config.load_from = str(checkpoint)


def start_processes(config: Any) -> None:
    """Join the process group that torchrun prepared; gloo where there is no GPU.

    mmengine would choose NCCL and set a CUDA device whatever the machine has, but leaves an
    existing group alone.
    """
    import torch
    import torch.distributed

    from segkit.engine.replicas import Replica

    if not torch.distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if config.get("model_wrapper_cfg") is None:
        config.model_wrapper_cfg = {"type": Replica.__name__}


def stop_processes() -> None:
    """Leave the process group, so that the end of the first process breaks no other's message."""
    import torch.distributed

    torch.distributed.destroy_process_group()


def _run(config: Any) -> Any:
    import torch
    from mmengine.runner import Runner

    # While it builds, mmengine logs the environment and every hook: pages that hide our own lines.
    config.log_level = "WARNING"
    config.experiment_name = f"{Path(config.filename).stem}_{next(_RUNS)}"
    runner = Runner.from_cfg(config)
    tidy(runner.logger, level=logging.INFO)
    # mmengine would write a line for every parameter that it did not initialise.
    getattr(runner.model, "module", runner.model)._dump_init_info = lambda: None
    if runner.rank:
        # Every process draws its own noise; the weights are those of the first (see Replica).
        torch.manual_seed(runner.seed + runner.rank)
    runner.train()
    return runner


def _dry_run(config: Any) -> Any:
    """Train one iteration in a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="segkit-dry-run-") as folder:
        config.work_dir = folder
        config.default_hooks.checkpoint = None
        config.default_hooks.stop.minutes = 1e-9
        config.default_hooks.logger.interval = 1
        return _run(config)
