"""Follow one face through a stream of frames, over missed frames and scene cuts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segkit.faces.choice import FaceChoice, face_choice
from segkit.faces.cuts import CutSense
from segkit.faces.detector import DetectedFace, FaceDetector, check_image
from segkit.faces.fitting import MIN_PRESENCE, fitted_faces
from segkit.faces.likeness import Likeness, ThumbnailLikeness, known_likeness
from segkit.faces.mesh import FaceMesh
from segkit.faces.picking import FacePicker, Sighting
from segkit.faces.track import (
    FaceTrack,
    NoFaceError,
    bridge_gaps,
    face_distance,
    middle_and_side,
)
from segkit.faces.visibility import is_turned_away

_SEARCH_EVERY_S = 0.2
"""How often a lost face is looked for in tiles, which costs tens of detector runs."""
_VERIFY_EVERY_S, _VERIFY_RIVALS_S = 1.0, 0.2
"""How often the detector confirms what the mesh follows; alone, the mesh can drift off, and where
people pass each other it can change sides."""
_CLEAR = 0.75
"""Correlation of two thumbnails, a second apart, of a face that nothing covers."""
_MOST_LOOKS, _NEW_LOOK = 8, 0.3
"""Descriptions of the person that are kept: one that differs by so much from all others is new."""

_THUMBNAILS = ThumbnailLikeness()
"""Tell whether a face is there at all, which is no question of whose it is."""


def track_face(
    frames: Iterable[np.ndarray],
    *,
    face: FaceChoice | int | None = None,
    fps: float = 25,
    max_gap_s: float = 0.5,
    detector: FaceDetector | None = None,
    mesh: FaceMesh | None = None,
) -> FaceTrack:
    """Follow one face through a clip, keeping only its landmarks in memory.

    Args:
        frames: uint8 RGB ``H W 3`` frames of one size, any iterator.
        face: which face; a number counts those of the first frame with faces from left to right;
            None takes the only or the clearly largest one.
        fps: frames per second.
        max_gap_s: longest gap that is bridged by straight lines; the frames of longer ones are not
            valid.
        detector: a detector to use; a new one by default.
        mesh: a mesh to use; a new one by default.

    Returns:
        The track, as long as the stream.

    Raises:
        NoFaceError: no face of use in any frame; the message tells where it was looked for.
        SeveralFacesError: several faces of comparable size and no ``face``.
        ValueError: no frames, frames of different sizes, or a ``face`` that is not there.
    """
    tracker = FaceTracker(face=face, fps=fps, detector=detector, mesh=mesh)
    found: list[np.ndarray | None] = []
    hidden: list[bool] = []
    size: tuple[int, int] | None = None
    for frame in frames:
        check_image(frame)
        size = size or (frame.shape[0], frame.shape[1])
        if frame.shape[:2] != size:
            raise ValueError(
                f"frames: expected all of size {size}, got {frame.shape[:2]} at frame {len(found)}"
            )
        found.append(tracker(frame))
        hidden.append(tracker.hidden)
    if size is None:
        raise ValueError("frames: expected at least one frame, got none; is the video empty?")
    track = bridge_gaps(found, size, round(max_gap_s * fps), hidden=hidden)
    if not track.valid.any():
        raise tracker.no_face(len(found), size)
    return track


class FaceTracker:
    """Give the landmarks of one face frame by frame; ``track_face`` for a live stream.

    Args:
        face: as in ``track_face``.
        fps: frames per second.
        detector: a detector to use; a new one by default.
        mesh: a mesh to use; a new one by default.
        likeness: tells people apart; by default the recognition network of the weights folder, or
            thumbnails.

    Attributes:
        hidden: whether the face was there in the last frame, but behind something or in profile.
    """

    def __init__(
        self,
        *,
        face: FaceChoice | int | None = None,
        fps: float = 25,
        detector: FaceDetector | None = None,
        mesh: FaceMesh | None = None,
        likeness: Likeness | None = None,
    ) -> None:
        self.detector = detector or FaceDetector()
        self.mesh = mesh or FaceMesh()
        self.likeness = likeness or known_likeness()
        self.fps, self.hidden, self._has_turned = fps, False, False
        self._pick = FacePicker(
            face_choice(face), detector=self.detector, mesh=self.mesh, likeness=self.likeness
        )
        self._last: np.ndarray | None = None
        self._looks: list[np.ndarray] = []
        self._new_look: np.ndarray | None = None
        self._picture: np.ndarray | None = None
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
            ValueError: ``face`` is not there.
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
        self.hidden = self._is_hidden(frame, landmarks)
        if landmarks is None:
            self._num_missed += 1
            return None
        if not self._looks:
            self._looks.append(self.likeness.describe(frame, landmarks))
            self._picture = _THUMBNAILS.describe(frame, landmarks)
        self._last, self._num_missed, self._may_be_anywhere = landmarks, 0, False
        return landmarks

    def no_face(self, num_frames: int, size: tuple[int, int]) -> NoFaceError:
        """Return the error of a film of ``size`` (height, width) without a face of use."""
        where = self.detector.describe_search(*size)
        if self._looks:
            return NoFaceError(
                f"the face was seen, but in all {num_frames} frames in profile or cut off by the "
                "picture. Give a clip with a frontal face"
            )
        return NoFaceError(
            self._pick.why_none()
            or f"no face in {num_frames} frames; looked at {where}. "
            "Give a clip with a larger, frontal face"
        )

    def _first(self, frame: np.ndarray) -> np.ndarray | None:
        search = self._may_search()
        everywhere = search and self._pick.wants_everywhere
        faces = self._fitted(
            frame, self.detector.detect(frame, search_tiles=search, everywhere=everywhere)
        )
        if not faces:
            return None
        chosen = self._pick(frame, [Sighting(*pair) for pair in faces])
        if chosen is None:
            return None
        self._has_rivals = len(faces) > 1
        return chosen.landmarks

    def _follow(self, frame: np.ndarray, last: np.ndarray) -> np.ndarray | None:
        """Run the mesh where the face was; distrust leaps, let the detector confirm at times."""
        landmarks, presence = self.mesh(frame, last)
        if presence < MIN_PRESENCE or face_distance(landmarks, last) > 0.8:
            return None
        self._since_check += 1
        every_s = _VERIFY_RIVALS_S if self._has_rivals else _VERIFY_EVERY_S
        if self._since_check < every_s * self.fps:
            return landmarks
        self._since_check = 0
        return landmarks if self._confirmed(frame, landmarks) else None

    def _confirmed(self, frame: np.ndarray, landmarks: np.ndarray) -> bool:
        """Ask the detector whether a face is there, and the likeness whether it is the same."""
        middle, side = middle_and_side(landmarks)
        nearby = self.detector.detect_near(frame, middle, 2.5 * side)
        self._has_rivals |= len(nearby) > 1
        if nearby and min(np.linalg.norm(face.centre - middle) for face in nearby) > 0.6 * side:
            return False
        least = self.likeness.same_person if self._has_rivals else self.likeness.lone_person
        look = self.likeness.describe(frame, landmarks)
        alike = self._alike(look)
        if alike < least:
            # One picture dissolved into another, or somebody passed in front.
            self._may_be_anywhere, self._new_look = True, None
            return False
        self._keep_look(look, alike)
        picture = _THUMBNAILS.describe(frame, landmarks)
        # What begins to cover the face must not come to count as the face.
        if self._picture is not None and _THUMBNAILS.compare(picture, self._picture) > _CLEAR:
            self._picture = picture
        return True

    def _keep_look(self, look: np.ndarray, alike: float) -> None:
        """Keep how the person looks from another side, once the next look has proved it theirs."""
        if self._new_look is not None and len(self._looks) < _MOST_LOOKS:
            self._looks.append(self._new_look)
        self._new_look = look if alike < 1 - _NEW_LOOK else None

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
        least = -np.inf
        if self._has_rivals or len(faces) > 1:
            least = self.likeness.same_person
        elif self._may_be_anywhere:
            # Alone after a cut: somebody else, as often as not.
            least = self.likeness.lone_person
        for _, landmarks in self._fitted(frame, faces):
            distance = face_distance(landmarks, last)
            alike = self._alike(self.likeness.describe(frame, landmarks))
            cost = min(distance, 3.0) - 3 * alike
            if distance <= reach and alike >= least and cost < best_cost:
                best, best_cost = landmarks, cost
        return best

    def _is_hidden(self, frame: np.ndarray, landmarks: np.ndarray | None) -> bool:
        """Tell a face that was missed, blurred say, from one behind something, or a blank frame.

        A profile is hidden too, until the face is seen well again: the mesh takes an ear for a
        frontal face.
        """
        if self._last is None or self._picture is None:
            return False
        if landmarks is not None:
            self._has_turned |= is_turned_away(landmarks)
            if not self._has_turned:
                return False
        place = self._last if landmarks is None else landmarks
        alike = _THUMBNAILS.compare(_THUMBNAILS.describe(frame, place), self._picture)
        if landmarks is not None and alike >= _THUMBNAILS.same_person:
            self._has_turned = is_turned_away(landmarks)
        return self._has_turned or alike < _THUMBNAILS.lone_person

    def _alike(self, look: np.ndarray) -> float:
        """Compare a look with those that the face followed has had."""
        return max(self.likeness.compare(look, known) for known in self._looks)

    def _fitted(
        self, frame: np.ndarray, faces: list[DetectedFace]
    ) -> list[tuple[DetectedFace, np.ndarray]]:
        return fitted_faces(self.mesh, frame, faces)

    def _may_search(self) -> bool:
        self._since_search += 1
        if self._since_search < _SEARCH_EVERY_S * self.fps:
            return False
        self._since_search = 0
        return True
