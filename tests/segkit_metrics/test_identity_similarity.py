"""CSIM: stored values, references, alignment, missed faces, networks."""

import numpy as np
import pytest
import torch
from torch import nn

from segkit.registry import METRICS
from segkit.weights import convert_file
from segkit_metrics.base import MissingWeightsError
from segkit_metrics.identity import (
    IdentitySimilarity,
    align_face,
    arcface_points,
    cosine_similarity,
)
from tests.reference import irse50 as route
from tests.reference.seeded import seeded_state


class Colours(nn.Module):
    """Embeds a picture by its colours in two halves; checks the range that it is given."""

    def forward(self, image):
        assert image.shape[1] == 3
        assert image.min() >= -1
        assert image.max() <= 1
        halves = torch.chunk(image, 2, -1)
        return torch.cat([half.mean((2, 3)) for half in halves], 1)


class Squares(nn.Module):
    def forward(self, image):
        return nn.functional.adaptive_avg_pool2d(image, 4).flatten(1)


def clip(count=6, seed=0, size=16):
    generator = np.random.default_rng(seed)
    pred, gt = generator.integers(0, 256, (2, count, 3, size, size)).astype(np.uint8)
    return {"sample_id": "c", "pred_frames": pred, "gt_frames": gt}


def colours(frames):
    x = frames.astype(np.float64) / 127.5 - 1
    return np.concatenate([half.mean((2, 3)) for half in np.split(x, 2, -1)], 1)


def cosine(a, b):
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_stored_values(oracle, oracle_inputs):
    found = cosine_similarity(oracle_inputs["id_pred"], oracle_inputs["id_gt"])
    assert found == pytest.approx(oracle("csim_per_frame"), abs=1e-12)


def test_a_vector_without_length_has_no_angle():
    a = np.random.default_rng(0).standard_normal((3, 5))
    b = a.copy()
    b[1] = 0
    assert cosine_similarity(a, b)[[0, 2]] == pytest.approx([1, 1])
    assert np.isnan(cosine_similarity(a, b)[1])
    assert cosine_similarity(a, -2 * a[:1])[0] == pytest.approx(-1)
    for other in (a[:, :4], a[:2], a[0]):
        with pytest.raises(ValueError, match=r"embeddings: expected two arrays \(N, D\)"):
            cosine_similarity(a, other)


@pytest.mark.parametrize("floats", [False, True])
def test_frames_are_compared_with_those_of_their_time(floats):
    sample = clip()
    wanted = [
        cosine(a, b)
        for a, b in zip(*(colours(sample[f"{s}_frames"]) for s in ("pred", "gt")), strict=True)
    ]
    if floats:
        sample = {
            k: v if k == "sample_id" else v.astype(np.float32) / 255 for k, v in sample.items()
        }
    metric = IdentitySimilarity(weights=Colours(), device="cpu", batch_size=4)
    metric.chunk_frames = 5
    assert metric.measure(sample)["csim"] == pytest.approx(wanted, abs=1e-4)
    metric.process(None, [sample])
    report = metric.evaluate(1)
    assert report["CSIM/csim"] == pytest.approx(np.mean(wanted), abs=1e-4)
    assert report["CSIM/n"] == 6


def test_or_with_the_portrait():
    sample = clip()
    portrait = clip(1, seed=5)["gt_frames"][0]
    metric = IdentitySimilarity(weights=Colours(), reference="source", device="cpu")
    one = colours(portrait[None])[0]
    wanted = [cosine(a, one) for a in colours(sample["pred_frames"])]
    del sample["gt_frames"]
    for given in (portrait, torch.from_numpy(portrait), portrait / 255):
        assert metric.measure(sample | {"source": given})["csim"] == pytest.approx(wanted, abs=1e-4)
    with pytest.raises(
        ValueError, match=r"clip 'c': source: expected a portrait \(3, H, W\), got N"
    ):
        metric.measure(sample)
    with pytest.raises(ValueError, match="clip 'c': source: expected uint8 or floats in"):
        metric.measure(sample | {"source": portrait / 127.5 - 1})
    assert "the source portrait" in metric.definition()


def landmarks(turn=0.0, scale=1.0, shift=(0.0, 0.0)):
    """68 points whose five lie at ArcFace's places, then turned, scaled and shifted."""
    points = np.full((68, 2), 56.0)
    points[36:42], points[42:48] = (38.2946, 51.6963), (73.5318, 51.5014)
    points[30], points[48], points[54] = (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return scale * points @ rotation.T + shift


def test_a_face_in_place_is_cut_out_as_it_is():
    frame = np.random.default_rng(0).integers(0, 256, (3, 112, 112)).astype(np.uint8)
    np.testing.assert_array_equal(align_face(frame, landmarks()), frame)
    shifted = np.zeros((3, 200, 180), np.uint8)
    shifted[:, 30:142, 40:152] = frame
    np.testing.assert_array_equal(align_face(shifted, landmarks(shift=(40, 30))), frame)


def test_a_turned_and_larger_face_is_brought_into_place():
    import cv2

    rows, columns = np.mgrid[:112, :112]
    smooth = np.stack([rows + columns, 2 * rows, 224 - 2 * columns]).astype(np.uint8)
    turn, scale, shift = 0.3, 1.4, (90.0, 20.0)
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.concatenate([rotation, np.array(shift)[:, None]], 1)
    picture = cv2.warpAffine(smooth.transpose(1, 2, 0), matrix, (260, 260), flags=cv2.INTER_LINEAR)
    found = align_face(picture.transpose(2, 0, 1), landmarks(turn, scale, shift))
    inside = (slice(None), slice(8, -8), slice(8, -8))
    assert np.abs(found[inside].astype(int) - smooth[inside]).max() <= 3
    points = arcface_points(landmarks(turn, scale, shift))
    assert points.shape == (5, 2)


def test_faces_are_aligned_on_both_sides_and_missed_ones_left_out():
    sample = clip(5, size=160)
    points = np.stack([landmarks(0.1 * k, 1.2, (5, 5)) for k in range(5)])
    other = points + 3
    sample |= {"pred_landmarks": points.copy(), "gt_landmarks": other.copy()}
    sample["pred_landmarks"][1, 40], sample["gt_landmarks"][3] = np.nan, np.nan
    metric = IdentitySimilarity(weights=Squares(), crop="landmarks", device="cpu")
    metric.chunk_frames = 2
    wanted = []
    for k in (0, 2, 4):
        faces = [
            align_face(sample["pred_frames"][k], points[k]),
            align_face(sample["gt_frames"][k], other[k]),
        ]
        embedded = [Squares()(torch.from_numpy(face)[None] / 127.5 - 1) for face in faces]
        wanted.append(cosine(*(vector[0].numpy() for vector in embedded)))
    found = metric.measure(sample)["csim"]
    assert np.isnan(found[[1, 3]]).all()
    assert found[[0, 2, 4]] == pytest.approx(wanted, abs=1e-5)
    metric.process(None, [sample])
    assert metric.evaluate(1)["CSIM/n"] == 3
    with pytest.raises(ValueError, match="clip 'c': expected pred_landmarks, gt_landmarks"):
        metric.measure(clip())
    source = IdentitySimilarity(
        weights=Squares(), crop="landmarks", reference="source", device="cpu"
    )
    portrait = {"source": sample["gt_frames"][0], "source_landmarks": other[0]}
    assert source.measure(sample | portrait)["csim"][0] == pytest.approx(wanted[0], abs=1e-5)
    with pytest.raises(ValueError, match=r"source_landmarks: expected \(68, 2\), got None"):
        source.measure(sample | {"source": portrait["source"]})
    with pytest.raises(ValueError, match="source_landmarks: expected a face, got NaN"):
        source.measure(sample | portrait | {"source_landmarks": other[0] * np.nan})


def test_a_tiny_script_embeds_too(tmp_path):
    script = torch.jit.trace(Squares(), torch.zeros(2, 3, 16, 16))
    sample = clip()
    wanted = IdentitySimilarity(weights=Squares(), device="cpu").measure(sample)["csim"]
    found = IdentitySimilarity(weights=script, device="cpu").measure(sample)["csim"]
    assert found == pytest.approx(wanted, abs=1e-6)


def test_the_network_comes_from_a_converted_file(tmp_path):
    units = (1, 2, 1, 1)
    shapes = route.shapes((8, 8, 12, 16, 24), units, 6, 2)
    state = seeded_state(shapes, dtype=torch.float32)
    torch.save(state, tmp_path / "model_ir_se50.pth")
    file = tmp_path / "arcface_irse50.safetensors"
    convert_file("irse50", tmp_path / "model_ir_se50.pth", file)
    metric = METRICS.build(dict(type="IdentitySimilarity", weights=file, device="cpu"))
    sample = clip(2, size=32)
    sides = (torch.from_numpy(sample[f"{s}_frames"]).float() / 127.5 - 1 for s in ("pred", "gt"))
    one, other = (route.forward(state, x, units)[-1].double() for x in sides)
    wanted = (one * other).sum(1)
    assert metric.measure(sample)["csim"] == pytest.approx(wanted.numpy(), abs=1e-5)
    assert "(model_ir_se50.pth " in metric.definition()
    with pytest.raises(ValueError, match="expected a converted 'identity', got 'irse50'"):
        IdentitySimilarity(weights=file, network="dlib_identity")


def test_wrong_arguments_are_told():
    with pytest.raises(MissingWeightsError, match=r"expected arcface_irse50\.safetensors, made by"):
        IdentitySimilarity(weights=None)
    with pytest.raises(ValueError, match="reference: expected frame or source, got 'gt'"):
        IdentitySimilarity(weights=Squares(), reference="gt")
    with pytest.raises(ValueError, match="crop: expected given or landmarks"):
        IdentitySimilarity(weights=Squares(), crop="box")
    with pytest.raises(ValueError, match="network: expected arcface_irse50 or dlib_identity"):
        IdentitySimilarity(weights=Squares(), network="facenet")
