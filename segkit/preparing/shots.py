"""A film to its shots, each with the track of the face."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from segkit.contracts import FPS

if TYPE_CHECKING:
    from segkit.faces import FaceChoice, FaceDetector, FaceMesh, FaceTrack

_MAX_GAP_S = 0.5
_HINT_MARGIN = 0.15


class Shot(NamedTuple):
    """A stretch of film without a cut.

    Attributes:
        first: its first frame in the film.
        track: of the face over the shot.
    """

    first: int
    track: FaceTrack


def track_shots(
    frames: Iterable[np.ndarray],
    *,
    face: FaceChoice | int | None = None,
    box: tuple[float, float, float, float] | None = None,
    box_height: int = 0,
    detector: FaceDetector | None = None,
    mesh: FaceMesh | None = None,
) -> list[Shot]:
    """Follow one face through a film and divide the film at its cuts.

    The same face is looked for again after a cut; a gap is never bridged over one.

    Args:
        frames: uint8 RGB ``H W 3`` at 25 fps, of one size; any iterator.
        face: as in `segkit.faces.track_face`.
        box: where to look, ``(left, top, width, height)``, widened a little; None for everywhere.
        box_height: height in pixels of the picture that the box was drawn in; 0 for this one.
        detector: a detector to use; a new one by default.
        mesh: a mesh to use; a new one by default.

    Returns:
        The shots that show the face, in order.

    Raises:
        NoFaceError: no face in any frame.
        SeveralFacesError: several faces of comparable size and no ``face``.
        ValueError: no frames, frames of different sizes, or a box outside the picture.
    """
    from segkit.faces import FaceTracker, face_choice
    from segkit.faces.cuts import CutSense

    tracker, at_cut = None, CutSense()
    found: list[np.ndarray | None] = []
    hidden: list[bool] = []
    starts: list[int] = []
    size: tuple[int, int] | None = None
    for number, frame in enumerate(frames):
        if size is None:
            size = frame.shape[:2]
            window = _window(box, box_height, size)
            choice = face_choice(face).moved(window[1].start, window[0].start)
            tracker = FaceTracker(face=choice, fps=FPS, detector=detector, mesh=mesh)
        if frame.shape[:2] != size:
            raise ValueError(
                f"frames: expected all of size {size}, got {frame.shape[:2]} at frame {number}"
            )
        if at_cut(frame) or number == 0:
            starts.append(number)
        assert tracker is not None
        landmarks = tracker(np.ascontiguousarray(frame[window]))
        if landmarks is not None:
            landmarks = landmarks + np.array([window[1].start, window[0].start], np.float32)
        found.append(landmarks)
        hidden.append(tracker.hidden)
    if size is None or tracker is None:
        raise ValueError("frames: expected at least one frame, got none; is the video empty?")
    shots = _divide(found, hidden, starts, size)
    if not shots:
        raise tracker.no_face(len(found), size)
    return shots


def _divide(
    found: list[np.ndarray | None], hidden: list[bool], starts: list[int], size: tuple[int, int]
) -> list[Shot]:
    from segkit.faces.track import bridge_gaps

    shots = []
    for first, stop in zip(starts, [*starts[1:], len(found)], strict=True):
        max_gap = round(_MAX_GAP_S * FPS)
        track = bridge_gaps(found[first:stop], size, max_gap, hidden=hidden[first:stop])
        if track.valid.any():
            shots.append(Shot(first, track))
    return shots


def _window(
    box: tuple[float, float, float, float] | None, box_height: int, size: tuple[int, int]
) -> tuple[slice, slice]:
    """Return the rows and columns to look at."""
    height, width = size
    if box is None:
        return slice(0, height), slice(0, width)
    # A box holds only at the listed height; the film may have come in another.
    scale = height / (box_height or height)
    left, top, across, down = (scale * value for value in box)
    margin = _HINT_MARGIN * max(across, down)
    rows = slice(max(0, round(top - margin)), min(height, round(top + down + margin)))
    columns = slice(max(0, round(left - margin)), min(width, round(left + across + margin)))
    if rows.stop - rows.start < 32 or columns.stop - columns.start < 32:
        raise ValueError(
            f"box: expected one inside a picture of {width} x {height}, got {box} for height "
            f"{box_height or height}"
        )
    return rows, columns
