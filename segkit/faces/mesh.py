"""Fit the 468-point face mesh inside a rotated square around a face."""

from __future__ import annotations

import math

import cv2
import numpy as np

from segkit.faces.detector import DetectedFace, check_image
from segkit.faces.litert import FACE_MESH, LiteRTModel
from segkit.faces.topology import LEFT_EYE_CORNERS, NUM_LANDMARKS, RIGHT_EYE_CORNERS

_INPUT_SIZE = 192
_MARGIN = 1.5
"""Side of the square over the longer side of the face's box, as the model was trained."""


class FaceMesh:
    """MediaPipe's face mesh: landmarks of one face, from its detection or a frame ago."""

    def __init__(self) -> None:
        self._model = LiteRTModel(FACE_MESH)

    def __call__(
        self, image: np.ndarray, face: DetectedFace | np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Locate the landmarks of one face.

        Args:
            image: uint8 RGB ``H W 3``.
            face: a detection, or landmarks ``468 2`` of the same face in a nearby frame.

        Returns:
            Landmarks ``468 2`` float32 in pixels (pixel centres at .5, so the picture spans [0, W]
            x [0, H]), and the probability that the square holds a face at all.

        Raises:
            ValueError: the image is not uint8 ``H W 3``, or the landmarks are not finite ``468 2``.
        """
        check_image(image)
        centre, side, angle = (
            _square_of_detection(face) if isinstance(face, DetectedFace) else _square_of(face)
        )
        rotation = np.array(
            [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        )
        linear = rotation * (side / _INPUT_SIZE)
        offset = centre - linear @ np.full(2, _INPUT_SIZE / 2)
        view = _rotated_view(image, linear, offset)
        points, presence = self._model(view[None] / 255.0)
        landmarks = points.reshape(NUM_LANDMARKS, 3)[:, :2] @ linear.T + offset
        logit = float(np.clip(presence.ravel()[0], -60, 60))
        return landmarks.astype(np.float32), 1 / (1 + math.exp(-logit))


def _square_of_detection(face: DetectedFace) -> tuple[np.ndarray, float, float]:
    left_eye, right_eye = face.keypoints[:2].astype(np.float64)
    angle = math.atan2(right_eye[1] - left_eye[1], right_eye[0] - left_eye[0])
    return face.centre, face.size * _MARGIN, angle


def _square_of(landmarks: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Take the roll from the eyes and the extent from all points in the unrolled frame."""
    if landmarks.shape != (NUM_LANDMARKS, 2) or not np.isfinite(landmarks).all():
        raise ValueError(
            f"landmarks: expected finite ({NUM_LANDMARKS}, 2), got {landmarks.shape} or NaN values"
        )
    points = landmarks.astype(np.float64)
    outer = points[RIGHT_EYE_CORNERS[1]] - points[LEFT_EYE_CORNERS[0]]
    angle = math.atan2(outer[1], outer[0])
    axes = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    unrolled = points @ axes.T
    low, high = unrolled.min(0), unrolled.max(0)
    return (low + high) / 2 @ axes, float((high - low).max()) * _MARGIN, angle


def _rotated_view(image: np.ndarray, linear: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Sample the square; a face much larger than the model's input is first shrunk by area."""
    scale = math.hypot(linear[0, 0], linear[1, 0])
    factor = 1
    if scale > 2:
        image, linear, offset, factor = _shrunk_window(image, linear, offset, scale)
    # OpenCV counts pixel centres from 0, landmarks from .5.
    shift = (linear @ np.full(2, 0.5) + offset) / factor - 0.5
    matrix = np.concatenate([linear / factor, shift[:, None]], 1)
    size = (_INPUT_SIZE, _INPUT_SIZE)
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _shrunk_window(
    image: np.ndarray, linear: np.ndarray, offset: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Cut the window around the square and shrink it by a whole number."""
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * _INPUT_SIZE @ linear.T + offset
    factor = int(scale)
    low = np.floor(np.clip(corners.min(0), 0, None)).astype(int)
    high = np.ceil(corners.max(0)).astype(int)
    window = image[low[1] : max(high[1], low[1] + factor), low[0] : max(high[0], low[0] + factor)]
    height, width = window.shape[0] // factor, window.shape[1] // factor
    if height == 0 or width == 0:
        return image, linear, offset, 1
    window = window[: height * factor, : width * factor]
    return (
        cv2.resize(window, (width, height), interpolation=cv2.INTER_AREA),
        linear,
        offset - low,
        factor,
    )
