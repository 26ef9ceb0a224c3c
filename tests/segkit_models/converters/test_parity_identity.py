"""dlib's face network from face-api's tensors: names, axes, and the same numbers another way."""

import json

import pytest
import torch

from segkit.weights import convert_file, convert_state_dict, load_component, read_tfjs
from segkit_models.experts.identity import FaceResNet
from tests.reference import identity as reference
from tests.reference.seeded import relative_error


def seeded():
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in reference.shapes().items():
        numbers = torch.randn(shape, generator=generator)
        if name.endswith("scale/weights"):
            numbers = 1 + 0.1 * numbers
        elif name.endswith(("bias", "biases")):
            numbers = 0.1 * numbers
        else:
            numbers = numbers * (2 / numbers[..., 0].numel()) ** 0.5
        state[name] = numbers
    return state


def build(state):
    config, tensors = convert_state_dict("identity", state)["identity"]
    assert config == {"type": FaceResNet}
    network = FaceResNet().eval()
    network.load_state_dict(tensors)
    return network


@pytest.fixture
def manifest(shared):
    path = shared / "weights" / "face_recognition_model-weights_manifest.json"
    if not path.exists():
        pytest.skip(f"no face recognition weights in {shared}")
    return path


def test_agrees_with_plain_functions():
    state = seeded()
    network = build(state).double()
    face = (torch.rand(2, 3, 150, 150, dtype=torch.float64) * 2 - 1).requires_grad_()
    wanted = reference.forward({name: x.double() for name, x in state.items()}, face)
    found = network(face)
    assert found.shape == (2, 128)
    assert relative_error(found, wanted) < 1e-6  # the mean colour is stored in single precision
    gradients = [torch.autograd.grad(x.square().sum(), face)[0] for x in (found, wanted)]
    assert relative_error(*gradients) < 1e-6


def test_the_published_file_becomes_a_component(manifest, tmp_path):
    path = tmp_path / "dlib.safetensors"
    conversion = convert_file("identity", manifest, path)
    assert conversion.ignored == []
    names = [
        entry["name"] for group in json.loads(manifest.read_text()) for entry in group["weights"]
    ]
    assert sorted(names) == sorted(reference.shapes())
    face = torch.rand(1, 3, 150, 150) * 2 - 1
    with torch.no_grad():
        found, again = load_component(path)(face), FaceResNet(path).eval()(face)
        wanted = reference.forward(read_tfjs(manifest), face)
    assert relative_error(found, wanted) < 1e-4
    assert torch.equal(found, again)


def test_other_files_are_told():
    state = seeded()
    del state["conv64_2/conv1/scale/weights"]
    with pytest.raises(ValueError, match="keys are missing: conv64_2/conv1/scale/weights"):
        convert_state_dict("identity", state)
    with pytest.raises(ValueError, match="not such a checkpoint"):
        convert_state_dict("identity", {"a": torch.zeros(1)})
