"""The shells around metrics: clip after clip in, means or a distance of distributions out."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from mmengine.evaluator import BaseMetric

from segkit_metrics.clip_samples import Clip, LengthPolicy, check_clip, chunks, without_frames
from segkit_metrics.collecting import check_each_once, gather
from segkit_metrics.means import Mean, Reduction
from segkit_metrics.weight_files import MissingWeightsError, find_weights

__all__ = [
    "Clip",
    "ClipMetric",
    "DistributionMetric",
    "Mean",
    "MissingWeightsError",
    "VideoMetric",
    "check_clip",
    "find_weights",
]


class ClipMetric(BaseMetric):
    """Give clips to a metric whole (`process`), or in chunks: `begin`, `add` ..., `end`.

    Only chunks reach a metric, so a video of any length is measured in bounded memory.

    Args:
        on_length_mismatch: what `process` does with entries of different length.
        collect_device: mmengine's; not used, results are gathered by ``torch.distributed``.
        prefix: stands before the name of every value, instead of `default_prefix`.
    """

    name: str
    unit: str
    higher_is_better: bool
    default_prefix: str
    needs: tuple[str, ...] = ("pred_frames", "gt_frames")
    chunk_frames = 64
    """Frames of one chunk that `process` cuts."""

    def __init__(
        self,
        *,
        on_length_mismatch: LengthPolicy = "error",
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if on_length_mismatch not in ("error", "trim"):
            raise ValueError(
                f"on_length_mismatch: expected 'error' or 'trim', got {on_length_mismatch!r}"
            )
        self.on_length_mismatch = on_length_mismatch
        self._sample_id = ""
        self._rows: list[dict[str, Any]] = []

    @abstractmethod
    def definition(self) -> str:
        """Return one line that says what the number is, to be printed beside it."""

    def begin(self, clip: Clip) -> None:
        """Start a clip, forgetting one that did not end; a subclass also resets what it keeps.

        Args:
            clip: ``sample_id`` and what does not grow with time, such as ``fps`` and ``audio``.
        """
        self._sample_id = clip["sample_id"]

    @abstractmethod
    def add(self, chunk: Clip) -> None:
        """Take the next frames of the clip, in order.

        Args:
            chunk: what `check_clip` returns for some consecutive frames.
        """

    @abstractmethod
    def row(self) -> dict[str, Any]:
        """Return what is kept of the clip that ends: one row, however long it was."""

    def end(self, *, trimmed: int = 0) -> None:
        """Finish the clip; only now does it count.

        Args:
            trimmed: frames that were cut from the longer side.
        """
        row = {"sample_id": self._sample_id, "trimmed": trimmed}
        self.results.append({**row, **self.row()})

    def process(self, data_batch: Any, data_samples: Sequence[Clip]) -> None:
        """Measure whole clips, one in each sample."""
        del data_batch
        for sample in data_samples:
            clip = self.check(sample)
            self._feed(clip)
            self.end(trimmed=clip["trimmed"])

    def check(self, sample: Clip) -> dict[str, Any]:
        """Check what this metric needs of a clip; see `check_clip`."""
        return check_clip(sample, needs=self.needs, on_length_mismatch=self.on_length_mismatch)

    def _feed(self, clip: dict[str, Any]) -> None:
        self.begin(without_frames(clip))
        for chunk in chunks(clip, self.chunk_frames):
            self.add(chunk)

    def evaluate(self, size: int) -> dict[str, float]:
        """Return the values over all clips of all processes, on every process, and start anew.

        Args:
            size: number of clips in the data set.

        Raises:
            ValueError: a clip was measured twice (padding of the sampler), or is missing.
        """
        rows = sorted(gather(self.results), key=lambda row: row["sample_id"])
        check_each_once([row["sample_id"] for row in rows], size)
        self.results.clear()
        report = self.compute_metrics(rows)
        report["n_clips"] = len(rows)
        if trimmed := sum(row["trimmed"] for row in rows):
            report["trimmed"] = trimmed
        self._rows = rows
        return {f"{self.prefix}/{key}": float(value) for key, value in report.items()}

    def rows(self) -> list[dict[str, Any]]:
        """Return one row of plain values for each clip of the last `evaluate`, for a report."""
        return [
            {key: value.value if isinstance(value, Mean) else value for key, value in row.items()}
            for row in self._rows
        ]


class VideoMetric(ClipMetric):
    """A metric of single frames or clips that is averaged.

    A subclass keeps what it measures of the clip at hand, and `finish` returns it.

    Args:
        reduce: average over the frames of all clips, or over the clips' own means.
        on_length_mismatch: see `ClipMetric`.
        collect_device: mmengine's.
        prefix: instead of `default_prefix`.

    Attributes:
        curves: name -> value of each frame of the clip that ended last, for a report.
    """

    def __init__(
        self,
        *,
        reduce: Reduction = "frame",
        on_length_mismatch: LengthPolicy = "error",
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            on_length_mismatch=on_length_mismatch, collect_device=collect_device, prefix=prefix
        )
        if reduce not in ("frame", "video"):
            raise ValueError(f"reduce: expected 'frame' or 'video', got {reduce!r}")
        self.reduce: Reduction = reduce
        self.curves: dict[str, np.ndarray] = {}

    @abstractmethod
    def finish(self) -> dict[str, np.ndarray | float | int]:
        """Return what was measured of the clip, the headline value first.

        An array holds one value for each frame (NaN: not measured), a float one for the clip, and
        an int counts something and is summed over clips.
        """

    def measure(self, sample: Clip) -> dict[str, np.ndarray | float | int]:
        """Return the values of one whole clip without keeping them; see `finish`."""
        self._feed(self.check(sample))
        return self.finish()

    def row(self) -> dict[str, Any]:
        """Return what is kept of the clip: means, counts, or what a subclass pools itself."""
        found = self.finish()
        self.curves = {k: v for k, v in found.items() if isinstance(v, np.ndarray)}
        return {k: v if isinstance(v, int) else Mean.of(v) for k, v in found.items()}

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Return means over frames or clips, sums of counts, and ``n`` values of the headline."""
        keys = [k for k in dict.fromkeys(k for row in results for k in row) if k not in _OWN]
        report: dict[str, float] = {}
        number: int | None = None
        for key in keys:
            values = [row[key] for row in results if key in row]
            if isinstance(values[0], int):
                report[key] = sum(values)
                continue
            mean = Mean.merge(values, self.reduce)
            report[key] = mean.value
            number = mean.n if number is None else number
            if math.isnan(mean.value):
                warnings.warn(
                    f"{self.prefix}/{key}: nothing could be measured in {len(results)} clips",
                    stacklevel=2,
                )
        return {**report, "n": number or 0}


_OWN = ("sample_id", "trimmed")


class Accumulator(Protocol):
    """What a `DistributionMetric` keeps of features, such as their moments."""

    def merge(self, other: Any) -> None:
        """Take all that another one has seen."""
        ...


class DistributionMetric(ClipMetric):
    """A metric between the features of all true and all predicted frames or clips.

    Memory does not grow with the number of frames. A subclass puts features into ``self.clip`` as
    chunks come; what it holds counts from `end` on.

    Args:
        keep_truth: keep the features of true clips by their names from one evaluation to the next,
            for several methods that are compared with the same truth. They stay in memory.
        on_length_mismatch: see `ClipMetric`.
        collect_device: mmengine's.
        prefix: instead of `default_prefix`.
    """

    def __init__(
        self,
        *,
        keep_truth: bool = False,
        on_length_mismatch: LengthPolicy = "error",
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            on_length_mismatch=on_length_mismatch, collect_device=collect_device, prefix=prefix
        )
        self.clip: dict[str, Any] = {}
        self.total: dict[str, Any] = {}
        self.keep_truth = keep_truth
        self._truth: dict[str, np.ndarray] = {}

    def known(
        self, side: str, names: Sequence[str], compute: Callable[[], np.ndarray]
    ) -> np.ndarray:
        """Return features ``N D``, those of the truth from memory if they are kept.

        Args:
            side: ``"pred"`` or ``"gt"``.
            names: N names of what they are of.
            compute: gives them.
        """
        if not self.keep_truth or side != "gt":
            return compute()
        if not all(name in self._truth for name in names):
            self._truth |= dict(zip(names, compute(), strict=True))
        return np.stack([self._truth[name] for name in names])

    @abstractmethod
    def accumulators(self) -> dict[str, Accumulator]:
        """Return empty accumulators, such as the moments of ``pred`` and ``gt``."""

    @abstractmethod
    def compare(self, total: dict[str, Any]) -> dict[str, float]:
        """Return the values, given the accumulators of all processes."""

    def begin(self, clip: Clip) -> None:
        """Start a clip; a subclass calls this and resets what it carries over."""
        super().begin(clip)
        self.clip = self.accumulators()

    def row(self) -> dict[str, Any]:
        """Let the clip count; a subclass may add what a report should know of it."""
        self.total = _merged([self.total or self.accumulators(), self.clip])
        return {}

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Return `compare` over all processes, and start anew; runs on every process."""
        del results
        total = _merged(gather([self.total or self.accumulators()]))
        self.total = {}
        return self.compare(total)


def _merged(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    first, *others = parts
    for other in others:
        for key, accumulator in first.items():
            accumulator.merge(other[key])
    return first
