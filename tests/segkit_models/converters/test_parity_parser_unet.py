"""CelebAMask-HQ's U-Net parser: converted weights, its features, and E4S's parsing loss of them."""

import pytest
import torch

from segkit.weights import convert_state_dict
from segkit_models.losses import ParsingLoss
from tests.reference import parser_unet as reference
from tests.reference.seeded import relative_error, seeded_state

SPEC = "celebamaskhq_unet_model.txt"


def build(state):
    config, tensors = convert_state_dict("parser_unet", state)["parser_unet"]
    arguments = dict(config)
    network = arguments.pop("type")(**arguments).eval()
    network.load_state_dict(tensors)
    return network


@pytest.fixture(scope="module")
def published(fill_sgi):
    state = fill_sgi.seeded_state(fill_sgi.read_spec(SPEC))
    return state, [fill_sgi.image(name, (1, 3, 512, 512)) for name in ("pa", "pb")]


def test_logits_features_and_similarities_are_the_stored_ones(published, stored, fill_sgi):
    state, images = published
    expected = stored("parser_unet_512.pt")
    assert fill_sgi.digest(state) == expected["digest"]
    network = build({f"module.{name}": tensor for name, tensor in state.items()})
    with torch.no_grad():
        logits = network(images[0])
        maps = [network.features(image) for image in images]
        loss = ParsingLoss(network)(*images)
    assert relative_error(logits[:, :, 5::16, 5::16], expected["logits_s16"]) < 1e-4
    assert [x.numel() for x in maps[0]] == expected["feat_lens"]
    for x, samples in zip(maps[0], expected["feats_s"], strict=True):
        unit = x.flatten(1) / x.norm()
        assert relative_error(unit[:, :: unit.shape[1] // 512][:, :512], samples) < 1e-4
    found = [
        torch.cosine_similarity(a.flatten(1), b.flatten(1)).item()
        for a, b in zip(*maps, strict=True)
    ]
    assert found == pytest.approx(expected["sims"], abs=1e-5)
    assert loss.item() == pytest.approx(5 - sum(expected["sims"]), abs=1e-5)


def test_the_second_route_is_the_stored_one_too(published, stored):
    state, images = published
    with torch.no_grad():
        logits = reference.forward(state, images[0])
    expected = stored("parser_unet_512.pt")["logits_s16"]
    assert relative_error(logits[:, :, 5::16, 5::16], expected) < 1e-4


def test_names_and_shapes_are_the_published_ones(fill_sgi):
    assert reference.shapes() == dict(fill_sgi.read_spec(SPEC))


def test_a_small_network_agrees_with_plain_functions():
    state = seeded_state(reference.shapes(width=4, num_classes=5))
    network = build(state).double()
    image = (torch.rand(2, 3, 32, 48, dtype=torch.float64) * 2 - 1).requires_grad_()
    rounded = {name: x.float().double() for name, x in state.items()}
    wanted = reference.forward(rounded, image)
    found = network(image)
    assert relative_error(found, wanted) < 1e-10
    pairs = zip(network.features(image), reference.features(rounded, image), strict=True)
    assert max(relative_error(a, b) for a, b in pairs) < 1e-10
    gradients = [torch.autograd.grad(x.square().sum(), image)[0] for x in (found, wanted)]
    assert relative_error(*gradients) < 1e-10


def test_other_files_are_told():
    state = seeded_state(reference.shapes(width=4))
    state["extra.weight"] = torch.zeros(1)
    assert convert_state_dict("parser_unet", state).unknown == ["extra.weight"]
    del state["center.conv2.1.bias"]
    with pytest.raises(ValueError, match=r"keys are missing: center\.conv2\.1\.bias"):
        convert_state_dict("parser_unet", state)
