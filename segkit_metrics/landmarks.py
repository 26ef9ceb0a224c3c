"""Landmark distance: how far predicted landmarks lie from true ones (M-LMD, F-LMD)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from segkit.faces.similarity import apply_transform, fit_similarity
from segkit.registry import METRICS
from segkit_metrics.base import Clip, VideoMetric
from segkit_metrics.clip_samples import LengthPolicy
from segkit_metrics.face_regions import EYE_CORNERS, POINTS
from segkit_metrics.means import Reduction

Align = Literal["none", "center", "similarity"]
Normalise = Literal["none", "iod", "image"]
PointReduction = Literal["mean", "sum"]
_CHOICES = {
    "align": ("none", "center", "similarity"),
    "normalise": ("none", "iod", "image"),
    "points": ("mean", "sum"),
}

PRESETS: dict[str, dict[str, str | int | None]] = {
    "paper": dict(align="none", points="mean", reduce="frame", reference_size=512),
    "eat": dict(align="center", points="mean", reduce="video", reference_size=None),
    "atvg": dict(align="center", points="sum", reduce="frame", reference_size=None),
    "nerf": dict(align="center", points="mean", reduce="frame", reference_size=None),
}
"""How published work measures. The paper's own numbers fit only uncentred pixels of 512 px."""


def point_distances(
    prediction: np.ndarray, target: np.ndarray, *, align: Align = "none"
) -> np.ndarray:
    """Return the Euclidean distance of each pair of landmarks.

    Args:
        prediction: ``T K 2`` in pixels; a frame with any NaN is a missed face.
        target: ``T K 2`` in pixels of the same frames.
        align: ``"center"`` subtracts each set's own mean in each frame; ``"similarity"`` also turns
            and scales the prediction to fit best, so that only the shape is compared.

    Returns:
        ``T K``; NaN in frames where either face was missed.

    Raises:
        ValueError: the two arrays differ in shape.
    """
    if prediction.shape != target.shape or prediction.ndim != 3 or prediction.shape[-1] != 2:
        raise ValueError(
            f"landmarks: expected two arrays (T, K, 2), got {prediction.shape} and {target.shape}"
        )
    valid = np.isfinite(prediction).all((1, 2)) & np.isfinite(target).all((1, 2))
    distances = np.full(prediction.shape[:2], np.nan)
    if not valid.any():
        return distances
    predicted, wanted = prediction[valid].astype(np.float64), target[valid].astype(np.float64)
    if align == "center":
        predicted = predicted - predicted.mean(1, keepdims=True)
        wanted = wanted - wanted.mean(1, keepdims=True)
    elif align == "similarity":
        predicted = apply_transform(fit_similarity(predicted, wanted), predicted)
    distances[valid] = np.linalg.norm(predicted - wanted, axis=-1)
    return distances


def landmark_distance(
    prediction: np.ndarray,
    target: np.ndarray,
    *,
    align: Align = "none",
    unit_length: np.ndarray | None = None,
) -> tuple[float, float]:
    """Average the distance of paired landmarks over the frames where both are known.

    Args:
        prediction: ``T K 2`` in pixels; a frame with any NaN counts as a missed face.
        target: ``T K 2`` in pixels of the same frames.
        align: see `point_distances`.
        unit_length: ``T`` lengths (pixels) to divide each frame's distance by, such as the distance
            of the eyes.

    Returns:
        ``(distance, valid_ratio)``: the mean over landmarks, then frames, and the share of frames
        used.
        The distance is NaN when no frame is valid, never 0.

    Raises:
        ValueError: the two arrays differ in shape.

    Source: paper section 4.1 (F-LMD, M-LMD); the paper's numbers are uncentred pixels.

    Example:
        >>> landmark_distance(np.zeros((2, 4, 2)), np.full((2, 4, 2), 3.0))
        (4.242640687119285, 1.0)
    """
    distance = point_distances(prediction, target, align=align).mean(1)
    if unit_length is not None:
        distance = distance / np.asarray(unit_length, np.float64)
    valid = np.isfinite(distance)
    return float(distance[valid].mean()) if valid.any() else float("nan"), float(valid.mean())


@METRICS.register
class LandmarkDistance(VideoMetric):
    """Distance of the 68 landmarks of the face (F) and of the 20 of the mouth among them (M).

    Landmarks are inputs: one detector must have found those of both sides.

    Args:
        preset: ``"paper"``, ``"eat"``, ``"atvg"`` (mouth only) or ``"nerf"``: what the other
            arguments are if not given. Paper: detector, size and alignment not given; ours: pixels
            of a frame of 512 px, not aligned, the only reading that its table allows.
        align: see `point_distances`; M is aligned by the mouth's points alone.
        normalise: divide by the distance of the true outer eye corners (``"iod"``) or by the longer
            side of the frame (``"image"``).
        points: mean or sum over landmarks.
        reference_size: scale pixels as if the longer side of the frame were that long; 0: do not.
        reduce: average over frames, or over the clips' own means.
        on_length_mismatch: see `ClipMetric`.
        prefix: instead of `default_prefix`.

    Raises:
        ValueError: an unknown choice, or a reference size beside a normalisation.
    """

    name = "LMD"
    unit = "px"
    higher_is_better = False
    default_prefix = "LMD"
    needs = ("pred_landmarks", "gt_landmarks")

    def __init__(
        self,
        *,
        preset: str = "paper",
        align: Align | None = None,
        normalise: Normalise = "none",
        points: PointReduction | None = None,
        reference_size: int | None = None,
        reduce: Reduction | None = None,
        on_length_mismatch: LengthPolicy = "error",
        prefix: str | None = None,
    ) -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, got {preset!r}")
        given = PRESETS[preset]
        super().__init__(
            reduce=reduce or given["reduce"],  # type: ignore[arg-type]
            on_length_mismatch=on_length_mismatch,
            prefix=prefix,
        )
        self.preset, self.normalise = preset, normalise
        self.align: Align = align or given["align"]  # type: ignore[assignment]
        self.points: PointReduction = points or given["points"]  # type: ignore[assignment]
        for argument, choices in _CHOICES.items():
            if getattr(self, argument) not in choices:
                raise ValueError(
                    f"{argument}: expected one of {', '.join(choices)}, "
                    f"got {getattr(self, argument)!r}"
                )
        if normalise != "none" and reference_size:
            raise ValueError(f"reference_size: has no meaning with normalise={normalise!r}")
        size = given["reference_size"] if reference_size is None else reference_size
        self.reference_size = int(size or 0) if normalise == "none" else 0
        self.regions = ("mouth",) if preset == "atvg" else ("face", "mouth")
        if normalise != "none":
            self.unit = {"iod": "eye distances", "image": "frame sides"}[normalise]
        self._values: dict[str, list[np.ndarray]] = {}

    def definition(self) -> str:
        """Say what the number is."""
        aligned = {
            "none": "not aligned",
            "center": "each set centred",
            "similarity": "turned and scaled to fit",
        }[self.align]
        scale = f", at {self.reference_size} px" if self.reference_size else ""
        regions = {"face": "F: 68 points", "mouth": "M: points 48-67"}
        return (
            f"preset {self.preset}; {', '.join(regions[r] for r in self.regions)}, {self.points} "
            f"over points, {aligned}, {self.unit}{scale}, mean over {self.reduce}s where both "
            "faces are found"
        )

    def begin(self, clip: Clip) -> None:
        """Start a clip."""
        super().begin(clip)
        self._values = {region: [] for region in self.regions}

    def add(self, chunk: Clip) -> None:
        """Measure the next frames."""
        prediction, target = chunk["pred_landmarks"], chunk["gt_landmarks"]
        scale = self._scale(chunk, target.astype(np.float64))
        # A face is found whole or not at all: F and M are of the same frames.
        whole = np.isfinite(prediction).all((1, 2)) & np.isfinite(target).all((1, 2))
        for region, values in self._values.items():
            part = POINTS[region]
            found = point_distances(prediction[:, part], target[:, part], align=self.align)
            total = found.sum(1) if self.points == "sum" else found.mean(1)
            values.append(np.where(whole, total * scale, np.nan))

    def _scale(self, chunk: Clip, target: np.ndarray) -> np.ndarray | float:
        if self.normalise == "iod":
            left, right = (target[:, corner] for corner in EYE_CORNERS)
            distance = np.linalg.norm(right - left, axis=-1)
            return 1 / np.where(distance > 0, distance, np.nan)
        if self.normalise == "none" and not self.reference_size:
            return 1.0
        if chunk.get("size") is None:
            raise ValueError(
                f"clip {self._sample_id!r}: expected size (H, W) beside landmarks without frames, "
                "to scale pixels"
            )
        return (self.reference_size or 1.0) / max(chunk["size"])

    def finish(self) -> dict[str, np.ndarray | float | int]:
        """Return F and M of each frame, and whether it could be measured."""
        names = {"face": "F", "mouth": "M"}
        found = {names[region]: np.concatenate(v) for region, v in self._values.items()}
        return {**found, "valid_ratio": np.isfinite(found["M"]).astype(np.float64)}
