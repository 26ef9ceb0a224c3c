"""The mesh parser on a carried photograph, and its parts against closed forms."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from segkit.contracts import Parser
from segkit.faces import NoFaceError, apply_transform, crop_transform, warp_crop
from segkit.faces.topology import FACE_OVAL, INNER_LIP, NUM_LANDMARKS
from segkit.regions import SCHEME_12
from segkit.registry import PARSERS
from segkit_models.parsers.mesh_colours import _BINS, _BLUR, _histogram, guided_filter
from segkit_models.parsers.mesh_features import coverage
from segkit_models.parsers.mesh_regions import Analysis, compose, label
from segkit_models.parsers.mesh_video import VideoParser

PRESENT = ("background", "lip", "eyebrows", "eyes", "hair", "nose", "skin", "neck", "mouth")


@pytest.fixture(scope="module")
def parser():
    return PARSERS.build(dict(type="MeshParser"))


@pytest.fixture(scope="module")
def landmarks():
    models = VideoParser()
    photo = data.astronaut()
    (face,) = models.detector.detect(photo)
    points, _ = models.mesh(photo, face)
    return models.mesh(photo, points)[0]


@pytest.fixture(scope="module")
def crop(landmarks):
    return warp_crop(data.astronaut(), crop_transform(landmarks, 256), 256)


def tensor_of(*pictures):
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def labels_of(parser, picture):
    return parser(tensor_of(picture))[0].argmax(0).numpy()


def overlap(first, second):
    """Return intersection over union per region, NaN where both lack it."""
    union = [((first == k) | (second == k)).sum() for k in range(12)]
    shared = [((first == k) & (second == k)).sum() for k in range(12)]
    return {
        name: shared[k] / union[k] if union[k] else np.nan
        for k, name in enumerate(SCHEME_12.regions)
    }


def test_keeps_the_parser_contract(parser, crop):
    assert isinstance(parser, Parser)
    logits = parser(tensor_of(crop, crop[:, ::-1].copy()))
    assert logits.shape == (2, 12, 256, 256)
    assert logits.dtype == torch.float32
    # Log-probabilities, cut off at 1e-4.
    np.testing.assert_allclose(logits.exp().sum(1), 1, atol=2e-3)


def test_regions_lie_where_the_eye_sees_them(parser, crop):
    labels = labels_of(parser, crop)
    # x, y read off the 256-pixel crop.
    seen = {
        "background": [(10, 165), (245, 190)],
        "hair": [(128, 25), (25, 70), (230, 70)],
        "skin": [(95, 150), (160, 150), (128, 205)],
        "nose": [(128, 140)],
        "mouth": [(128, 176)],
        "neck": [(128, 240)],
    }
    for region, places in seen.items():
        for x, y in places:
            assert SCHEME_12.regions[labels[y, x]] == region, (region, x, y)
    assert {SCHEME_12.regions[k] for k in np.unique(labels)} >= set(PRESENT)


def test_a_mirrored_picture_gives_the_mirrored_mask(parser, crop):
    agreement = overlap(labels_of(parser, crop)[:, ::-1], labels_of(parser, crop[:, ::-1].copy()))
    for region in ("background", "hair", "skin"):
        assert agreement[region] > 0.93, region
    for region in ("nose", "lip", "eyes", "neck"):
        assert agreement[region] > 0.7, region


@pytest.mark.parametrize("size", [128, 512])
def test_masks_of_other_sizes_agree(parser, crop, size):
    how = cv2.INTER_AREA if size < 256 else cv2.INTER_CUBIC
    labels = labels_of(parser, cv2.resize(crop, (size, size), interpolation=how))
    assert labels.shape == (size, size)
    same_size = cv2.resize(labels.astype(np.uint8), (256, 256), interpolation=cv2.INTER_NEAREST)
    agreement = overlap(labels_of(parser, crop), same_size)
    for region in ("background", "hair", "skin", "nose"):
        assert agreement[region] > 0.85, region


def test_the_whole_picture_is_parsed_like_its_crop(parser, crop, landmarks):
    photo = data.astronaut()
    whole = labels_of(parser, photo)
    assert whole.shape == photo.shape[:2]
    inside = cv2.warpAffine(
        whole.astype(np.uint8), crop_transform(landmarks, 256), (256, 256), flags=cv2.INTER_NEAREST
    )
    agreement = overlap(labels_of(parser, crop), inside)
    for region in ("background", "hair", "skin"):
        assert agreement[region] > 0.85, region


def test_a_picture_without_a_face_is_named(parser, crop):
    noise = np.random.default_rng(0).integers(0, 256, crop.shape, dtype=np.uint8)
    with pytest.raises(NoFaceError, match="image 1 of the batch: no face found"):
        parser(tensor_of(crop, noise))
    with pytest.raises(ValueError, match=r"image: expected shape \(B, 3, H, W\)"):
        parser(torch.zeros(3, 8, 8))
    assert parser(torch.zeros(0, 3, 8, 8)).shape == (0, 12, 8, 8)


def test_a_copy_works_without_the_loaded_models(parser, crop):
    copy = pickle.loads(pickle.dumps(parser))
    torch.testing.assert_close(copy(tensor_of(crop)), parser(tensor_of(crop)))
    assert list(parser.parameters()) == []


def test_frames_of_a_still_clip_are_all_alike_and_like_the_picture(parser, crop):
    frames = list(parser.parse_frames(iter([crop] * 7)))
    assert len(frames) == 7
    assert all(frame.dtype == np.uint8 for frame in frames)
    # The tracker refines the mesh from frame to frame, so the first ones differ by a pixel's edge.
    assert max((frame != frames[-1]).mean() for frame in frames) < 0.02
    assert (frames[3] != labels_of(parser, crop)).mean() < 0.02


@given(
    seed=st.integers(0, 2**32 - 1),
    turn=st.floats(-np.pi, np.pi),
    scale=st.floats(0.2, 2),
    hard=st.booleans(),
    cut=st.tuples(*[st.integers(0, 40)] * 4),
)
def test_the_label_is_the_likeliest_of_all_probabilities(landmarks, seed, turn, scale, hard, cut):
    random = np.random.default_rng(seed)
    planes = random.random((5, 20, 30), np.float32) ** 8 + np.float32(1e-4)
    planes /= planes.sum(0)
    if hard:  # where features cover half a pixel, two labels are as likely
        planes = (planes == planes.max(0)).astype(np.float32)
    left, top, right, bottom = cut
    analysis = Analysis((left, top, 90 - right, 100 - bottom), np.zeros((20, 30)), planes)
    points = landmarks - landmarks.mean(0)
    cos, sin = scale * 90 / np.ptp(points) * np.array([np.cos(turn), np.sin(turn)])
    points = points @ np.array([[cos, sin], [-sin, cos]]) + random.uniform(0, 90, 2)
    picture = np.zeros((100, 90, 3), np.uint8)
    likeliest = compose(picture, points, analysis).argmax(0)
    labels = label(picture, points, analysis)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, likeliest)


def test_noise_flips_fewer_pixels_than_parsing_frame_by_frame(parser, crop):
    generator = np.random.default_rng(0)
    noisy = [
        np.clip(crop + generator.normal(0, 8, crop.shape), 0, 255).astype(np.uint8)
        for _ in range(10)
    ]
    steady = np.stack(list(parser.parse_frames(noisy)))
    alone = np.stack([labels_of(parser, frame) for frame in noisy])

    def flips(labels):
        return (labels[1:] != labels[:-1]).mean()

    assert flips(steady) < 0.6 * flips(alone)


def test_frames_with_known_landmarks_need_no_search(parser, crop, landmarks):
    placed = apply_transform(crop_transform(landmarks, 256), landmarks.astype(np.float64))
    lost = np.full_like(placed, np.nan)
    given_points = [placed, lost, placed]
    frames = list(parser.parse_frames([crop] * 3, landmarks=given_points))
    assert len(frames) == 3
    assert (frames[1] != labels_of(parser, crop)).mean() < 0.02
    with pytest.raises(NoFaceError, match="frame 0: no face found"):
        list(parser.parse_frames([crop], landmarks=[lost]))


@given(st.integers(3, 9), st.floats(4, 25), st.floats(0, 6.2), st.floats(-10, 50))
def test_coverage_adds_up_to_the_polygon_area(num_points, radius, phase, x):
    angles = phase + 2 * np.pi * np.arange(num_points) / num_points
    points = np.zeros((NUM_LANDMARKS, 2))
    outline = FACE_OVAL[:num_points]
    points[list(outline)] = np.stack([x + radius * np.cos(angles), 30 + radius * np.sin(angles)], 1)
    drawn = coverage(points, (outline,), 100, 140)
    left_part = coverage(points + np.array([40, 0]), (outline,), 100, 140).sum()
    area = 0.5 * num_points * radius**2 * np.sin(2 * np.pi / num_points)
    # Polygon edges are inclusive by half a subpixel: the perimeter bounds the excess.
    tolerance = 0.2 * 2 * np.pi * radius + 1
    assert left_part == pytest.approx(area, abs=tolerance)
    assert drawn.sum() <= area + tolerance
    assert 0 <= drawn.min() <= drawn.max() <= 1


def test_coverage_places_an_edge_within_the_pixel():
    points = np.zeros((NUM_LANDMARKS, 2))
    square = INNER_LIP[:4]
    points[list(square)] = [[10.0, 10.0], [20.5, 10.0], [20.5, 20.0], [10.0, 20.0]]
    drawn = coverage(points, (square,), 32, 32)
    assert drawn[15, 15] == 1
    assert drawn[15, 20] == pytest.approx(0.5, abs=0.26)
    assert drawn[15, 22] == 0


def test_guided_filter_keeps_the_guides_edges_and_flattens_the_rest():
    generator = np.random.default_rng(0)
    step = np.repeat(np.array([0.1, 0.9], np.float32), 20)[None].repeat(40, 0)
    noisy = (step + generator.normal(0, 0.1, step.shape)).astype(np.float32)
    smooth = guided_filter(step, noisy[None], radius=4, epsilon=1e-4)[0]
    assert smooth[:, 19].mean() < 0.2
    assert smooth[:, 20].mean() > 0.8
    assert smooth[:, :15].std() < 0.3 * noisy[:, :15].std()
    # With a flat guide it is the mean of means.
    flat = guided_filter(np.full((40, 40), 0.5, np.float32), noisy[None], radius=4, epsilon=1e-4)[0]
    expected = cv2.blur(cv2.blur(noisy, (9, 9), borderType=2), (9, 9), borderType=2)
    np.testing.assert_allclose(flat, expected, atol=1e-4)


def test_histograms_are_smoothed_along_every_axis_and_lose_nothing():
    random = np.random.default_rng(0)
    cells, weights = random.integers(0, np.prod(_BINS), 500), random.random(500)
    counts = np.zeros(_BINS)
    np.add.at(counts.reshape(-1), cells, weights)
    for axis, (size, sigma) in enumerate(zip(_BINS, _BLUR, strict=True)):
        kernel = np.exp(-0.5 * ((np.arange(size)[:, None] - np.arange(size)) / sigma) ** 2)
        kernel /= kernel.sum(0)
        counts = np.apply_along_axis(kernel.dot, axis, counts)
    found = _histogram(cells, weights)
    np.testing.assert_allclose(found, (counts / weights.sum()).reshape(-1), rtol=1e-5, atol=1e-12)
    assert found.sum() == pytest.approx(1, abs=1e-4)
