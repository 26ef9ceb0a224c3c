"""Detection, mesh and tracking on a carried photograph, moved, hidden, doubled and cut."""

import pickle

import cv2
import numpy as np
import pytest

from segkit.faces import (
    NoFaceError,
    SeveralFacesError,
    closed_mouth_score,
    eye_distance,
    track_face,
)
from segkit.faces.litert import FACE_MESH, LiteRTModel
from segkit.faces.topology import FACE_OVAL, INNER_LIP, MOUTH, OUTER_LIP, eye_centres, mouth_centre


@pytest.fixture(scope="module")
def landmarks(photo, face_models):
    (face,) = face_models["detector"].detect(photo)
    points, presence = face_models["mesh"](photo, face)
    assert presence > 0.9
    return points


def shifted(photo, x, y=0):
    matrix = np.array([[1.0, 0, x], [0, 1.0, y]])
    return cv2.warpAffine(photo, matrix, photo.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def test_landmarks_lie_on_the_features(landmarks):
    # Read off the picture by eye, to a few pixels.
    left, right = eye_centres(landmarks)
    np.testing.assert_allclose(left, [137, 102], atol=8)
    np.testing.assert_allclose(right, [174, 102], atol=8)
    np.testing.assert_allclose(mouth_centre(landmarks), [156, 144], atol=8)


def test_mesh_refined_on_its_own_result_stays(photo, face_models, landmarks):
    again, presence = face_models["mesh"](photo, landmarks)
    assert presence > 0.9
    assert np.abs(again - landmarks).mean() < 0.05 * eye_distance(landmarks)


def test_mesh_follows_rotation_and_size(photo, face_models, landmarks):
    matrix = cv2.getRotationMatrix2D((150, 120), 25, 2.0)
    matrix[:, 2] += 150
    turned = cv2.warpAffine(photo, matrix, (600, 600), borderMode=cv2.BORDER_REPLICATE)
    (face,) = face_models["detector"].detect(turned)
    points, _ = face_models["mesh"](turned, face)
    points, _ = face_models["mesh"](turned, points)
    expected = landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(points - expected).mean() < 0.06 * eye_distance(expected)


def test_outlines_are_closed_rings_without_repeats():
    assert len(set(OUTER_LIP)) == len(set(INNER_LIP)) == 20
    assert len(set(FACE_OVAL)) == 36
    assert len(MOUTH) == 40


def test_closed_mouth_score_grows_with_the_gap(landmarks):
    opened = landmarks.copy()
    opened[[14, 87, 317]] += [0, 10]
    closed = landmarks.copy()
    closed[[14, 87, 317]] = closed[[13, 82, 312]]
    scores = closed_mouth_score(np.stack([closed, landmarks, opened]))
    assert scores[0] == 0
    assert scores[0] < scores[1] < scores[2]


def test_a_small_face_is_found_in_tiles(photo, face_models):
    frame = np.full((1200, 700, 3), 120, np.uint8)
    frame[300:450, 260:410] = cv2.resize(photo, (150, 150), interpolation=cv2.INTER_AREA)
    assert face_models["detector"].detect(frame, search_tiles=False) == []
    (face,) = face_models["detector"].detect(frame)
    # The whole photo's face, at half size and in its new place.
    assert np.linalg.norm(face.centre - [260 + 77, 300 + 60]) < 15


def test_a_face_that_overfills_the_picture_is_found(photo, face_models):
    close = cv2.resize(photo[60:175, 100:215], (400, 400), interpolation=cv2.INTER_CUBIC)
    assert len(face_models["detector"].detect(close)) == 1


def test_faces_come_from_left_to_right(photo, face_models):
    pair = np.concatenate([photo, photo[:, ::-1]], 1)
    faces = face_models["detector"].detect(pair)
    assert len(faces) == 2
    assert faces[0].centre[0] < 300 < faces[1].centre[0]


def test_tracking_follows_a_moving_face(photo, face_models, landmarks):
    shifts = np.round(30 * np.sin(np.arange(12) / 3)).astype(int)
    track = track_face((shifted(photo, x) for x in shifts), **face_models)
    assert track.valid.all()
    assert track.detected.all()
    assert track.image_size == (300, 300)
    middle = track.landmarks.mean(1) - landmarks.mean(0)
    np.testing.assert_allclose(middle[:, 0], shifts, atol=2.5)
    np.testing.assert_allclose(middle[:, 1], 0, atol=2.5)


def test_short_gaps_are_bridged_and_long_ones_reported(photo, face_models):
    blurred = cv2.GaussianBlur(photo, (0, 0), 16)
    short = [shifted(photo, 0)] * 3 + [blurred] * 3 + [shifted(photo, 16)] * 3
    track = track_face(short, fps=10, **face_models)
    assert track.detected.tolist() == [True] * 3 + [False] * 3 + [True] * 3
    assert track.valid.all()
    assert track.gaps() == []
    steps = np.diff(track.landmarks[2:7].mean(1)[:, 0])
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-3)
    track = track_face(short, fps=4, **face_models)
    assert track.gaps() == [(3, 6)]
    assert np.isnan(track.landmarks[3:6]).all()


def test_a_cut_to_another_place_is_not_bridged(photo, face_models):
    wide = np.full((300, 900, 3), 90, np.uint8)
    left, right = wide.copy(), wide.copy()
    left[:, :300], right[:, 600:] = photo, photo
    track = track_face([left, left, wide, right, right], **face_models)
    assert track.valid.tolist() == [True, True, False, True, True]


def test_several_faces_need_a_choice(photo, face_models):
    pair = np.concatenate([photo, photo[:, ::-1]], 1)
    with pytest.raises(SeveralFacesError, match=r"--face 0\.\.1, left to right"):
        track_face([pair], **face_models)
    for face, low, high in ((0, 0, 300), (1, 300, 600)):
        track = track_face([pair] * 2, face=face, **face_models)
        assert low < track.landmarks[:, :, 0].min() < track.landmarks[:, :, 0].max() < high
    with pytest.raises(ValueError, match=r"face: expected 0\.\.1, got 2"):
        track_face([pair], face=2, **face_models)


def test_a_small_bystander_is_no_rival(photo, face_models):
    small = cv2.resize(photo, (150, 150), interpolation=cv2.INTER_AREA)
    frame = np.concatenate([photo, np.full((300, 150, 3), 90, np.uint8)], 1)
    frame[100:250, 300:] = small
    assert len(face_models["detector"].detect(frame)) == 2
    track = track_face([frame], **face_models)
    assert track.landmarks[0, :, 0].max() < 300


def test_the_chosen_face_is_kept_when_it_hides(photo, face_models):
    mirrored = cv2.cvtColor(255 - photo[:, ::-1], cv2.COLOR_RGB2GRAY)
    other = np.ascontiguousarray(photo[:, ::-1] // 2 + mirrored[..., None] // 4)
    both = np.concatenate([photo, other], 1)
    alone = both.copy()
    alone[:, :300] = 90
    track = track_face([both] * 3 + [alone] * 8 + [both] * 2, face=0, fps=4, **face_models)
    assert np.nanmax(track.landmarks[:, :, 0]) < 300
    assert track.valid[-1]


def test_no_face_tells_where_it_was_looked_for(face_models):
    noise = np.random.default_rng(0).integers(0, 256, (200, 320, 3), dtype=np.uint8)
    with pytest.raises(NoFaceError, match=r"no face in 2 frames; looked at the whole 320x200"):
        track_face([noise] * 2, **face_models)


def test_empty_or_uneven_streams_are_refused(photo, face_models):
    with pytest.raises(ValueError, match="at least one frame, got none"):
        track_face([], **face_models)
    with pytest.raises(ValueError, match=r"expected all of size \(300, 300\), got \(200, 300\)"):
        track_face([photo, photo[:200]], **face_models)
    with pytest.raises(ValueError, match="expected uint8"):
        track_face([photo / 255.0], **face_models)
    with pytest.raises(ValueError, match=r"landmarks: expected finite \(468, 2\)"):
        face_models["mesh"](photo, np.full((468, 2), np.nan))


def test_models_are_lazy_picklable_and_checked(tmp_path, monkeypatch, photo):
    model = LiteRTModel(FACE_MESH)
    view = cv2.resize(photo, (192, 192))[None] / 255.0
    expected = model(view)[0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model))(view)[0], expected)
    monkeypatch.setattr("segkit.faces.litert.files", lambda _: tmp_path)
    with pytest.raises(FileNotFoundError, match="install segkit again"):
        LiteRTModel(FACE_MESH)(view)
    (tmp_path / "assets" / "mediapipe").mkdir(parents=True)
    (tmp_path / "assets" / "mediapipe" / FACE_MESH).write_bytes(b"broken")
    with pytest.raises(ValueError, match="expected sha256 1055cb9d"):
        LiteRTModel(FACE_MESH)(view)
