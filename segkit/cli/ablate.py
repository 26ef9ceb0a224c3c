"""`segkit ablate`: train and score a method, its ablations and baselines, and print the table."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit.cli.errors import user_errors

if TYPE_CHECKING:
    from segkit.benchmark.rows import Row
    from segkit.benchmark.scoring import Score
    from segkit.benchmark.trainings import Training
    from segkit.evaluation.self_driven import SelfDriven
    from segkit.evaluation.suite import Suite


ARGUMENTS: dict[str, dict[str, Any]] = {
    "fid": {"keep_truth": True},
    "fid-pytorch": {"keep_truth": True},
    "fvd": {"keep_truth": True, "on_short": "skip"},
}
"""What metrics of a table are given beside the defaults."""


class Scale(str, Enum):
    """Which configs are trained."""

    tiny = "tiny"
    full = "full"


@user_errors(interrupted="what is trained and scored is kept; the same command goes on")
def ablate(
    data: Annotated[Path, typer.Option("--data", help="Clip folder.", metavar="DIR")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Trainings, reports and the table.", metavar="DIR")
    ] = Path("ablation"),
    rows: Annotated[
        str,
        typer.Option(
            "--rows",
            help="Such as ours,wav2lip,still; 'table2' or 'all'.",
        ),
    ] = "table2",
    scale: Annotated[
        Scale, typer.Option("--scale", help="tiny: 128 px, a laptop; full: the paper's.")
    ] = Scale.tiny,
    seeds: Annotated[str, typer.Option("--seeds", help="One training for each.")] = "0",
    iterations: Annotated[
        list[str] | None,
        typer.Option(
            "--iterations",
            help="FAMILY=N, of tsg, sgi, wav2lip, experts; default: the configs' own.",
            metavar="FAMILY=N",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Trainings at a time.")] = 1,
    split: Annotated[str, typer.Option("--split", help="What is scored.")] = "test",
    clips: Annotated[
        int | None, typer.Option("--clips", min=1, help="Score so many at most, all persons first.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", min=1, help="Of each clip at most, the first ones.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", help="See `segkit evaluate`; default: all.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", help="Folder of weight files; default SEGKIT_WEIGHTS, or ./weights.",
            metavar="DIR", show_default=False,
        ),
    ] = None,
    no_train: Annotated[
        bool, typer.Option("--no-train", help="Only score what is trained already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be trained, and stop.")
    ] = False,
) -> None:  # fmt: skip
    r"""Train what a table compares, all alike, score it on clips of its own, and print the table.

    The default is the paper's table 2: the whole method and three ablations. Every training has
    its own folder, and is resumed by the same command after an interruption; a row that is scored
    is not scored again (delete its folder below scores/ for that).

    Example: [bold]segkit ablate --data data/synthetic --rows all --seeds 0,1,2
    --iterations tsg=800 --iterations sgi=450 --iterations wav2lip=1600[/bold]
    """
    from segkit.benchmark.rows import TABLE_2, chosen_rows, config_of
    from segkit.benchmark.scoring import chosen_clips, score_rows
    from segkit.benchmark.table import write_table
    from segkit.benchmark.trainings import EXPERT_FOLDER, plan, run_all
    from segkit.clips import ClipFolder

    folder = ClipFolder(data)
    keys = {"table2": list(TABLE_2), "all": None}.get(rows, _words(rows))
    chosen = chosen_rows(keys)
    numbers = [_whole(word, "--seeds") for word in _words(seeds)]
    trainings = plan(
        chosen, out=out, data=data, scale=scale.value, seeds=numbers, iterations=_budget(iterations)
    )
    measured = chosen_clips(folder, split, clips, frames=frames)
    judge = out / EXPERT_FOLDER / config_of("wav2lip_syncnet", scale.value)
    suite = suite_maker(metrics, weights, judge)
    if dry_run:
        show_plan(chosen, trainings, len(measured), suite(True))
        return
    out.mkdir(parents=True, exist_ok=True)
    if not no_train:
        run_all(trainings, data=data, jobs=jobs)
    scores = score_rows(
        chosen, trainings, out=out, folder=folder, clips=measured, suite=suite, seeds=numbers,
        announce=typer.echo,
    )  # fmt: skip
    facts = facts_of(data, trainings, split=split, measured=measured, seeds=numbers)
    table = write_table(out, scores, facts=facts)
    show_table(scores)
    typer.echo(f"\n{table}; a report of every row below {out / 'scores'}")


def suite_maker(
    metrics: str | None, weights: Path | None, judge: Path | None = None
) -> Callable[[bool], Suite]:
    """Return what gives the metrics of a row, given whether its method has masks.

    All rows have the same metrics, so that features of the truth are made once.

    Args:
        metrics: their keys, with commas between; None takes all.
        weights: folder of weight files.
        judge: work directory of a SyncNet of pictures; where it is trained, it judges the sync.
    """
    from segkit.engine.checkpoints import latest_checkpoint
    from segkit.evaluation.suite import DEFAULT_SUITE, OF_MASKS, Entry, Suite, build_suite

    named = None if metrics is None else _words(metrics)
    built: list[Suite] = []

    def build() -> Suite:
        entries = [
            replace(entry, arguments={**entry.arguments, **ARGUMENTS.get(entry.key, {})})
            for entry in DEFAULT_SUITE
        ]
        if judge is not None and (checkpoint := latest_checkpoint(judge)) is not None:
            arguments = {"weights": judge_network(checkpoint), "network_name": judge.name}
            entries.append(Entry("sync-judge", "SyncExpertScore", arguments))
        return build_suite(named, root=weights, entries=tuple(entries))

    def give(has_masks: bool) -> Suite:
        if not built:
            built.append(build())
        (suite,) = built
        if has_masks:
            return suite
        kept = {key: metric for key, metric in suite.metrics.items() if key not in OF_MASKS}
        return Suite(kept, suite.skipped)

    return give


def judge_network(path: Path) -> Any:
    """Load the SyncNet of pictures that was trained on this data: the judge where none is given."""
    from segkit.trained import model_config, part_state, read_checkpoint
    from segkit.weights.converted import with_classes

    content = read_checkpoint(path)
    config = with_classes(
        {
            **model_config(path, content)["syncnet"],
            "type": "segkit_models.baselines.wav2lip.Wav2LipSyncNet",
        }
    )
    network = config.pop("type")(**config)
    network.load_state_dict(part_state(content["state_dict"], "syncnet", path))
    return network


def show_plan(rows: list[Row], trainings: list[Training], num_clips: int, suite: Suite) -> None:
    """Print what would be done."""
    for training in trainings:
        state = "done" if training.is_done() else f"{training.iterations} iterations"
        typer.echo(f"train {training.config}, seed {training.seed}: {state} ({training.folder})")
    titles = ", ".join(row.title for row in rows)
    typer.echo(f"score {titles} on {num_clips} clips by {', '.join(suite.metrics)}")
    for key, reason in suite.skipped.items():
        typer.echo(f"not measured: {key}: {reason}")


def show_table(scores: list[Score]) -> None:
    """Print the table, as wide as it is."""
    from rich.console import Console
    from rich.table import Table

    from segkit.benchmark.rows import ROWS
    from segkit.benchmark.table import COLUMNS, columns_of, tabulate

    table = tabulate(scores)
    names = columns_of(table)
    shown = Table(box=None, pad_edge=False)
    shown.add_column("", overflow="fold")
    for name in names:
        shown.add_column(COLUMNS[name], justify="right", overflow="fold")
    titles = {row.key: row.title for row in ROWS}
    for key, cells in table.items():
        shown.add_row(titles[key], *(str(cells[n]) if n in cells else "" for n in names))
    Console().print(shown)


def facts_of(
    data: Path,
    trainings: list[Training],
    *,
    split: str,
    measured: list[SelfDriven],
    seeds: list[int],
) -> dict[str, str]:
    """Return what made a table: data, budgets, seeds, software, machine."""
    import platform

    import torch

    from segkit import __version__

    settings = data / "synth.json"
    budgets = {
        f"{training.config} {training.iterations}": None
        for training in trainings
    }  # fmt: skip
    return {
        "data": f"{data.name}, {len(measured)} clips of split {split}, "
        f"{sum(clip.num_frames for clip in measured)} frames",
        "made by": " ".join(settings.read_text("utf-8").split()) if settings.is_file() else "",
        "iterations": ", ".join(budgets) or "none",
        "seeds": ", ".join(map(str, seeds)),
        "software": f"segkit {__version__}, torch {torch.__version__}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, "
        + (torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"),
    }


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _whole(text: str, option: str) -> int:
    if not text.isdigit():
        raise ValueError(f"{option}: expected whole numbers such as 0,1,2, got {text!r}")
    return int(text)


def _budget(texts: list[str] | None) -> dict[str, int]:
    budget = {}
    for text in texts or ():
        family, _, number = text.partition("=")
        budget[family.strip()] = _whole(number.strip(), f"--iterations {text}")
    return budget
