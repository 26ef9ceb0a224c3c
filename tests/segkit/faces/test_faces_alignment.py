"""Similarities, crops and pasting against closed forms and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.faces import (
    EYES_Y,
    MOUTH_Y,
    FaceTrack,
    apply_transform,
    compose_transforms,
    crop_transform,
    crop_transforms,
    eye_distance,
    feathered_alpha,
    fit_similarity,
    invert_transform,
    paste_back,
    warp_crop,
)
from segkit.faces.topology import NUM_LANDMARKS, eye_centres, mouth_centre

similarities = st.builds(
    lambda scale, angle, x, y: similarity(scale, angle, x, y),
    st.floats(0.3, 3),
    st.floats(-3, 3),
    st.floats(-50, 50),
    st.floats(-50, 50),
)


def similarity(scale, angle, x, y):
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, x], [sine, cosine, y]])


def some_face(seed=0):
    """A point cloud with plausible eyes and mouth: alignment only reads a few of its points."""
    points = np.random.default_rng(seed).uniform(100, 200, (NUM_LANDMARKS, 2))
    points[[33, 133, 362, 263]] = [[110, 120], [135, 121], [165, 121], [190, 120]]
    points[[61, 291, 0]] = [[130, 185], [170, 185], [150, 178]]
    points[[168, 6, 197, 195, 2, 98, 327]] = np.stack(
        [[150, 150, 150, 150, 150, 140, 160], [115, 125, 135, 142, 165, 162, 162]], 1
    )
    return points.astype(np.float32)


def track_of(landmarks, valid=None):
    valid = np.ones(len(landmarks), bool) if valid is None else valid
    return FaceTrack(np.where(valid[:, None, None], landmarks, np.nan), valid, valid, (300, 300))


@given(similarities, st.integers(0, 99))
def test_fit_recovers_a_known_similarity(transform, seed):
    source = np.random.default_rng(seed).normal(0, 20, (6, 2))
    weights = np.random.default_rng(seed + 1).uniform(0.1, 1, 6)
    fitted = fit_similarity(source, apply_transform(transform, source), weights)
    np.testing.assert_allclose(fitted, transform, atol=1e-8)


def test_fit_agrees_with_scikit_image():
    from skimage.transform import SimilarityTransform

    generator = np.random.default_rng(3)
    source, target = generator.normal(size=(2, 9, 2))
    expected = SimilarityTransform.from_estimate(source, target).params[:2]
    np.testing.assert_allclose(fit_similarity(source, target), expected, atol=1e-10)


@given(similarities, similarities)
def test_transforms_compose_and_invert(first, second):
    points = np.array([[0.0, 0], [10, 3], [-7, 20]])
    composed = compose_transforms(second, first)
    np.testing.assert_allclose(
        apply_transform(composed, points),
        apply_transform(second, apply_transform(first, points)),
        atol=1e-8,
    )
    identity = compose_transforms(invert_transform(first), first)
    np.testing.assert_allclose(identity, np.eye(2, 3), atol=1e-8)


@given(similarities)
def test_eyes_and_mouth_land_on_the_template_whatever_the_pose(transform):
    landmarks = apply_transform(transform, some_face().astype(np.float64))
    placed = apply_transform(crop_transform(landmarks, 200), landmarks)
    np.testing.assert_allclose(eye_centres(placed).mean(0), [100, 200 * EYES_Y], atol=1e-6)
    np.testing.assert_allclose(mouth_centre(placed), [100, 200 * MOUTH_Y], atol=1e-6)


def test_an_opening_jaw_does_not_move_the_crop():
    closed = some_face()
    opened = closed.copy()
    opened[[14, 17, 152, 87, 317]] += [0, 30]
    np.testing.assert_array_equal(crop_transform(closed, 128), crop_transform(opened, 128))


def test_transforms_of_a_still_noisy_face_hardly_move():
    generator = np.random.default_rng(0)
    landmarks = some_face() + generator.normal(0, 0.5, (60, NUM_LANDMARKS, 2))
    path = crop_transforms(track_of(landmarks), 128)
    alone = np.stack([crop_transform(frame, 128) for frame in landmarks])
    centre = np.array([[64.0, 64.0]])

    def jitter(transforms):
        places = apply_transform(invert_transform(transforms), centre[None].repeat(60, 0))
        return np.abs(np.diff(places[:, 0], axis=0)).mean()

    assert jitter(path) < 0.1 * jitter(alone)
    eyes = eye_centres(apply_transform(path, landmarks)).mean((0, 1))
    np.testing.assert_allclose(eyes, [64, 128 * EYES_Y], atol=0.3)


def test_transforms_follow_a_moving_head_without_lag():
    shift = 60 / (1 + np.exp(-(np.arange(80) - 40) / 3.0))
    landmarks = some_face() + np.stack([shift, 0 * shift], 1)[:, None]
    path = crop_transforms(track_of(landmarks), 128)
    eyes = eye_centres(apply_transform(path, landmarks)).mean(1)
    assert np.abs(eyes - [64, 128 * EYES_Y]).max() < 0.01 * 128


def test_a_cut_is_not_smoothed_over():
    landmarks = np.concatenate([some_face()[None].repeat(20, 0), some_face()[None].repeat(20, 0)])
    landmarks[20:] += [150, 0]
    path = crop_transforms(track_of(landmarks), 128)
    eyes = eye_centres(apply_transform(path, landmarks.astype(np.float64))).mean(1)
    np.testing.assert_allclose(eyes, np.tile([64, 128 * EYES_Y], (40, 1)), atol=1e-6)


def test_transforms_span_frames_without_a_face():
    valid = np.ones(10, bool)
    valid[[0, 1, 5, 9]] = False
    path = crop_transforms(track_of(some_face()[None].repeat(10, 0), valid), 64)
    assert path.shape == (10, 2, 3)
    assert np.isfinite(path).all()
    with pytest.raises(ValueError, match="at least one valid frame"):
        crop_transforms(track_of(some_face()[None], np.zeros(1, bool)), 64)


def smooth_picture(height, width):
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / 23 + k) * np.cos(columns / 31 - k) for k in range(3)]
    return (127 + 100 * np.stack(waves, -1)).astype(np.uint8)


@given(st.floats(0.7, 2.5), st.floats(-0.6, 0.6))
def test_a_crop_pasted_back_restores_a_smooth_picture(scale, angle):
    frame = smooth_picture(120, 140)
    transform = similarity(scale, angle, 0, 0)
    transform[:, 2] = 48 - transform[:, :2] @ [70, 60]
    crop = warp_crop(frame, transform, 96)
    alpha = feathered_alpha(96, (0.0, 0.0, 96.0, 96.0), width=4)
    pasted = paste_back(np.zeros_like(frame), crop, transform, alpha)
    covered = paste_back(np.zeros_like(frame), np.full_like(crop, 255), transform, alpha) == 255
    assert covered.mean() > 0.01
    assert np.abs(pasted.astype(int) - frame)[covered].max() <= 4


@given(similarities, st.integers(0, 9))
def test_pixels_outside_the_alpha_stay_bit_equal(transform, seed):
    generator = np.random.default_rng(seed)
    frame = generator.integers(0, 256, (90, 80, 3), dtype=np.uint8)
    before = frame.copy()
    crop = np.full((32, 32, 3), 255, np.uint8)
    pasted = paste_back(frame, crop, transform, feathered_alpha(32, (4, 6, 28, 26), width=3))
    rows, columns = np.mgrid[:90, :80] + 0.5
    places = apply_transform(transform, np.stack([columns, rows], -1).reshape(-1, 2))
    # One crop pixel, or one frame pixel, of reach for the interpolation.
    reach = 1 + np.sqrt(abs(np.linalg.det(transform[:, :2])))
    low, high = np.array([4, 6]) - reach, np.array([28, 26]) + reach
    outside = ~((places > low) & (places < high)).all(1).reshape(90, 80)
    np.testing.assert_array_equal(pasted[outside], before[outside])
    np.testing.assert_array_equal(frame, before)


def test_shrinking_averages_areas():
    checkers = np.indices((256, 256)).sum(0) % 2 * 255
    frame = np.repeat(checkers[..., None], 3, 2).astype(np.uint8)
    crop = warp_crop(frame, np.array([[0.125, 0, 0], [0, 0.125, 0]]), 32)
    assert np.abs(crop.astype(int) - 127).max() <= 1


def test_cropping_at_scale_one_copies_pixels():
    frame = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    crop = warp_crop(frame, np.array([[1.0, 0, -7], [0, 1.0, -5]]), 32)
    np.testing.assert_array_equal(crop, frame[5:37, 7:39])


def test_alpha_fades_inside_the_region():
    alpha = feathered_alpha(40, (0.0, 20.0, 40.0, 40.0), width=8)
    assert alpha[:20].max() == 0
    assert alpha[20, 20] < 0.05
    assert alpha[30, 20] == 1
    assert alpha[39].max() < 0.05
    hard = feathered_alpha(40, np.eye(40), width=0)
    np.testing.assert_array_equal(hard, np.eye(40))
    with pytest.raises(ValueError, match=r"expected a mask \(40, 40\), got \(39, 40\)"):
        feathered_alpha(40, np.zeros((39, 40)), width=2)


def test_wrong_pictures_are_refused():
    transform = np.eye(2, 3)
    with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\), got float64"):
        warp_crop(np.zeros((8, 8, 3)), transform, 8)
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"alpha: expected the crop's size \(8, 8\)"):
        paste_back(picture, picture, transform, np.ones((4, 4)))


def test_eye_distance_is_that_of_the_eye_centres():
    assert eye_distance(some_face()) == pytest.approx(np.hypot(55, 0), abs=1e-4)
