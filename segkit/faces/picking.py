"""Choose one of the faces of a frame, or say why none can be chosen."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from segkit.faces.choice import FaceChoice
from segkit.faces.detector import DetectedFace, FaceDetector
from segkit.faces.fitting import fitted_faces
from segkit.faces.likeness import Likeness
from segkit.faces.mesh import FaceMesh
from segkit.faces.track import NoFaceError, SeveralFacesError

_RIVAL_SHARE = 0.4
"""A second face whose area exceeds this share of the largest one's makes a choice necessary."""

_WINDOWS = (1.0, 0.5, 0.25)
"""Sides of the windows in which a face is looked for around a point, of the frame's shorter one."""


class Sighting(NamedTuple):
    """A face in a frame.

    Attributes:
        face: as detected.
        landmarks: ``468 2``.
    """

    face: DetectedFace
    landmarks: np.ndarray


class FacePicker:
    """Picks the chosen face from the faces of a frame.

    Args:
        choice: which face.
        detector: finds a small face at a chosen point, and the face of a picture.
        mesh: fits them.
        likeness: compares with a picture.
    """

    def __init__(
        self, choice: FaceChoice, *, detector: FaceDetector, mesh: FaceMesh, likeness: Likeness
    ) -> None:
        self.choice = choice
        self._detector, self._mesh, self._likeness = detector, mesh, likeness
        self._wanted: np.ndarray | None = None
        self._best = -np.inf

    @property
    def wants_everywhere(self) -> bool:
        """Whether small faces beside large ones may be the one."""
        return self.choice.picture is not None

    def __call__(self, frame: np.ndarray, faces: list[Sighting]) -> Sighting | None:
        """Pick from a frame with faces; None to wait for another frame.

        Args:
            frame: uint8 RGB ``H W 3``.
            faces: of the frame, at least one, from left to right.

        Raises:
            SeveralFacesError: no choice and several faces, or two too alike to tell.
            ValueError: a number or a point that no face has, or a picture without one face.
        """
        if self.choice.number is not None:
            return self._by_number(self.choice.number, faces)
        if self.choice.point is not None:
            return self._by_point(frame, self.choice.point, faces)
        if self.choice.picture is not None:
            return self._by_picture(frame, self.choice.picture, faces)
        areas = np.array([face.size**2 for face, _ in faces])
        if (areas > _RIVAL_SHARE * areas.max()).sum() > 1:
            raise SeveralFacesError(
                f"{len(faces)} faces in the first frame with faces; choose one with --face "
                f"0..{len(faces) - 1}, left to right, --point X,Y or --ref-image FILE "
                f"({boxes(faces)})"
            )
        return faces[int(areas.argmax())]

    def why_none(self) -> str | None:
        """Say that faces were seen, but none like the picture; None where that is not the cause."""
        if self.choice.picture is None or self._best == -np.inf:
            return None
        return (
            f"faces were found, but none like that of {self.choice.picture}: likeness "
            f"{self._best:.2f} at best, {self._likeness.same_person:.2f} needed, by "
            f"{self._likeness.words}; choose with --face or --point"
        )

    def _by_number(self, number: int, faces: list[Sighting]) -> Sighting:
        if not 0 <= number < len(faces):
            raise ValueError(
                f"face: expected 0..{len(faces) - 1}, got {number}; the first frame with faces has "
                f"{boxes(faces)}"
            )
        return faces[number]

    def _by_point(
        self, frame: np.ndarray, point: tuple[float, float], faces: list[Sighting]
    ) -> Sighting:
        height, width = frame.shape[:2]
        if not (0 <= point[0] <= width and 0 <= point[1] <= height):
            raise ValueError(
                f"point: expected one inside the {width}x{height} frame, got "
                f"{point[0]:g},{point[1]:g}; the first frame with faces has {boxes(faces)}"
            )
        place = np.array(point)
        hit = [one for one in faces if _holds(one.face, place)]
        for share in () if hit else _WINDOWS:
            near = self._detector.detect_near(frame, place, share * min(height, width))
            small = [face for face in near if _holds(face, place)]
            hit += [Sighting(*pair) for pair in fitted_faces(self._mesh, frame, small)]
        return min(hit or faces, key=lambda one: float(np.linalg.norm(one.face.centre - place)))

    def _by_picture(
        self, frame: np.ndarray, picture: Path, faces: list[Sighting]
    ) -> Sighting | None:
        if self._wanted is None:
            self._wanted = self._describe_picture(picture)
        alike = [
            self._likeness.compare(self._wanted, self._likeness.describe(frame, one.landmarks))
            for one in faces
        ]
        order = np.argsort(alike)[::-1]
        best = alike[order[0]]
        self._best = max(self._best, best)
        if best < self._likeness.same_person:
            return None
        if len(order) > 1 and best - alike[order[1]] < self._likeness.margin:
            told = ", ".join(f"{index}: {alike[index]:.2f}" for index in sorted(order[:2]))
            raise SeveralFacesError(
                f"two faces look as much like that of {picture} (likeness {told}, by "
                f"{self._likeness.words}); choose with --face or --point ({boxes(faces)})"
            )
        return faces[int(order[0])]

    def _describe_picture(self, path: Path) -> np.ndarray:
        from segkit.pictures import read_picture

        image = read_picture(path)
        faces = fitted_faces(self._mesh, image, self._detector.detect(image))
        if not faces:
            where = self._detector.describe_search(image.shape[0], image.shape[1])
            raise NoFaceError(f"{path}: no face in it; looked at {where}")
        areas = np.array([face.size**2 for face, _ in faces])
        if (areas > _RIVAL_SHARE * areas.max()).sum() > 1:
            raise SeveralFacesError(f"{path}: {len(faces)} faces in it; crop it to the one meant")
        return self._likeness.describe(image, faces[int(areas.argmax())][1])


def boxes(faces: list[Sighting]) -> str:
    """List faces and their boxes in words."""
    listed = "; ".join(
        f"{k}: {', '.join(f'{value:.0f}' for value in face.box)}"
        for k, (face, _) in enumerate(faces)
    )
    return f"left, top, right, bottom: {listed}"


def _holds(face: DetectedFace, point: np.ndarray) -> bool:
    left, top, right, bottom = face.box
    return bool(left <= point[0] <= right and top <= point[1] <= bottom)
