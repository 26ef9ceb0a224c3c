"""Feed clips to metrics, one after the other, and collect what they say."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from segkit.evaluation.faces import FaceSettings, PairFaces
from segkit.evaluation.picker import FramePicker, headline
from segkit.evaluation.results import Report, thinned
from segkit.evaluation.streams import CHUNK_FRAMES, PairStream
from segkit.evaluation.suite import Suite
from segkit.progress import counted, progress_bars

__all__ = ["ClipStream", "Report", "evaluate"]

ALL_CLIPS = "all clips"
"""In place of a clip's name, for what is worth knowing of numbers over all of them."""


class Named(Protocol):
    """What is measured, before it is opened."""

    @property
    def name(self) -> str:
        """Name of the clip, in reports."""
        ...


class ClipStream(Protocol):
    """A predicted and a true clip in step, see `PairStream`.

    Attributes:
        head: ``sample_id``, ``fps``, ``size`` (H, W) and ``audio``.
        num_frames: about how many there will be.
        trimmed: frames left out at the end of the longer side, once the stream has ended.
    """

    head: dict[str, Any]
    num_frames: int
    trimmed: int

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield chunks with ``pred_frames`` and ``gt_frames``, and masks if the clip has its own.

        Raises:
            ValueError: what is only seen on the way, such as different lengths.
        """
        ...


T = TypeVar("T", bound=Named)


def evaluate(
    clips: Sequence[T],
    suite: Suite,
    *,
    open_clip: Callable[[T], ClipStream] = PairStream,  # type: ignore[assignment]
    faces: FaceSettings | None = None,
    pictures: str | Path | None = None,
    progress: bool = True,
) -> Report:
    """Measure every clip by every metric, each decoded once, in bounded memory.

    A clip that cannot be read or compared is reported and left out of all numbers; a metric that
    cannot measure some clip (too short for it, without sound) is left out for that clip.

    Args:
        clips: such as the pairs of `find_pairs`.
        suite: from `build_suite`.
        open_clip: makes the stream of one of them.
        faces: how landmarks and masks are found, where a metric needs them and the stream has none.
        pictures: folder of a report, below which the best, the median and the worst frame of each
            clip are written; None writes none.
        progress: show bars.

    Raises:
        ValueError: no clip could be measured; the message says why.
    """
    report = Report(skipped=dict(suite.skipped))
    faces = faces or FaceSettings()
    with progress_bars(show=progress) as bars, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for clip in counted(clips, bars, "clips", len(clips)):
            caught.clear()
            try:
                stream = open_clip(clip)
                chunks = counted(stream, bars, clip.name, -(-stream.num_frames // CHUNK_FRAMES))
                _Clip(stream, suite, report, faces).measure(chunks, pictures)
                bars.remove_task(bars.task_ids[-1])
            except (ValueError, OSError) as error:
                report.failed.append(clip.name)
                report.tell(clip.name, str(error))
            for sentence in dict.fromkeys(str(warning.message) for warning in caught):
                report.tell(clip.name, sentence)
    if len(report.failed) == len(clips):
        reasons = "\n".join(f"  {report.problems[name][0]}" for name in report.failed)
        raise ValueError(f"none of the {len(clips)} clips could be measured:\n{reasons}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _summarise(suite, report, faces)
    for sentence in dict.fromkeys(str(warning.message) for warning in caught):
        report.tell(ALL_CLIPS, sentence)
    return report


class _Clip:
    """One clip on its way through all metrics; a metric that refuses it is told, the rest go on."""

    def __init__(
        self, stream: ClipStream, suite: Suite, report: Report, faces: FaceSettings
    ) -> None:
        self.stream, self.suite, self.report = stream, suite, report
        self.name = str(stream.head["sample_id"])
        needs = {need for metric in suite.metrics.values() for need in metric.needs}
        self.faces = PairFaces(faces, needs=needs, fps=float(stream.head["fps"]))
        self.active: dict[str, Any] = {}
        self.num_frames = 0

    def measure(self, chunks: Iterable[dict[str, Any]], pictures: str | Path | None) -> None:
        """Give the clip to all metrics."""
        for key, metric in self.suite.metrics.items():
            if self._attempt(key, partial(metric.begin, self.stream.head)):
                self.active[key] = metric
        first = headline(self.active)
        picker = None if pictures is None or first is None else FramePicker(self.active[first])
        for chunk in chunks:
            self.num_frames += len(chunk["gt_frames"])
            self.faces.add_to(chunk)
            for key, metric in list(self.active.items()):
                self._add(key, metric, chunk)
            if picker is not None and first in self.active:
                picker.add(chunk)
        # Only now is it known that the clips belong together: until here nothing has counted.
        self._finish()
        if picker is not None:
            fps = float(self.stream.head["fps"])
            self.report.shown[self.name] = picker.write(
                Path(str(pictures)), clip=self.name, fps=fps
            )

    def _finish(self) -> None:
        for key, metric in self.active.items():
            if self._attempt(key, partial(metric.end, trimmed=self.stream.trimmed)):
                self._keep_curves(metric)
        if self.stream.trimmed:
            self.report.trimmed[self.name] = self.stream.trimmed
        for sentence in self.faces.sentences():
            self.report.tell(self.name, sentence)

    def _add(self, key: str, metric: Any, chunk: dict[str, Any]) -> None:
        head = self.stream.head
        given = {entry: chunk.get(entry, head.get(entry)) for entry in metric.needs}
        sample = {"sample_id": self.name, "size": head["size"], **given}
        if not self._attempt(key, lambda: metric.add(metric.check(sample))):
            del self.active[key]

    def _attempt(self, key: str, call: Callable[[], Any]) -> bool:
        try:
            call()
        except ValueError as error:
            self.report.tell(self.name, f"{key}: {error}")
            return False
        return True

    def _keep_curves(self, metric: Any) -> None:
        for name, values in getattr(metric, "curves", {}).items():
            # Of a change between two frames there is one fewer: it is seen at the later one.
            if len(values) == self.num_frames - 1:
                values = np.concatenate([[np.nan], values])
            points, num_frames = thinned(values)
            self.report.curves.setdefault(self.name, {})[f"{metric.prefix}/{name}"] = points
            self.report.curve_step_s[self.name] = num_frames / float(self.stream.head["fps"])


def _summarise(suite: Suite, report: Report, faces: FaceSettings) -> None:
    for key, metric in suite.metrics.items():
        report.definitions[key] = "; ".join([metric.definition(), *faces.origins(metric.needs)])
        report.directions[key] = "up" if metric.higher_is_better else "down"
        report.units[key] = metric.unit
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
