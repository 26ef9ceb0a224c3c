"""Run the mesh parser over single pictures and over the frames of a clip, where neighbours vote."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from segkit.faces import FaceDetector, FaceMesh, FaceTracker, NoFaceError, eye_distance
from segkit_models.parsers.mesh_regions import Analysis, RegionAnalyser, compose, label

_MIN_SIDE = 256
"""Smaller pictures are enlarged before the detector and the mesh see them."""
_HALF_WINDOW = 2
"""Neighbours on each side that vote on a frame."""


@dataclass(frozen=True, eq=False)
class _Seen:
    frame: np.ndarray
    landmarks: np.ndarray
    analysis: Analysis


class VideoParser:
    """The models behind the mesh parser."""

    def __init__(self) -> None:
        self.detector = FaceDetector()
        self.mesh = FaceMesh()
        self.analyse = RegionAnalyser()

    def parse(
        self, frames: Iterable[np.ndarray], *, landmarks: Iterable[np.ndarray] | None = None
    ) -> Iterator[np.ndarray]:
        """Yield labels ``H W`` uint8 per frame; see ``MeshParser.parse_frames``."""
        seen = self._seen(frames, landmarks)
        window: deque[_Seen] = deque(maxlen=2 * _HALF_WINDOW + 1)
        waiting = 0
        for item in seen:
            window.append(item)
            waiting += 1
            if waiting > _HALF_WINDOW:
                yield _decide(list(window), len(window) - 1 - _HALF_WINDOW)
                waiting -= 1
        for place in range(len(window) - waiting, len(window)):
            yield _decide(list(window), place)

    def _seen(
        self, frames: Iterable[np.ndarray], landmarks: Iterable[np.ndarray] | None
    ) -> Iterator[_Seen]:
        analyse = RegionAnalyser(memory=0.8)
        given = iter(landmarks) if landmarks is not None else None
        tracker = FaceTracker(detector=self.detector, mesh=self.mesh)
        last: np.ndarray | None = None
        for index, frame in enumerate(frames):
            points = _track(tracker, frame) if given is None else next(given)
            if points is not None and np.isfinite(points).all():
                last = points.astype(np.float64)
            if last is None:
                raise NoFaceError(
                    f"frame {index}: no face found; start the clip where the face is visible"
                )
            yield _Seen(frame, last, analyse(frame, last))


def probabilities_of_picture(parser: VideoParser, image: np.ndarray) -> np.ndarray | None:
    """Return probabilities ``12 H W`` of a single picture, or None when it shows no face.

    Args:
        parser: the models.
        image: uint8 RGB ``H W 3``.
    """
    enlarged, factors = _enlarged(image)
    faces = parser.detector.detect(enlarged)
    if not faces:
        return None
    largest = max(faces, key=lambda face: face.size)
    landmarks, presence = parser.mesh(enlarged, largest)
    if presence < 0.5:
        return None
    landmarks, _ = parser.mesh(enlarged, landmarks)
    points = landmarks / factors
    parser.analyse.reset()
    return compose(image, points, parser.analyse(image, points))


def _track(tracker: FaceTracker, frame: np.ndarray) -> np.ndarray | None:
    enlarged, factors = _enlarged(frame)
    landmarks = tracker(enlarged)
    return None if landmarks is None else landmarks / factors


def _enlarged(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = image.shape[:2]
    scale = _MIN_SIDE / min(height, width)
    if scale <= 1:
        return image, np.ones(2)
    size = (round(width * scale), round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.array(
        [size[0] / width, size[1] / height]
    )


def _decide(window: list[_Seen], place: int) -> np.ndarray:
    """Label one frame with steadied landmarks and the materials its neighbours agree on."""
    current = window[place]
    planes = _agreed_planes(window, place)
    analysis = Analysis(current.analysis.window, current.analysis.guide, planes)
    landmarks = _steadied_landmarks(window, place)
    return label(current.frame, landmarks, analysis)


def _steadied_landmarks(window: list[_Seen], place: int) -> np.ndarray:
    """Average each point with the neighbours in time that lie within its noise: motion stays."""
    current = window[place].landmarks
    noise = 0.012 * float(eye_distance(current))
    total, weights = np.zeros_like(current), np.zeros((len(current), 1))
    for index, item in enumerate(window):
        distance = np.linalg.norm(item.landmarks - current, axis=1, keepdims=True)
        weight = np.exp(-0.5 * (distance / noise) ** 2) * np.exp(
            -0.5 * ((index - place) / 1.5) ** 2
        )
        total += weight * item.landmarks
        weights += weight
    return total / weights


def _agreed_planes(window: list[_Seen], place: int) -> np.ndarray:
    """Average the material planes over time wherever the picture itself stays the same."""
    current = window[place].analysis
    total, weights = np.zeros_like(current.planes), np.zeros_like(current.guide)
    for index, item in enumerate(window):
        other = item.analysis
        if other.window != current.window or other.planes.shape != current.planes.shape:
            continue
        change = (other.guide - current.guide) / 0.06
        weight = np.exp(-0.5 * change * change) * float(np.exp(-0.5 * ((index - place) / 1.5) ** 2))
        total += weight * other.planes
        weights += weight
    return total / weights
