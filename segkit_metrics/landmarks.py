"""Landmark distance: how far predicted landmarks lie from true ones, in pixels (M-LMD, F-LMD)."""

from __future__ import annotations

import numpy as np


def landmark_distance(
    prediction: np.ndarray,
    target: np.ndarray,
    *,
    centre: bool = False,
    unit_length: np.ndarray | None = None,
) -> tuple[float, float]:
    """Average the Euclidean distance of paired landmarks over the frames where both are known.

    Args:
        prediction: ``T K 2`` in pixels; a frame with any NaN counts as a missed face.
        target: ``T K 2`` in pixels of the same frames.
        centre: subtract each frame's own mean first, so that only the shape is compared.
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
    if prediction.shape != target.shape or prediction.ndim != 3 or prediction.shape[-1] != 2:
        raise ValueError(
            f"landmarks: expected two arrays (T, K, 2), got {prediction.shape} and {target.shape}"
        )
    valid = np.isfinite(prediction).all((1, 2)) & np.isfinite(target).all((1, 2))
    if not valid.any():
        return float("nan"), 0.0
    predicted, wanted = prediction[valid].astype(np.float64), target[valid].astype(np.float64)
    if centre:
        predicted = predicted - predicted.mean(1, keepdims=True)
        wanted = wanted - wanted.mean(1, keepdims=True)
    distance = np.linalg.norm(predicted - wanted, axis=-1).mean(1)
    if unit_length is not None:
        distance = distance / np.asarray(unit_length, np.float64)[valid]
    return float(distance.mean()), float(valid.mean())
