"""Wav2Lip against stored outputs of the published code and against a functional second route."""

import json

import pytest
import torch

from segkit.weights import convert_state_dict
from segkit_models.baselines.wav2lip import Wav2Lip, Wav2LipSyncNet
from segkit_models.experts.syncnet import sync_probability
from segkit_models.losses.sync import SyncBinaryCrossEntropy
from tests.reference import wav2lip as route

CLASSES = {"wav2lip": Wav2Lip, "wav2lip_syncnet": Wav2LipSyncNet}
NAMES = {"wav2lip": "generator", "wav2lip_syncnet": "syncnet"}
# Millions of parameters of the published networks.
SIZES = {"wav2lip": 36.298, "wav2lip_syncnet": 16.435}


def converted(kind, state, **arguments):
    conversion = convert_state_dict(kind, state)
    assert list(conversion) == [kind]
    assert conversion.ignored == []
    config, tensors = conversion[kind]
    config = dict(config)
    assert config.pop("type") is CLASSES[kind]
    module = CLASSES[kind](**config | arguments)
    module.load_state_dict(tensors)
    return module.eval()


@pytest.fixture(scope="module", params=list(CLASSES))
def published(request, parity, fill_tsg):
    """A kind, and the state of the published size."""
    keys = json.loads((parity / "keys" / "wav2lip_keys.json").read_text())[NAMES[request.param]]
    state = {
        key: torch.from_numpy(fill_tsg.value(key, shape).copy()) for key, shape in keys.items()
    }
    return request.param, state


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_published_size_gives_the_stored_outputs(published, stored):
    kind, state = published
    saved = stored("wav2lip.pt")
    module = converted(kind, {"state_dict": {f"module.{k}": v for k, v in state.items()}})
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count / 1e6 == pytest.approx(SIZES[kind], abs=0.001)
    if kind == "wav2lip":
        close(module(saved["mel"], saved["face"]), saved["out"])
        close(module.audio_encoder(saved["mel"]), saved["audio_emb"])
        close(route.generate(state, saved["mel"], saved["face"]), saved["out"])
    else:
        audio, face = module(saved["mel4"], saved["sync_face"])
        close(audio, saved["sync_a"])
        close(face, saved["sync_v"])
        close(sync_probability(face, audio), saved["cos"])
        loss = SyncBinaryCrossEntropy()(sync_probability(face, audio), saved["labels"][:, 0])
        close(loss, saved["bce"])
        for ours, theirs in zip(
            route.embed(state, saved["mel4"], saved["sync_face"]),
            (saved["sync_a"], saved["sync_v"]),
            strict=True,
        ):
            close(ours, theirs)


def test_the_published_names_are_those_of_the_route(published):
    kind, state = published
    assert route.shapes(kind=NAMES[kind]) == {k: tuple(v.shape) for k, v in state.items()}


@pytest.mark.parametrize("width", [1 / 32, 3 / 64])
def test_a_small_generator_is_the_functional_route(width):
    state = route.seeded(route.shapes(width))
    module = converted("wav2lip", state).double()
    module.load_state_dict(state)
    torch.manual_seed(0)
    mel, face = torch.randn(2, 1, 80, 16).double(), torch.rand(2, 6, 96, 96).double()
    inputs = [mel.requires_grad_(), face.requires_grad_()]
    weight = torch.randn(2, 3, 96, 96).double()
    ours, theirs = module(*inputs), route.generate(state, *inputs)
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-9)
    for one, other in zip(
        torch.autograd.grad((ours * weight).sum(), inputs),
        torch.autograd.grad((theirs * weight).sum(), inputs),
        strict=True,
    ):
        assert one.abs().max() > 1e-3
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-8)


def test_a_small_syncnet_is_the_functional_route():
    state = route.seeded(route.shapes(1 / 32, "syncnet"))
    module = converted("wav2lip_syncnet", state)
    torch.manual_seed(0)
    inputs = torch.randn(3, 1, 80, 16), torch.rand(3, 15, 48, 96)
    theirs = route.embed({k: v.float() for k, v in state.items()}, *inputs)
    for ours, other in zip(module(*inputs), theirs, strict=True):
        torch.testing.assert_close(ours, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [96, 192])
def test_sizes_are_told_from_the_layers(size):
    module = Wav2Lip(size=size, width=1 / 64)
    again = converted("wav2lip", module.state_dict())
    assert again.size == size
    assert torch.equal(again.output_block[1].weight, module.output_block[1].weight)


@pytest.mark.parametrize("size", [64, 96, 128, 256])
def test_sizes_of_syncnets_are_told_from_the_layers(size):
    module = Wav2LipSyncNet(size=size, num_frames=3, width=1 / 64)
    again = converted("wav2lip_syncnet", module.state_dict())
    assert (again.size, again.num_frames) == (size, 3)


def test_counters_beside_the_weights_are_left_out():
    state = route.seeded(route.shapes(1 / 64))
    state = {key: value for key, value in state.items() if not key.endswith("tracked")}
    file = {"state_dict": state, "optimizer": {"step": 1}, "global_step": 3, "global_epoch": 0}
    module = converted("wav2lip", file)
    assert module.output_block[0].conv_block[1].num_batches_tracked == 0


@pytest.mark.parametrize(("given", "wanted"), [(0, 1), (1, 0)])
def test_one_taken_for_the_other_is_told(given, wanted):
    kinds = list(CLASSES)
    state = route.seeded(route.shapes(1 / 64, NAMES[kinds[given]]))
    with pytest.raises(ValueError, match=rf"this is a '{kinds[given]}' checkpoint"):
        convert_state_dict(kinds[wanted], {"state_dict": state})


def test_missing_and_misshapen_weights_are_named():
    state = route.seeded(route.shapes(1 / 64))
    wrong = state | {"output_block.1.bias": torch.zeros(12)}
    with pytest.raises(ValueError, match=r"output_block\.1\.bias: expected \(3,\), got \(12,\)"):
        convert_state_dict("wav2lip", wrong)
    del state["audio_encoder.4.conv_block.0.weight"]
    with pytest.raises(ValueError, match=r"1 of \d+ keys are missing: audio_encoder\.4\.conv"):
        convert_state_dict("wav2lip", state)
