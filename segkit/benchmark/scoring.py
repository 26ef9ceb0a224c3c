"""Score the rows of a table on the clips of a split, each row and seed once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from segkit.benchmark.rows import Row
from segkit.benchmark.trainings import Training
from segkit.clips import ClipFolder
from segkit.evaluation.baselines import StillFrame, UnitSelection, same_person
from segkit.evaluation.checkpoints import method_of
from segkit.evaluation.report import write_report
from segkit.evaluation.run import evaluate
from segkit.evaluation.self_driven import DrawnClip, Method, SelfDriven
from segkit.evaluation.suite import Suite

SCORES = "scores"


@dataclass(frozen=True)
class Score:
    """What a row's report says.

    Attributes:
        row: its key.
        seed: of its trainings; None for a row that learns nothing.
        values: ``metric/value`` -> number.
        report: folder of the whole report.
    """

    row: str
    seed: int | None
    values: dict[str, float]
    report: Path


def chosen_clips(
    folder: ClipFolder, split: str, most: int | None, *, frames: int | None = None
) -> list[SelfDriven]:
    """Return the clips of a split, one for each person before a second one of anybody.

    Args:
        folder: of clips.
        split: such as ``"test"``.
        most: how many at most; None takes all.
        frames: of each clip at most, the first ones; None takes all.
    """
    seen: dict[str, int] = {}
    ranked = []
    for clip in folder.clips(split):
        person = str(clip.entry.get("person_id", clip.clip_id))
        seen[person] = seen.get(person, 0) + 1
        ranked.append((seen[person], clip.clip_id, clip))
    ranked.sort(key=lambda item: item[:2])
    chosen = sorted(ranked[:most], key=lambda item: item[1])
    return [SelfDriven(clip, scheme=folder.scheme, most=frames) for _, _, clip in chosen]


def score_rows(
    rows: Sequence[Row],
    trainings: Sequence[Training],
    *,
    out: str | Path,
    folder: ClipFolder,
    clips: Sequence[SelfDriven],
    suite: Callable[[bool], Suite],
    seeds: Sequence[int],
    announce: Callable[[str], Any] = print,
    progress: bool = True,
) -> list[Score]:
    """Score rows whose trainings are done; a whole score that is there already is read.

    Args:
        rows: of the table.
        trainings: from `plan`.
        out: folder of the benchmark; each report goes below ``scores/``.
        folder: of the clips.
        clips: what is measured.
        suite: makes the metrics, given whether the method has masks.
        seeds: of the trainings.
        announce: is told what is scored next.
        progress: show bars.

    Raises:
        FileNotFoundError: a checkpoint is missing.
    """
    scores, wanted = [], suite(False).metrics
    for row in rows:
        for seed in seeds if row.trainings else (None,):
            name = row.key if seed is None else f"{row.key}_seed{seed}"
            report = Path(out) / SCORES / name
            if not is_whole(report, wanted):
                announce(f"scoring {name}")
                checkpoints = _checkpoints(row, seed, trainings)
                _score(row, checkpoints, report, folder, clips, suite, progress)
            scores.append(read_score(row.key, seed, report))
    return scores


def is_whole(report: Path, wanted: Iterable[str]) -> bool:
    """Tell whether a report was written, with all metrics that can be measured now.

    Since then others may have been named, or weights have come.

    Args:
        report: its folder.
        wanted: keys of the metrics.
    """
    path = report / "report.json"
    return (
        path.is_file() and set(wanted) <= json.loads(path.read_text("utf-8"))["definitions"].keys()
    )


def read_score(row: str, seed: int | None, report: Path) -> Score:
    """Read the numbers of a report that was written before."""
    content = json.loads((report / "report.json").read_text("utf-8"))
    values = {key: float(value) for key, value in content["values"].items() if value is not None}
    return Score(row, seed, values, report)


def _checkpoints(row: Row, seed: int | None, trainings: Sequence[Training]) -> list[Path]:
    found = []
    for name in row.trainings.values():
        training = next(
            one for one in trainings
            if one.seed == seed and one.family != "experts"
            and one.config.removesuffix("_tiny") == name
        )  # fmt: skip
        if not training.is_done():
            raise FileNotFoundError(
                f"{training.checkpoint} is not there yet; train it first (without --no-train)"
            )
        found.append(training.checkpoint)
    return found


def _score(
    row: Row, checkpoints: list[Path], report: Path, folder: ClipFolder,
    clips: Sequence[SelfDriven], suite: Callable[[bool], Suite], progress: bool,
) -> None:  # fmt: skip
    method = _method(row, checkpoints, folder)
    found = evaluate(
        clips, suite(method.has_masks), open_clip=partial(DrawnClip, method=method),
        pictures=report, progress=progress,
    )  # fmt: skip
    inputs = {"method": row.title, "clips": str(len(clips)), "data": str(folder.root)}
    if row.note:
        inputs["note"] = row.note
    inputs |= {f"checkpoint {k + 1}": str(path) for k, path in enumerate(checkpoints)}
    write_report(report, found, inputs=inputs)


def _method(row: Row, checkpoints: list[Path], folder: ClipFolder) -> Method:
    if row.key == "still":
        return StillFrame(name=row.title)
    if row.key == "units":
        return UnitSelection(same_person(folder), name=row.title)
    return method_of(checkpoints, compose=row.compose, name=row.title)
