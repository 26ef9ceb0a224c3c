"""The trainings that a table needs: each once, with its seed and budget, resumable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.benchmark.rows import EXPERTS, Row, Scale, config_of
from segkit.progress import progress_bars

EXPERT_FOLDER = "experts"
_POLL_S = 1.0
_ITERATION = re.compile(r"Iter\(train\) \[ *(\d+)/\d+\]")


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        config: its name.
        family: whose budget it has: ``tsg``, ``sgi``, ``wav2lip`` or ``experts``.
        seed: of everything in it.
        folder: its work directory.
        iterations: when it ends.
        overrides: what else of the config changes, dotted key -> value.
        expert: folder of the training of the expert it needs; None if it needs none.
    """

    config: str
    family: str
    seed: int
    folder: Path
    iterations: int
    overrides: dict[str, Any] = field(default_factory=dict, compare=False)
    expert: Path | None = None

    @property
    def checkpoint(self) -> Path:
        """The file it ends with."""
        return self.folder / f"iter_{self.iterations}.pth"

    def is_done(self) -> bool:
        """Tell whether the last checkpoint is there."""
        return self.checkpoint.is_file()

    def command(self, data: str | Path) -> list[str]:
        """Return the command line that runs it, or goes on with it."""
        options = {
            "train_cfg.max_iters": self.iterations,
            "randomness.seed": self.seed,
            **self.overrides,
        }
        return [
            sys.executable, "-m", "segkit.cli.train", self.config, "--data", str(data),
            "--work-dir", str(self.folder), "--resume",
            "--cfg-options", *(f"{key}={value}" for key, value in options.items()),
        ]  # fmt: skip


def plan(
    rows: Iterable[Row],
    *,
    out: str | Path,
    data: str | Path,
    scale: Scale,
    seeds: Sequence[int],
    iterations: Mapping[str, int] | None = None,
) -> list[Training]:
    """Return the trainings of some rows, experts first, each only once.

    Experts are trained with the first seed and their configs' own budget, and shared by all rows
    and seeds: they belong to the data, not to a method.

    Args:
        rows: of the table.
        out: folder of the benchmark.
        data: clip folder.
        scale: which configs.
        seeds: one training for each.
        iterations: family (``tsg``, ``sgi``, ``wav2lip``, ``experts``) -> iterations instead of the
            configs' own; where an expert joins moves in proportion.

    Raises:
        KeyError: an unknown family.
    """
    budget = dict(iterations or {})
    known = ("tsg", "sgi", "wav2lip", "experts")
    for family in budget:
        if family not in known:
            raise KeyError(f"no family {family!r} of trainings; known: {', '.join(known)}")
    found: dict[Path, Training] = {}
    pairs = dict.fromkeys(pair for row in rows for pair in row.trainings.items())
    for _, name in pairs:
        if name in EXPERTS:
            config = config_of(EXPERTS[name], scale)
            folder = Path(out) / EXPERT_FOLDER / config
            found[folder] = _training(config, "experts", seeds[0], folder, data, budget)
    for seed in seeds:
        for family, name in pairs:
            config = config_of(name, scale)
            folder = Path(out) / f"seed{seed}" / config
            expert = None
            if name in EXPERTS:
                expert = Path(out) / EXPERT_FOLDER / config_of(EXPERTS[name], scale)
            found[folder] = _training(config, family, seed, folder, data, budget, expert)
    return list(found.values())


def _training(
    config: str, family: str, seed: int, folder: Path, data: str | Path,
    budget: Mapping[str, int], expert: Path | None = None,
) -> Training:  # fmt: skip
    from segkit.engine.config import load_config

    settings = load_config(config, data=str(data))
    own = int(settings.train_cfg.max_iters)
    iterations = budget.get(family, own)
    overrides: dict[str, Any] = {}
    if iterations != own:
        # The schedule is the config's, drawn together.
        share = iterations / own
        if settings.model.get("sync_begin") is not None:
            overrides["model.sync_begin"] = round(settings.model.sync_begin * share)
        for index, hook in enumerate(settings.custom_hooks):
            if hook.get("needed_at") is not None:
                overrides[f"custom_hooks.{index}.needed_at"] = round(hook.needed_at * share)
            if hook.get("interval") is not None:
                # Held-out clips are measured at the end alone: that is no part of a budget.
                overrides[f"custom_hooks.{index}.interval"] = iterations
        overrides["default_hooks.checkpoint.interval"] = max(1, iterations // 4)
    for index, hook in enumerate(settings.custom_hooks):
        if expert is not None and hook.get("trained_by") is not None:
            overrides[f"custom_hooks.{index}.checkpoint"] = str(expert)
    return Training(config, family, seed, folder, iterations, overrides, expert)


def run_all(
    trainings: Sequence[Training], *, data: str | Path, jobs: int = 1, progress: bool = True
) -> None:
    """Run what is not done yet, several at a time; a log lies beside each work directory.

    Args:
        trainings: from `plan`; one that needs an expert waits for it.
        data: clip folder.
        jobs: how many at a time; the processors are shared among them.
        progress: show a bar for each.

    Raises:
        ChildProcessError: a training failed; the message names its log. The others are stopped,
            with what they have saved.
    """
    waiting = [training for training in trainings if not training.is_done()]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    running: dict[Training, tuple[subprocess.Popen[bytes], Any]] = {}
    with progress_bars(show=progress) as bars:
        total = bars.add_task("trainings", total=len(waiting), note="") if waiting else None
        try:
            while waiting or running:
                _start(waiting, running, bars, data=data, jobs=jobs, threads=threads)
                time.sleep(_POLL_S)
                for training, (process, task) in list(running.items()):
                    bars.update(task, completed=iteration_of(log_of(training)))
                    if process.poll() is None:
                        continue
                    del running[training]
                    bars.remove_task(task)
                    if process.returncode != 0 or not training.is_done():
                        raise ChildProcessError(_failure(training, process.returncode))
                    assert total is not None
                    bars.advance(total)
        finally:
            for process, _ in running.values():
                process.terminate()
            for process, _ in running.values():
                process.wait()


def _start(
    waiting: list[Training],
    running: dict[Training, tuple[subprocess.Popen[bytes], Any]],
    bars: Any,
    *,
    data: str | Path,
    jobs: int,
    threads: int,
) -> None:
    """Start what may run now."""
    unfinished = {training.folder for training in (*waiting, *running)}
    for training in [one for one in waiting if one.expert not in unfinished]:
        if len(running) >= jobs:
            return
        waiting.remove(training)
        training.folder.parent.mkdir(parents=True, exist_ok=True)
        with log_of(training).open("ab") as log:
            process = subprocess.Popen(
                training.command(data), stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            )  # fmt: skip
        title = f"{training.config}, seed {training.seed}"
        running[training] = process, bars.add_task(title, total=training.iterations, note="")


def log_of(training: Training) -> Path:
    """Return the file with everything that a training printed."""
    return training.folder.with_name(f"{training.folder.name}.log")


def iteration_of(log: Path) -> int:
    """Return the last iteration that a log tells of; 0 if none."""
    if not log.is_file():
        return 0
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        found = _ITERATION.findall(file.read().decode("utf-8", "replace"))
    return int(found[-1]) if found else 0


def _failure(training: Training, code: int) -> str:
    log = log_of(training)
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    return f"{training.config}, seed {training.seed}: ended with code {code} ({last}); see {log}"
