"""The complaints about faces in the trackers of talking-face tools, each with a film that shows it.

Numbers are those of docs/complaints.md.
"""

import cv2
import numpy as np
import pytest

from segkit.faces import (
    FaceChoice,
    FaceDetector,
    FaceMesh,
    SeveralFacesError,
    crop_transforms,
    track_face,
)
from segkit.faces.fitting import fitted_faces
from segkit.faces.track import bridge_gaps
from segkit.faces.visibility import turn
from segkit.regions import SCHEME_12
from segkit.talk.paste import blend_alpha, lay_over
from segkit.talk.pipeline import talk
from segkit.talk.stability import frame_by_frame, jitter
from segkit.video import VideoReader


@pytest.fixture(scope="module")
def landmarks(photo, face_models):
    ((_, points),) = fitted_faces(face_models["mesh"], photo, face_models["detector"].detect(photo))
    return points


@pytest.fixture(scope="module")
def other(photo):
    """Somebody else, as far as thumbnails go: mirrored, other hair and light."""
    mirrored = cv2.cvtColor(255 - photo[:, ::-1], cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(photo[:, ::-1] // 2 + mirrored[..., None] // 4)


def shifted(photo, x, y=0.0):
    matrix = np.array([[1.0, 0, x], [0, 1.0, y]])
    return cv2.warpAffine(photo, matrix, photo.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def turned(photo, landmarks, degrees):
    """Turn a head to the side as a cylinder around its axis."""
    middle = landmarks[[234, 454]].mean(0)[0]
    radius = 0.575 * np.ptp(landmarks[[234, 454], 0])
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.float32)
    across = (columns + 0.5 - middle) / radius
    before = np.arcsin(np.clip(across, -1, 1)) - np.deg2rad(degrees)
    on_head = (np.abs(across) < 1) & (np.abs(before) < 1.6)
    source = np.where(on_head, middle + radius * np.sin(before) - 0.5, columns)
    image = cv2.remap(photo, source.astype(np.float32), rows, cv2.INTER_LINEAR)
    image[(np.abs(across) < 1) & ~on_head] = (60, 50, 45)
    return image


def frames_of(path):
    with VideoReader(path) as reader:
        return [frame.image for frame in reader]


def test_complaint_1_missed_frames_neither_end_the_job_nor_lose_a_frame(tmp_path, portrait, tools):
    noise = [4, 5, *range(9, 20)]
    film = tools.write_film(tmp_path / "film.mp4", portrait, num_frames=26, fps=25, hidden=noise)
    out = tmp_path / "out.mp4"
    report = talk(
        out=out, video=film, model=tools.make_tiny(), parser=tools.FixedParser(), progress=False
    )
    assert report["frames"] == 26
    assert report["passed_through"] == [(0.16, 0.24), (0.36, 0.8)]
    source, made = (np.array(frames_of(path)).astype(float) for path in (film, out))
    mouth = np.abs(made - source)[:, 110:140, 110:160].mean((1, 2, 3))
    faces = [k for k in range(26) if k not in noise]
    assert mouth[faces].min() > 8, "the mouth is new wherever the face is"
    assert np.abs(made - source)[faces, :60].mean() < 3


def test_complaint_1_a_blurred_frame_is_bridged_and_a_covered_one_is_not(photo, face_models):
    blurred, covered = cv2.GaussianBlur(photo, (0, 0), 16), photo.copy()
    covered[40:200, 60:250] = np.random.default_rng(0).integers(0, 255, (160, 190, 3))
    film = [photo] * 4 + [blurred] * 3 + [photo] * 4 + [covered] * 3 + [photo] * 4
    track = track_face(film, **face_models)
    assert np.flatnonzero(~track.detected).tolist() == [4, 5, 6, 11, 12, 13]
    assert track.gaps() == [(11, 14)]


def test_complaint_3_no_box_shows_and_what_is_not_the_mouth_stays(photo, landmarks):
    side = 128
    labels = np.zeros((side, side), np.uint8)
    rows, columns = (np.mgrid[:side, :side] + 0.5) / side
    for name, y, height, width in (("skin", 0.54, 0.36, 0.28), ("lip", 0.66, 0.04, 0.1)):
        inside = ((columns - 0.5) / width) ** 2 + ((rows - y) / height) ** 2 <= 1
        labels[inside] = SCHEME_12.index(name)
    frame = np.full((200, 200, 3), (180, 140, 120), np.uint8)
    generated = np.full((side, side, 3), (150, 125, 118), np.uint8)  # another light
    transform = np.array([[1.0, 0, -36], [0, 1.0, -36]])
    result = lay_over(
        frame, crop=frame[36:164, 36:164].copy(), generated=generated, transform=transform,
        source_labels=labels, spoken_labels=labels, grain=False,
    ).astype(float)  # fmt: skip
    steps = max(np.abs(np.diff(result, axis=axis)).max() for axis in (0, 1))
    # A hard paste would step by the 30 levels that both pictures differ by.
    assert steps <= 3
    opaque = np.zeros((200, 200), bool)
    opaque[36:164, 36:164] = blend_alpha(labels, labels) > 0
    assert np.array_equal(result[~opaque], frame[~opaque])
    assert not opaque[: 36 + side // 2].any(), "the upper half is the source's, bit for bit"


def test_complaint_5_the_crop_trembles_far_less_than_frame_by_frame(photo, landmarks, face_models):
    generator = np.random.default_rng(0)
    places = 4 * np.sin(np.arange(50) / 8)
    film = [
        np.clip(shifted(photo, x) + generator.normal(0, 12, photo.shape), 0, 255).astype(np.uint8)
        for x in places
    ]
    track = track_face(film, **face_models)
    steady, raw = crop_transforms(track, 128), frame_by_frame(track.landmarks, 128)
    assert jitter(raw, 128) > 4 * jitter(steady, 128)
    # It still follows the head: steadiness by standing still would be none.
    centre = np.linalg.inv(steady[:, :, :2]) @ (np.array([64, 64]) - steady[:, :, 2])[..., None]
    moved = centre[:, 0, 0] - centre[:, 0, 0].mean()
    assert np.abs(moved - (places - places.mean())).max() < 1.5


def test_complaint_5_real_films_tremble_less(shared):
    with VideoReader(shared / "clips" / "hdtf_1.mp4") as reader:
        frames = [frame.image for frame, _ in zip(reader, range(60), strict=False)]
    track = track_face(frames)
    raw, steady = frame_by_frame(track.landmarks, 256), crop_transforms(track, 256)
    assert jitter(raw, 256) > 2 * jitter(steady, 256)


def test_complaint_6_smoothing_follows_a_quick_head_and_stops_at_cuts(photo, face_models):
    # The mean of the next five boxes, which is common, runs two frames ahead: a dislocated mouth.
    quick = [0] * 6 + [8, 18, 30, 42, 52, 60] + [60] * 6
    wide = cv2.copyMakeBorder(photo, 0, 0, 100, 100, cv2.BORDER_REPLICATE)
    film = [shifted(wide, x - 30) for x in quick] + [shifted(wide, -60)] * 6
    track = track_face(film, **face_models)
    steady, raw = crop_transforms(track, 128), frame_by_frame(track.landmarks, 128)
    mouth = track.landmarks[:, [61, 291]].mean(1)
    off = [
        np.linalg.norm((t[:, :2] - r[:, :2]) @ m + t[:, 2] - r[:, 2])
        for t, r, m in zip(steady, raw, mouth, strict=True)
    ]
    ahead = np.stack([mouth[k : k + 5].mean(0) for k in range(len(mouth))])
    averaged = np.linalg.norm(ahead - mouth, axis=1) * np.hypot(raw[0, 0, 0], raw[0, 1, 0])
    assert max(off) < 0.04 * 128, "where the head starts and stops within a frame"
    assert averaged[5:12].max() > 2 * max(off)
    # The cut lies before frame 18; averages across it are of no face.
    assert max(off[17:19]) < 0.01 * 128 < averaged[17] / 10


def test_complaint_10_a_face_is_chosen_by_number_point_or_picture(
    tmp_path, photo, other, face_models
):
    from PIL import Image

    pair = np.concatenate([other, photo], 1)
    with pytest.raises(SeveralFacesError, match=r"--point X,Y or --ref-image FILE \(left, top"):
        track_face([pair], **face_models)
    Image.fromarray(shifted(photo, 9, -4)).save(tmp_path / "anna.png")
    for choice in (
        FaceChoice(number=1), FaceChoice(point=(450, 120)), FaceChoice(point=(590, 290)),
        FaceChoice(picture=tmp_path / "anna.png"),
    ):  # fmt: skip
        track = track_face([pair] * 2, face=choice, **face_models)
        assert track.landmarks[..., 0].min() > 300


def test_complaint_10_the_chosen_face_stays_chosen_when_people_swap_places(
    photo, other, face_models
):
    def scene(number):
        way = np.clip((number - 6) / 18, 0, 1)
        frame = np.full((300, 640, 3), 90, np.uint8)
        for picture, x in ((other, 330 - 320 * way), (photo, 10 + 320 * way)):
            frame[:, round(x) : round(x) + 300] = picture
        return frame

    track = track_face((scene(number) for number in range(30)), face=0, **face_models)
    middle = track.landmarks[[0, -1]].mean(1)[:, 0]
    np.testing.assert_allclose(middle[1] - middle[0], 320, atol=8)


def test_complaint_10_another_person_after_a_cut_is_left_alone(photo, other, face_models):
    track = track_face([photo] * 5 + [other] * 5 + [photo] * 5, **face_models)
    assert track.gaps() == [(5, 10)]


def rotated(landmarks, degrees):
    """Turn landmarks to the side on a cylinder as wide as the face."""
    middle = landmarks[[234, 454]].mean(0)[0]
    radius = 0.55 * np.ptp(landmarks[[234, 454], 0])
    angle = np.arcsin(np.clip((landmarks[:, 0] - middle) / radius, -1, 1)) + np.deg2rad(degrees)
    points = landmarks.copy()
    points[:, 0] = middle + radius * np.sin(angle)
    return points


def test_runner_up_profile_faces_pass_through(landmarks):
    degrees = np.concatenate([np.arange(0, 81, 4), np.arange(76, -1, -4)])
    film = [rotated(landmarks, angle) for angle in degrees]
    assert (np.diff(np.abs(turn(np.stack(film[2:16])))) > 0).all()
    track = bridge_gaps(film, (300, 300), 12)
    assert track.valid[degrees <= 20].all()
    assert not track.valid[degrees >= 60].any()
    assert len(track.gaps()) == 1, "one run, not a flicker around the limit"


def test_runner_up_a_head_that_turns_away_passes_through(shared):
    with VideoReader(shared / "clips" / "square_844_25fps.mp4") as reader:
        frame = cv2.resize(next(iter(reader)).image, (512, 512), interpolation=cv2.INTER_AREA)
    face_models = {"detector": FaceDetector(), "mesh": FaceMesh()}
    ((_, points),) = fitted_faces(face_models["mesh"], frame, face_models["detector"].detect(frame))
    degrees = np.concatenate([[0, 0], np.arange(0, 86, 5), [90, 90], np.arange(85, -1, -5)])
    track = track_face((turned(frame, points, angle) for angle in degrees), **face_models)
    assert track.valid[degrees <= 30].all()
    assert not track.valid[degrees >= 70].any()


def test_runner_up_faces_cut_off_by_the_picture_pass_through(photo, face_models):
    film = [shifted(photo, x) for x in (0, 0, 40, 80, 120, 160, 160, 120, 80, 40, 0, 0)]
    track = track_face(film, **face_models)
    assert track.valid[[0, 1, -2, -1]].all()
    assert not track.valid[5:7].any()
