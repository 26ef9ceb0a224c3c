"""The frames of a clip that a report shows: the best, a typical one, the worst."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segkit.evaluation.faces import UNKNOWN
from segkit.evaluation.pictures import ShownFrame, frame_strip, write_png

PICTURES = "pictures"
"""Folder of a report that holds them."""

_HEADLINES = ("mouth-lpips", "lpips", "mouth-psnr", "psnr", "ssim")
"""Metrics by which frames are chosen, the first one that is measured."""

_MOST_CANDIDATES = 32
"""Frames held of a clip, spread over it, among which the typical one is found."""


def headline(keys: Mapping[str, Any]) -> str | None:
    """Return the metric by which frames are chosen; None if none is measured."""
    return next((key for key in _HEADLINES if key in keys), None)


@dataclass(frozen=True, eq=False)
class _Held:
    """A frame of both sides, and what was measured of it."""

    number: int
    value: float
    planes: dict[str, np.ndarray]


class FramePicker:
    """Keep a few frames of a clip while it passes by.

    Args:
        metric: gives a value for each frame of a chunk, ``last_values``.
    """

    def __init__(self, metric: Any) -> None:
        self.metric = metric
        self._best: _Held | None = None
        self._worst: _Held | None = None
        self._candidates: list[_Held] = []
        self._step = 1
        self._num_seen = 0
        self._values: list[float] = []

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Look at the frames that the metric has just measured."""
        sign = 1.0 if self.metric.higher_is_better else -1.0
        for index, value in enumerate(np.asarray(self.metric.last_values, np.float64)):
            number, self._num_seen = self._num_seen, self._num_seen + 1
            if np.isnan(value):
                continue
            self._values.append(float(value))
            if self._best is None or sign * value > sign * self._best.value:
                self._best = _hold(chunk, index, number, value)
            if self._worst is None or sign * value < sign * self._worst.value:
                self._worst = _hold(chunk, index, number, value)
            if number % self._step == 0:
                self._candidates.append(_hold(chunk, index, number, value))
            if len(self._candidates) > _MOST_CANDIDATES:
                self._step *= 2
                self._candidates = [c for c in self._candidates if c.number % self._step == 0]

    def chosen(self) -> dict[str, _Held]:
        """Return the frames by what they are; no frame twice."""
        if self._best is None or self._worst is None:
            return {}
        found = {"best": self._best}
        middle = float(np.median(self._values))
        others = [c for c in self._candidates if c.number not in (self._best.number,
                                                                  self._worst.number)]  # fmt: skip
        if others:
            found["median"] = min(others, key=lambda held: abs(held.value - middle))
        if self._worst.number != self._best.number:
            found["worst"] = self._worst
        return found

    def write(self, folder: Path, *, clip: str, fps: float) -> list[ShownFrame]:
        """Write the frames below the folder of a report and return what they are."""
        name = f"{self.metric.prefix}/{self.metric.key}"
        shown = []
        for kind, held in self.chosen().items():
            file = f"{PICTURES}/{_file_name(clip)}_{kind}.png"
            (folder / PICTURES).mkdir(parents=True, exist_ok=True)
            write_png(folder / file, _strip(held.planes))
            shown.append(
                ShownFrame(
                    kind=kind, number=held.number, time_s=held.number / fps, name=name,
                    value=held.value, file=file,
                )
            )  # fmt: skip
        return shown


def _hold(chunk: Mapping[str, Any], index: int, number: int, value: float) -> _Held:
    sides = {"real": "gt", "pred": "pred"}
    planes = {
        name: chunk[f"{side}_frames"][index].transpose(1, 2, 0).copy()
        for name, side in sides.items()
    }
    if "gt_masks" in chunk and (chunk["gt_masks"][index] != UNKNOWN).any():
        for name, side in sides.items():
            # Where masks are of crops, the crops are shown; others may be smaller than the frame.
            if f"{side}_crops" in chunk:
                planes[name] = chunk[f"{side}_crops"][index].copy()
            planes[f"{name}_labels"] = _fitted(chunk[f"{side}_masks"][index], planes[name])
    return _Held(number, float(value), planes)


def _fitted(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    import cv2  # slow to import

    size = (picture.shape[1], picture.shape[0])
    if labels.shape == picture.shape[:2]:
        return labels.copy()
    return cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)


def _strip(planes: Mapping[str, np.ndarray]) -> np.ndarray:
    return frame_strip(
        planes["real"],
        planes["pred"],
        real_labels=planes.get("real_labels"),
        pred_labels=planes.get("pred_labels"),
    )


def _file_name(clip: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in clip)
    kept = kept.lstrip(".")
    # Two clips whose names differ in such letters only keep files of their own.
    return kept if kept == clip else f"{kept}_{zlib.crc32(clip.encode()):08x}"
