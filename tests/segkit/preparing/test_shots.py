"""A film divides at its cuts, and a hint chooses the face."""

import numpy as np
import pytest
import skimage.data

from segkit.faces import FaceDetector, FaceMesh, NoFaceError, SeveralFacesError
from segkit.preparing.shots import track_shots


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return skimage.data.astronaut()[20:260, 100:340]


@pytest.fixture(scope="module")
def pair(face: np.ndarray) -> np.ndarray:
    """Two faces of one size beside each other."""
    return np.concatenate([face, face[:, ::-1]], 1)


def test_shots_without_a_face_are_left_out(face: np.ndarray) -> None:
    grey = np.full_like(face, 220)
    detector, mesh = FaceDetector(), FaceMesh()
    shots = track_shots([face, face, grey, face, grey], detector=detector, mesh=mesh)
    assert [(shot.first, shot.track.num_frames) for shot in shots] == [(0, 2), (3, 1)]
    # Nothing is bridged over a cut, however short what lies between.
    assert [shot.track.valid.all() for shot in shots] == [True, True]
    with pytest.raises(NoFaceError, match="no face in 2 frames"):
        track_shots([grey, grey], detector=detector, mesh=mesh)
    with pytest.raises(ValueError, match="at least one frame"):
        track_shots([])
    with pytest.raises(ValueError, match="all of size"):
        track_shots([face, face[:100]], detector=detector, mesh=mesh)


@pytest.mark.parametrize("side", [0, 1])
def test_a_box_chooses_the_face_at_any_height(pair: np.ndarray, side: int) -> None:
    with pytest.raises(SeveralFacesError):
        track_shots([pair])
    # The box was drawn in a picture twice as high as this one.
    box = (480.0 * side, 0.0, 480.0, 480.0)
    (shot,) = track_shots([pair], box=box, box_height=480)
    middle = shot.track.landmarks[0].mean(0)
    assert 240 * side + 60 < middle[0] < 240 * side + 180
    assert shot.track.image_size == pair.shape[:2]


def test_a_box_outside_the_picture_is_refused(pair: np.ndarray) -> None:
    with pytest.raises(ValueError, match="inside a picture of 480 x 240"):
        track_shots([pair], box=(900, 0, 100, 100))
