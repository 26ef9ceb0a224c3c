"""BiSeNet: converted weights give the outputs of the public code, with all three heads."""

import pytest
import torch

from segkit.weights import convert_state_dict
from tests.reference import bisenet as reference
from tests.reference.seeded import relative_error, seeded_state

OUTPUTS = {"logits_s16": 16, "out16_s32": 32, "out32_s32": 32}


def build(state):
    config, tensors = convert_state_dict("bisenet", state)["bisenet"]
    arguments = dict(config)
    network = arguments.pop("type")(**arguments).eval()
    network.load_state_dict(tensors)
    return network


@pytest.fixture(scope="module")
def published(fill_sgi):
    state = fill_sgi.seeded_state(fill_sgi.read_spec("bisenet_79999_iter.txt"))
    return state, fill_sgi.image("bisenet", (1, 3, 512, 512))


def test_outputs_are_the_stored_ones(published, stored, fill_sgi):
    state, image = published
    expected = stored("bisenet_512.pt")
    assert fill_sgi.digest(state) == expected["digest"]
    network = build({f"module.{name}": tensor for name, tensor in state.items()})
    # 191 tensors, 13.31 M numbers in the list of the published file, running statistics included.
    assert sum(x.numel() for x in network.state_dict().values()) == 13_313_119
    with torch.no_grad():
        outputs = network.forward_all(image)
        assert torch.equal(network(image), outputs[0])
    for found, (name, step) in zip(outputs, OUTPUTS.items(), strict=True):
        assert relative_error(found[:, :, 5::step, 5::step], expected[name]) < 1e-4
    # The two likeliest classes of a pixel are nowhere closer than the margin stored beside them.
    assert torch.equal(outputs[0].argmax(1).to(torch.uint8), expected["argmax"])


def test_the_second_route_is_the_stored_one_too(published, stored):
    state, image = published
    with torch.no_grad():
        outputs = reference.forward(state, image)
    for found, (name, step) in zip(outputs, OUTPUTS.items(), strict=True):
        assert relative_error(found[:, :, 5::step, 5::step], stored("bisenet_512.pt")[name]) < 1e-4


def test_names_and_shapes_are_the_published_ones(fill_sgi):
    assert reference.shapes() == dict(fill_sgi.read_spec("bisenet_79999_iter.txt"))


@pytest.mark.parametrize("size", [(64, 64), (72, 104), (50, 33)])
def test_a_small_network_agrees_with_plain_functions(size):
    state = seeded_state(reference.shapes(width=8, num_classes=5))
    network = build(state).double()
    image = (torch.rand(2, 3, *size, dtype=torch.float64) * 2 - 1).requires_grad_()
    wanted = reference.forward({k: v.float().double() for k, v in state.items()}, image)
    for found, expected in zip(network.forward_all(image), wanted, strict=True):
        assert relative_error(found, expected) < 1e-10
    gradients = [
        torch.autograd.grad(x.square().mean(), image)[0] for x in (network(image), wanted[0])
    ]
    assert relative_error(*gradients) < 1e-10


def test_a_file_without_training_heads_is_taken():
    state = seeded_state(reference.shapes(width=8))
    bare = {k: v for k, v in state.items() if not k.startswith(("conv_out16", "conv_out32"))}
    bare["cp.resnet.fc.weight"] = torch.zeros(2, 2)
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(build(bare)(image), build(state)(image))
    with pytest.raises(ValueError, match="build it with aux_heads=True"):
        build(bare).forward_all(image)
    conversion = convert_state_dict("bisenet", bare)
    assert conversion.ignored == ["cp.resnet.fc.weight"]
    assert conversion.unknown == []


def test_an_incomplete_file_is_told():
    state = seeded_state(reference.shapes(width=8))
    del state["cp.arm32.bn_atten.running_var"]
    with pytest.raises(ValueError, match=r"keys are missing: cp\.arm32\.bn_atten\.running_var"):
        convert_state_dict("bisenet", state)
