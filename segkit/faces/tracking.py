"""Follow one face through a stream of frames, over missed frames and scene cuts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segkit.faces.alignment import crop_transform, warp_crop
from segkit.faces.cuts import CutSense
from segkit.faces.detector import DetectedFace, FaceDetector, check_image
from segkit.faces.mesh import FaceMesh
from segkit.faces.track import (
    FaceTrack,
    NoFaceError,
    SeveralFacesError,
    bridge_gaps,
    face_distance,
    middle_and_side,
)

_MIN_PRESENCE = 0.5
_RIVAL_SHARE = 0.4
"""A second face whose area exceeds this share of the largest one's makes a choice necessary."""
_MOST_FITS, _SETTLED = 6, 0.005
"""A detection's box is rough: the mesh is fitted until it moves by less than half a percent."""
_SEARCH_EVERY_S = 0.2
"""How often a lost face is looked for in tiles, which costs tens of detector runs."""
_VERIFY_EVERY_S = 1.0
"""How often the detector confirms what the mesh follows; alone, the mesh can drift off."""
_SAME_PERSON = 0.55
"""Correlation of two aligned thumbnails below which they show different people."""


def track_face(
    frames: Iterable[np.ndarray],
    *,
    face: int | None = None,
    fps: float = 25,
    max_gap_s: float = 0.5,
    detector: FaceDetector | None = None,
    mesh: FaceMesh | None = None,
) -> FaceTrack:
    """Follow one face through a clip, keeping only its landmarks in memory.

    Args:
        frames: uint8 RGB ``H W 3`` frames of one size, any iterator.
        face: which face of the first frame with faces, counted from left to right; None takes the
            only or the clearly largest one.
        fps: frames per second.
        max_gap_s: longest gap that is bridged by straight lines; the frames of longer ones are not
            valid.
        detector: a detector to use; a new one by default.
        mesh: a mesh to use; a new one by default.

    Returns:
        The track, as long as the stream.

    Raises:
        NoFaceError: no face in any frame; the message tells where it was looked for.
        SeveralFacesError: several faces of comparable size and no ``face``.
        ValueError: no frames, frames of different sizes, or ``face`` out of range.
    """
    tracker = FaceTracker(face=face, fps=fps, detector=detector, mesh=mesh)
    found: list[np.ndarray | None] = []
    size: tuple[int, int] | None = None
    for frame in frames:
        check_image(frame)
        size = size or (frame.shape[0], frame.shape[1])
        if frame.shape[:2] != size:
            raise ValueError(
                f"frames: expected all of size {size}, got {frame.shape[:2]} at frame {len(found)}"
            )
        found.append(tracker(frame))
    if size is None:
        raise ValueError("frames: expected at least one frame, got none; is the video empty?")
    if not any(landmarks is not None for landmarks in found):
        where = tracker.detector.describe_search(*size)
        raise NoFaceError(
            f"no face in {len(found)} frames; looked at {where}. "
            "Give a clip with a larger, frontal face"
        )
    return bridge_gaps(found, size, round(max_gap_s * fps))


class FaceTracker:
    """Give the landmarks of one face frame by frame; ``track_face`` for a live stream.

    Args:
        face: as in ``track_face``.
        fps: frames per second.
        detector: a detector to use; a new one by default.
        mesh: a mesh to use; a new one by default.
    """

    def __init__(
        self,
        *,
        face: int | None = None,
        fps: float = 25,
        detector: FaceDetector | None = None,
        mesh: FaceMesh | None = None,
    ) -> None:
        self.detector = detector or FaceDetector()
        self.mesh = mesh or FaceMesh()
        self.face = face
        self.fps = fps
        self._last: np.ndarray | None = None
        self._look: np.ndarray | None = None
        self._has_rivals = False
        self._may_be_anywhere = False
        self._num_missed = 0
        self._since_check = 0
        self._since_search = 10**9
        self._sees_cut = CutSense()

    def __call__(self, frame: np.ndarray) -> np.ndarray | None:
        """Return the landmarks ``468 2`` of the face in this frame, or None.

        Raises:
            SeveralFacesError: at the first frame with faces, see ``track_face``.
            ValueError: ``face`` is out of range there.
        """
        at_cut = self._sees_cut(frame)
        self._may_be_anywhere |= at_cut or self._num_missed > 0.5 * self.fps
        if self._last is None:
            landmarks = self._first(frame)
        else:
            follows = not at_cut and not self._num_missed
            landmarks = self._follow(frame, self._last) if follows else None
            if landmarks is None:
                landmarks = self._find_again(frame, self._last, at_cut)
        if landmarks is None:
            self._num_missed += 1
            return None
        if self._look is None:
            self._look = _look(frame, landmarks)
        self._last, self._num_missed, self._may_be_anywhere = landmarks, 0, False
        return landmarks

    def _first(self, frame: np.ndarray) -> np.ndarray | None:
        faces = self._fitted(frame, self.detector.detect(frame, search_tiles=self._may_search()))
        if not faces:
            return None
        areas = np.array([face.size**2 for face, _ in faces])
        comparable = areas > _RIVAL_SHARE * areas.max()
        self._has_rivals = len(faces) > 1
        if self.face is None:
            if comparable.sum() > 1:
                raise SeveralFacesError(_describe([face for face, _ in faces]))
            return faces[int(areas.argmax())][1]
        if not 0 <= self.face < len(faces):
            listing = _describe([face for face, _ in faces])
            raise ValueError(f"face: expected 0..{len(faces) - 1}, got {self.face}; {listing}")
        return faces[self.face][1]

    def _follow(self, frame: np.ndarray, last: np.ndarray) -> np.ndarray | None:
        """Run the mesh where the face was; distrust leaps, let the detector confirm at times."""
        landmarks, presence = self.mesh(frame, last)
        if presence < _MIN_PRESENCE or face_distance(landmarks, last) > 0.8:
            return None
        self._since_check += 1
        if self._since_check < _VERIFY_EVERY_S * self.fps:
            return landmarks
        self._since_check = 0
        middle, side = middle_and_side(landmarks)
        nearby = self.detector.detect_near(frame, middle, 2.5 * side)
        lost = nearby and min(np.linalg.norm(face.centre - middle) for face in nearby) > 0.6 * side
        return None if lost else landmarks

    def _find_again(self, frame: np.ndarray, last: np.ndarray, at_cut: bool) -> np.ndarray | None:
        if not at_cut:
            middle, side = middle_and_side(last)
            nearby = self.detector.detect_near(frame, middle, 2.5 * side)
            chosen = self._choose(frame, nearby, last)
            if chosen is not None:
                return chosen
        search = self._may_search() or at_cut
        return self._choose(frame, self.detector.detect(frame, search_tiles=search), last)

    def _choose(
        self, frame: np.ndarray, faces: list[DetectedFace], last: np.ndarray
    ) -> np.ndarray | None:
        """Take the face that is nearest to the lost one and looks like it."""
        best, best_cost = None, np.inf
        # The longer the face was away, the farther it may have come; a cut may put it anywhere.
        reach = np.inf if self._may_be_anywhere else 0.8 + 0.1 * self._num_missed
        for _, landmarks in self._fitted(frame, faces):
            distance, likeness = face_distance(landmarks, last), self._likeness(frame, landmarks)
            stranger = (self._has_rivals or len(faces) > 1) and likeness < _SAME_PERSON
            cost = min(distance, 3.0) - 3 * likeness
            if distance <= reach and not stranger and cost < best_cost:
                best, best_cost = landmarks, cost
        return best

    def _likeness(self, frame: np.ndarray, landmarks: np.ndarray) -> float:
        """Correlate a face's aligned thumbnail with that of the face followed."""
        return 1.0 if self._look is None else float((_look(frame, landmarks) * self._look).mean())

    def _fitted(
        self, frame: np.ndarray, faces: list[DetectedFace]
    ) -> list[tuple[DetectedFace, np.ndarray]]:
        """Fit the mesh, again and again around its own result; drop what is no face to it."""
        fitted = []
        for face in faces:
            landmarks, presence = self.mesh(frame, face)
            for _ in range(_MOST_FITS):
                if presence < _MIN_PRESENCE:
                    break
                before = landmarks
                landmarks, presence = self.mesh(frame, before)
                if face_distance(landmarks, before) < _SETTLED:
                    break
            if presence >= _MIN_PRESENCE:
                fitted.append((face, landmarks))
        return fitted

    def _may_search(self) -> bool:
        self._since_search += 1
        if self._since_search < _SEARCH_EVERY_S * self.fps:
            return False
        self._since_search = 0
        return True


def _look(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Describe a person by a tiny aligned picture of mean 0 and deviation 1."""
    small = warp_crop(frame, crop_transform(landmarks, 16), 16).astype(np.float64)
    return (small - small.mean()) / max(small.std(), 1e-6)


def _describe(faces: list[DetectedFace]) -> str:
    boxes = "; ".join(
        f"{k}: {', '.join(f'{value:.0f}' for value in face.box)}" for k, face in enumerate(faces)
    )
    return (
        f"{len(faces)} faces in the first frame with faces; choose one with --face "
        f"0..{len(faces) - 1}, left to right (left, top, right, bottom: {boxes})"
    )
