"""What PSNR, SSIM and LPIPS share: pairs of frames, or the same part of both."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np

from segkit_metrics.base import Clip, VideoMetric
from segkit_metrics.face_regions import POINTS, Region, landmark_box


class FrameMetric(VideoMetric):
    """A metric that looks at one pair of frames at a time, or a part of them.

    Args:
        region: ``"full"``, or the box around the true landmarks of the ``"face"`` or ``"mouth"``
            (the same box in both frames, at least `smallest` pixels wide and high; a frame
            without them is left out).
        margin: added on each side of that box, as a share of its longer side. Paper: not given;
            ours: 0.2.
        reduce: average over frames, or over the clips' own means.
        on_length_mismatch: ``"error"``, or ``"trim"`` to the shorter side.
        prefix: stands before the names in the report; by default the metric's and the region's.

    Attributes:
        last_values: one value for each frame of the last chunk.
    """

    key: str
    """Name of the value in the report."""

    smallest = 1
    """Pixels of a side below which nothing can be measured; boxes of landmarks grow to that."""

    def __init__(
        self,
        *,
        region: Region = "full",
        margin: float = 0.2,
        reduce: Literal["frame", "video"] = "frame",
        on_length_mismatch: Literal["error", "trim"] = "error",
        prefix: str | None = None,
    ) -> None:
        if region == "full":
            prefix = prefix or self.default_prefix
        super().__init__(
            reduce=reduce,
            on_length_mismatch=on_length_mismatch,
            prefix=prefix or f"{self.default_prefix}-{region}",
        )
        if region != "full" and region not in POINTS:
            raise ValueError(f"region: expected 'full', 'face' or 'mouth', got {region!r}")
        self.region = region
        self.margin = margin
        if region != "full":
            self.needs = (*self.needs, "gt_landmarks")
        self._values: list[np.ndarray] = []
        self.last_values = np.zeros(0)

    @abstractmethod
    def compare(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return one value for each pair of frames ``T 3 H W``, uint8 or floats in [0, 1]."""

    def begin(self, clip: Clip) -> None:
        """Start a clip."""
        super().begin(clip)
        self._values = []

    def add(self, chunk: Clip) -> None:
        """Measure the next frames."""
        prediction, target = chunk["pred_frames"], chunk["gt_frames"]
        try:
            if self.region == "full":
                self.last_values = self.compare(prediction, target)
            else:
                self.last_values = self._in_boxes(prediction, target, chunk["gt_landmarks"])
        except ValueError as error:
            raise ValueError(f"clip {self._sample_id!r}: {error}") from error
        self._values.append(self.last_values)

    def _in_boxes(
        self, prediction: np.ndarray, target: np.ndarray, landmarks: np.ndarray
    ) -> np.ndarray:
        values = np.full(len(target), np.nan)
        for index, points in enumerate(landmarks[:, POINTS[self.region]]):
            box = landmark_box(
                points, target.shape[-2:], margin=self.margin, smallest=self.smallest
            )
            if box is not None:
                part = (slice(index, index + 1), slice(None), *box)
                values[index] = self.compare(prediction[part], target[part])[0]
        return values

    def finish(self) -> dict[str, np.ndarray | float | int]:
        """Return one value for each frame."""
        return {self.key: np.concatenate(self._values)}

    def place(self) -> str:
        """Say what part of a frame is measured, and how it is averaged."""
        if self.region == "full":
            return f"whole frame, mean over {self.reduce}s"
        return (
            f"box of the true {self.region} landmarks + {self.margin:g} of its longer side, "
            f"mean over {self.reduce}s"
        )
