"""The record of one face over a clip, and the errors of looking for it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segkit.faces.topology import NUM_LANDMARKS
from segkit.faces.visibility import unusable

_MAX_LEAP = 1.0
"""Distance of two sightings, in face sizes, above which a cut lies between them."""


class NoFaceError(ValueError):
    """No face was found where one is needed."""


class SeveralFacesError(ValueError):
    """Several faces of similar size, and no word which one is meant."""


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face over a clip.

    Args:
        landmarks: ``T 468 2`` float32 pixels; NaN where not valid.
        valid: ``T`` bool: landmarks are there, seen or interpolated.
        detected: ``T`` bool: the face was seen well in this very frame.
        image_size: height and width of the frames.
    """

    landmarks: np.ndarray
    valid: np.ndarray
    detected: np.ndarray
    image_size: tuple[int, int]

    @property
    def num_frames(self) -> int:
        """Number of frames, T."""
        return len(self.valid)

    def gaps(self) -> list[tuple[int, int]]:
        """Return the frame ranges ``[start, stop)`` without a face, for reports."""
        edges = np.flatnonzero(np.diff(np.concatenate([[1], self.valid.astype(int), [1]])))
        return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def bridge_gaps(
    found: Sequence[np.ndarray | None],
    size: tuple[int, int],
    max_gap: int,
    *,
    hidden: Sequence[bool] | None = None,
) -> FaceTrack:
    """Make a track, filling short gaps between two sightings of a face by straight lines.

    A face seen in profile, or cut off by the picture, is not valid, and no gap: nothing is known of
    a mouth that cannot be seen.

    Args:
        found: landmarks ``468 2`` per frame, or None where the face was not seen.
        size: height and width of the frames.
        max_gap: longest gap to fill, in frames.
        hidden: per frame, whether something else is seen at the face's place, or a profile; it is
            not valid, for a mouth would be drawn on that. None where nothing is known.
    """
    detected = np.array([landmarks is not None for landmarks in found])
    landmarks = np.full((len(found), NUM_LANDMARKS, 2), np.nan, np.float32)
    for index in np.flatnonzero(detected):
        landmarks[index] = found[int(index)]
    valid = detected.copy()
    for before, after in itertools.pairwise(np.flatnonzero(detected)):
        short = 1 < after - before <= max_gap + 1
        if short and face_distance(landmarks[after], landmarks[before]) < _MAX_LEAP:
            share = (np.arange(before + 1, after) - before)[:, None, None] / (after - before)
            filled = landmarks[before] * (1 - share) + landmarks[after] * share
            landmarks[before + 1 : after] = filled
            valid[before + 1 : after] = True
    unseen = unusable(landmarks, size)
    if hidden is not None:
        unseen |= np.asarray(hidden)
    landmarks[unseen], valid[unseen], detected[unseen] = np.nan, False, False
    return FaceTrack(landmarks, valid, detected, size)


def middle_and_side(landmarks: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the middle of the box around landmarks ``468 2``, and its longer side, in pixels."""
    low, high = landmarks.min(0).astype(np.float64), landmarks.max(0).astype(np.float64)
    return (low + high) / 2, float((high - low).max())


def face_distance(landmarks: np.ndarray, other: np.ndarray) -> float:
    """Measure how far two faces lie apart and differ in size, in units of the other's size."""
    (first, size), (second, other_size) = middle_and_side(landmarks), middle_and_side(other)
    size, other_size = max(size, 1e-6), max(other_size, 1e-6)
    return float(np.linalg.norm(first - second) / other_size + abs(np.log(size / other_size)))
