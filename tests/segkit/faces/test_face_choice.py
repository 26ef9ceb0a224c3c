"""Which face is meant: the three ways, what they refuse, and how likeness is measured."""

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.faces import (
    FaceChoice,
    FaceDetector,
    FaceMesh,
    NetworkLikeness,
    NoFaceError,
    SeveralFacesError,
    ThumbnailLikeness,
    choice_of_options,
    face_choice,
    track_face,
)


def saved(path, picture):
    Image.fromarray(picture).save(path)
    return path


def test_one_way_only(tmp_path, photo):
    picture = saved(tmp_path / "a.png", photo)
    with pytest.raises(ValueError, match="got --face N and --point X,Y; leave one"):
        choice_of_options(0, "3,4", None)
    with pytest.raises(ValueError, match="got --point X,Y and --ref-image FILE"):
        choice_of_options(None, "3,4", picture)
    assert choice_of_options(None, "3, 4.5", None) == FaceChoice(point=(3, 4.5))
    for text in ("3", "3,4,5", "left"):
        with pytest.raises(ValueError, match=f"--point: expected X,Y .* got '{text}'"):
            choice_of_options(None, text, None)
    with pytest.raises(FileNotFoundError, match="--ref-image"):
        choice_of_options(None, None, tmp_path / "none.png")
    with pytest.raises(ValueError, match="from 0, got -1"):
        face_choice(-1)


def test_choices_compare_as_plain_data(tmp_path):
    assert face_choice(2).plain() == 2
    assert face_choice(None).plain() is None
    assert FaceChoice(point=(3, 4)).moved(1, 2).plain() == [2, 2]
    assert FaceChoice(picture=tmp_path / "a.png").plain() == str(tmp_path / "a.png")


def test_a_point_outside_lists_the_faces(photo, face_models):
    with pytest.raises(ValueError, match=r"inside the 300x300 frame, got 400,10; .*\(?left, top"):
        track_face([photo], face=FaceChoice(point=(400, 10)), **face_models)


def test_a_point_finds_a_small_face_that_the_whole_picture_hides(photo, face_models):
    import cv2

    frame = np.full((900, 1400, 3), 110, np.uint8)
    frame[:, :900] = cv2.resize(photo, (900, 900), interpolation=cv2.INTER_CUBIC)
    frame[560:660, 1150:1250] = cv2.resize(photo[20:220, 60:260], (100, 100))
    assert len(face_models["detector"].detect(frame)) == 1
    track = track_face([frame], face=FaceChoice(point=(1200, 600)), **face_models)
    assert track.landmarks[..., 0].min() > 1100


def test_two_copies_are_too_alike_to_tell(tmp_path, photo, face_models):
    pair = np.concatenate([photo, photo], 1)
    choice = FaceChoice(picture=saved(tmp_path / "a.png", photo))
    with pytest.raises(
        SeveralFacesError, match=r"two faces look as much like .*0: 1\.00, 1: 1\.00"
    ):
        track_face([pair], face=choice, **face_models)


def test_a_stranger_is_not_taken_and_the_person_is_waited_for(tmp_path, photo, face_models):
    stranger = np.ascontiguousarray(255 - photo[:, ::-1, ::-1])
    stranger = (stranger // 3 + photo[:, ::-1] // 2).astype(np.uint8)
    choice = FaceChoice(picture=saved(tmp_path / "a.png", photo))
    with pytest.raises(NoFaceError, match=r"none like that of .*a\.png: likeness 0\.\d+ at best"):
        track_face([stranger] * 2, face=choice, **face_models)
    track = track_face([stranger] * 3 + [photo] * 3, face=choice, **face_models)
    assert track.gaps() == [(0, 3)]


def test_a_picture_must_show_one_face(tmp_path, photo, face_models):
    nobody = FaceChoice(picture=saved(tmp_path / "a.png", np.zeros_like(photo)))
    with pytest.raises(NoFaceError, match=r"a\.png: no face in it"):
        track_face([photo], face=nobody, **face_models)
    two = FaceChoice(picture=saved(tmp_path / "b.png", np.concatenate([photo, photo], 1)))
    with pytest.raises(SeveralFacesError, match=r"b\.png: 2 faces in it"):
        track_face([photo], face=two, **face_models)


def test_likenesses_follow_their_formulas(photo, face_models):
    from segkit.faces.fitting import fitted_faces

    ((_, points),) = fitted_faces(face_models["mesh"], photo, face_models["detector"].detect(photo))
    thumbnails = ThumbnailLikeness()
    look = thumbnails.describe(photo, points)
    darker = thumbnails.describe((photo // 2).astype(np.uint8), points)
    assert thumbnails.compare(look, darker) > 0.99
    assert thumbnails.compare(look, -look) == pytest.approx(-1)

    class Mean(torch.nn.Module):
        def forward(self, image):
            assert image.shape == (1, 3, 150, 150)
            return image.mean((2, 3))

    network = NetworkLikeness(Mean())
    bright, dark = (network.describe(np.full_like(photo, v), points) for v in (255, 0))
    np.testing.assert_allclose(bright, 1, atol=1e-5)
    assert network.compare(bright, dark) == pytest.approx(1 - 2 * 3**0.5)


def test_the_recognition_network_tells_people_of_real_films(shared):
    from segkit.faces.fitting import fitted_faces
    from segkit.video import VideoReader
    from segkit.weights import convert_state_dict, read_foreign

    manifest = shared / "weights" / "face_recognition_model-weights_manifest.json"
    if not manifest.is_file():
        pytest.skip(f"needs {manifest.name}")
    ((config, state),) = convert_state_dict("identity", read_foreign(manifest)).values()
    module = config["type"]()
    module.load_state_dict(state)
    likeness, detector, mesh = NetworkLikeness(module.eval()), FaceDetector(), FaceMesh()
    looks = {}
    for name in ("hdtf_1", "square_844_25fps", "square_700_vfr"):
        with VideoReader(shared / "clips" / f"{name}.mp4") as reader:
            frames = [f.image for k, f in zip(range(51), reader, strict=False) if k in (0, 50)]
        looks[name] = [
            likeness.describe(frame, fitted_faces(mesh, frame, detector.detect(frame))[0][1])
            for frame in frames
        ]
    for name, (first, last) in looks.items():
        assert likeness.compare(first, last) > likeness.same_person
        for stranger in looks:
            if stranger != name:
                assert likeness.compare(first, looks[stranger][0]) < likeness.same_person
