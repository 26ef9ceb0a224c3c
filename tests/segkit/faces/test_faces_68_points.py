"""The 68-point layout read from the mesh: order and places on a carried photograph."""

import numpy as np
import pytest
from skimage import data

from segkit.faces import FaceDetector, FaceMesh
from segkit.faces.topology import IBUG_68, MOUTH, as_68_points, eye_distance

# Who takes whose place when a face is mirrored, as face alignment code augments its 68 points.
MIRRORED = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *range(54, 47, -1),
    *range(59, 54, -1),
    *range(64, 59, -1),
    *(67, 66, 65),
]


@pytest.fixture(scope="module")
def faces():
    """The mesh of the astronaut, and of the mirrored picture."""
    photo = np.ascontiguousarray(data.astronaut()[0:300, 70:370])
    found = []
    for picture in (photo, np.ascontiguousarray(photo[:, ::-1])):
        face = max(FaceDetector().detect(picture), key=lambda face: face.score)
        mesh = FaceMesh()
        points, _ = mesh(picture, face)
        points, presence = mesh(picture, points)
        assert presence > 0.9
        found.append(points)
    return found


@pytest.fixture(scope="module")
def points(faces):
    return as_68_points(faces[0])


def test_each_point_is_another_one_and_the_mouths_are_of_the_mouth():
    assert len(set(IBUG_68)) == 68
    assert set(IBUG_68[48:]) <= set(MOUTH)


def test_the_jaw_runs_from_left_to_right_over_the_chin(points):
    jaw = points[:17]
    assert (np.diff(jaw[:, 0]) > 0).all()
    assert jaw[:, 1].argmax() == 8
    steps = np.linalg.norm(np.diff(jaw, axis=0), axis=1)
    assert steps.max() < 2.5 * steps.min()


def test_brows_eyes_nose_and_mouth_are_in_order(points):
    for brow, eye in (((17, 22), (36, 42)), ((22, 27), (42, 48))):
        assert (np.diff(points[slice(*brow), 0]) > 0).all()
        assert points[slice(*brow), 1].max() < points[slice(*eye), 1].min()
        start = eye[0]
        outline = points[slice(*eye)]
        # From the left corner over the upper lid to the right corner, and back below.
        assert outline[:, 0].argmin() == 0
        assert outline[:, 0].argmax() == 3
        assert points[start + 1 : start + 3, 1].max() < points[start + 4 : start + 6, 1].min()
    assert (np.diff(points[27:31, 1]) > 0).all()
    assert (np.diff(points[31:36, 0]) > 0).all()
    # Both lips from the left corner over the top to the right corner, and back below.
    for start, num_above, num_below in ((48, 7, 5), (60, 5, 3)):
        above = points[start : start + num_above]
        below = points[start + num_above : start + num_above + num_below]
        assert (np.diff(above[:, 0]) > 0).all()
        assert (np.diff(below[:, 0]) < 0).all()
        assert above[:, 1].max() < below[:, 1].min()
    assert points[48:60, 1].argmax() == 9


def test_they_lie_where_they_are_seen(points):
    # Read off the picture by eye, to a few pixels.
    for index, place in ((36, (125, 101)), (45, (184, 106)), (48, (132, 139)), (54, (176, 141))):
        np.testing.assert_allclose(points[index], place, atol=6)
    np.testing.assert_allclose(points[8], (152, 178), atol=10)


def test_a_mirrored_face_has_the_mirrored_points(faces, points):
    mirrored = as_68_points(faces[1])[MIRRORED]
    mirrored[:, 0] = 300 - mirrored[:, 0]
    apart = np.linalg.norm(mirrored - points, axis=1) / eye_distance(faces[0])
    assert sorted(MIRRORED) == list(range(68))
    assert apart.max() < 0.12
    assert apart.mean() < 0.05


def test_a_video_keeps_its_shape(faces):
    assert as_68_points(np.stack(faces)).shape == (2, 68, 2)
