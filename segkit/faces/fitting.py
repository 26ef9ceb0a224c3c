"""Fit the mesh to detected faces until it settles."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segkit.faces.detector import DetectedFace
from segkit.faces.mesh import FaceMesh
from segkit.faces.track import face_distance

MIN_PRESENCE = 0.5
"""Probability below which the mesh holds no face."""

_MOST_FITS, _SETTLED = 6, 0.005
"""A detection's box is rough: the mesh is fitted until it moves by less than half a percent."""


def fitted_faces(
    mesh: FaceMesh, frame: np.ndarray, faces: Iterable[DetectedFace]
) -> list[tuple[DetectedFace, np.ndarray]]:
    """Fit the mesh, again and again around its own result; drop what is no face to it.

    Args:
        mesh: the mesh.
        frame: uint8 RGB ``H W 3``.
        faces: detected in it.

    Returns:
        Each face with its landmarks ``468 2``.
    """
    fitted = []
    for face in faces:
        landmarks, presence = mesh(frame, face)
        for _ in range(_MOST_FITS):
            if presence < MIN_PRESENCE:
                break
            before = landmarks
            landmarks, presence = mesh(frame, before)
            if face_distance(landmarks, before) < _SETTLED:
                break
        if presence >= MIN_PRESENCE:
            fitted.append((face, landmarks))
    return fitted
