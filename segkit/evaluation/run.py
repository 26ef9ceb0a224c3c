"""Feed pairs of videos to metrics, clip by clip, and collect what they say."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from segkit.evaluation.pairs import Pair
from segkit.evaluation.streams import CHUNK_FRAMES, PairStream
from segkit.evaluation.suite import Suite
from segkit.progress import counted, progress_bars


@dataclass
class Report:
    """What an evaluation found; plain data.

    Attributes:
        values: ``metric/value`` -> number over all clips.
        definitions: metric -> what its numbers are.
        directions: metric -> ``"up"`` or ``"down"`` is better.
        prefixes: what a value's name begins with -> metric.
        clips: name -> ``metric/value`` -> number of that clip.
        skipped: metric -> why it was not measured at all.
        problems: clip -> sentences about what went wrong or is worth knowing.
        failed: clips of which nothing could be measured.
        trimmed: clip -> frames left out at the end of the longer video.
    """

    values: dict[str, float] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    directions: dict[str, str] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)
    clips: dict[str, dict[str, float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    trimmed: dict[str, int] = field(default_factory=dict)


def evaluate(
    pairs: Sequence[Pair],
    suite: Suite,
    *,
    on_length_mismatch: Literal["error", "trim"] = "error",
    landmarks: Callable[[], Any] | None = None,
    progress: bool = True,
) -> Report:
    """Measure every pair by every metric, each clip decoded once, in bounded memory.

    A clip that cannot be read or compared is reported and left out of all numbers; a metric that
    cannot measure some clip (too short for it, without sound) is left out for that clip.

    Args:
        pairs: from `find_pairs`.
        suite: from `build_suite`.
        on_length_mismatch: ``"error"``, or ``"trim"`` the longer video of a pair.
        landmarks: see `PairStream`.
        progress: show bars.

    Raises:
        ValueError: no clip could be measured; the message says why.
    """
    report = Report(skipped=dict(suite.skipped))
    with progress_bars(show=progress) as bars, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for pair in counted(pairs, bars, "clips", len(pairs)):
            caught.clear()
            try:
                stream = PairStream(
                    pair, on_length_mismatch=on_length_mismatch, landmarks=landmarks
                )
                chunks = counted(stream, bars, pair.name, -(-stream.num_frames // CHUNK_FRAMES))
                _measure(stream, chunks, suite, report)
                bars.remove_task(bars.task_ids[-1])
            except (ValueError, OSError) as error:
                report.failed.append(pair.name)
                _tell(report, pair.name, str(error))
            for sentence in dict.fromkeys(str(warning.message) for warning in caught):
                _tell(report, pair.name, sentence)
    if len(report.failed) == len(pairs):
        reasons = "\n".join(f"  {report.problems[name][0]}" for name in report.failed)
        raise ValueError(f"none of the {len(pairs)} clips could be measured:\n{reasons}")
    _summarise(suite, report)
    return report


def _measure(
    stream: PairStream, chunks: Iterable[dict[str, Any]], suite: Suite, report: Report
) -> None:
    """Give one pair to all metrics; a metric that refuses it is told, the others go on."""
    name = stream.pair.name
    active = {}
    for key, metric in suite.metrics.items():
        if _attempt(report, name, key, partial(metric.begin, stream.head)):
            active[key] = metric
    for chunk in chunks:
        for key, metric in list(active.items()):
            given = {entry: chunk.get(entry, stream.head.get(entry)) for entry in metric.needs}
            sample = {"sample_id": name, "size": stream.head["size"], **given}
            if not _attempt(report, name, key, partial(_add, metric, sample)):
                del active[key]
    # Only now is it known that the two videos belong together: until here nothing has counted.
    for key, metric in active.items():
        _attempt(report, name, key, partial(metric.end, trimmed=stream.trimmed))
    if stream.trimmed:
        report.trimmed[name] = stream.trimmed


def _add(metric: Any, sample: dict[str, Any]) -> None:
    metric.add(metric.check(sample))


def _attempt(report: Report, clip: str, key: str, call: Callable[[], Any]) -> bool:
    try:
        call()
    except ValueError as error:
        _tell(report, clip, f"{key}: {error}")
        return False
    return True


def _tell(report: Report, clip: str, sentence: str) -> None:
    report.problems.setdefault(clip, []).append(sentence)


def _summarise(suite: Suite, report: Report) -> None:
    for key, metric in suite.metrics.items():
        report.definitions[key] = metric.definition()
        report.directions[key] = "up" if metric.higher_is_better else "down"
        report.prefixes[metric.prefix] = key
        count = len(metric.results)
        if not count:
            report.skipped[key] = "no clip could be measured by it"
            continue
        try:
            report.values |= metric.evaluate(count)
        except ValueError as error:  # such as a distribution of a single sample
            report.skipped[key] = str(error)
            continue
        for row in metric.rows():
            numbers = {
                f"{metric.prefix}/{name}": value
                for name, value in row.items()
                if isinstance(value, (int, float)) and name != "trimmed"
            }
            report.clips.setdefault(row["sample_id"], {}).update(numbers)
