"""Is enough of a face in sight to draw a mouth on it? Profiles and cut-off faces are not."""

from __future__ import annotations

import numpy as np

from segkit.faces.topology import (
    FACE_SIDES,
    LEFT_EYE_CORNERS,
    NOSE_BRIDGE,
    RIGHT_EYE_CORNERS,
    as_68_points,
)

# Paper: frontal faces only; ours:
_MOST_TURN, _TURN_BACK = 1.0, 0.85
"""About 45 and 40 degrees: the far corner of the mouth is then at the outline of the face."""
_MOST_OUTSIDE, _OUTSIDE_BACK = 0.15, 0.1
"""Shares of the 68 points outside the picture; a chin that is cut off is allowed."""


def turn(landmarks: np.ndarray) -> np.ndarray:
    """Tell how far a head is turned to the side, roughly the tangent of the angle.

    Args:
        landmarks: ``... 468 2``.

    Returns:
        ``...``: 0 from the front; negative where the picture's left side of the face is narrower.
    """
    points = np.asarray(landmarks, np.float64)
    across = points[..., RIGHT_EYE_CORNERS[1], :] - points[..., LEFT_EYE_CORNERS[0], :]
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    along = (points[..., (*FACE_SIDES, NOSE_BRIDGE[0]), :] * across[..., None, :]).sum(-1)
    left, right = along[..., 2] - along[..., 0], along[..., 1] - along[..., 2]
    return (left - right) / np.maximum(left + right, 1e-6)


def is_turned_away(landmarks: np.ndarray) -> bool:
    """Tell whether a head ``468 2`` is turned too far for its mouth to be seen."""
    return bool(abs(turn(landmarks)) > _MOST_TURN)


def share_outside(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return which share of the 68 points lies outside a picture.

    Args:
        landmarks: ``... 468 2`` pixels.
        size: height and width of the picture.
    """
    points = as_68_points(landmarks)
    inside = (points >= 0) & (points <= np.array(size[::-1]))
    return 1 - inside.all(-1).mean(-1)


def unusable(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Tell in which frames a face is turned away, or cut off by the picture, too far.

    A face that passes the limit counts until it has come back by some more, both ways in time, so
    that one near the limit does not flicker.

    Args:
        landmarks: ``T 468 2``; NaN where there is no face.
        size: height and width of the frames.

    Returns:
        ``T`` bool; false where there is no face.
    """
    known = np.isfinite(landmarks).all((1, 2))
    turned, outside = np.zeros(len(landmarks)), np.zeros(len(landmarks))
    turned[known] = np.abs(turn(landmarks[known]))
    outside[known] = share_outside(landmarks[known], size)
    return _with_runs(turned > _MOST_TURN, turned > _TURN_BACK) | _with_runs(
        outside > _MOST_OUTSIDE, outside > _OUTSIDE_BACK
    )


def _with_runs(sure: np.ndarray, perhaps: np.ndarray) -> np.ndarray:
    """Keep the runs of ``perhaps`` that hold something sure."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], perhaps.astype(int), [0]])))
    kept = np.zeros(len(sure), bool)
    for start, stop in edges.reshape(-1, 2):
        kept[start:stop] = sure[start:stop].any()
    return kept
