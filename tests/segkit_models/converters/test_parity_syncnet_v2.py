"""The evaluation SyncNet against stored outputs of the published code and a functional route."""

import json

import pytest
import torch
from torch.nn import functional

from segkit.speech_features import SyncNetMFCC
from segkit.weights import convert_file, convert_state_dict
from segkit_models.experts.evaluation_syncnet import EvaluationSyncNet
from tests.reference import syncnet_v2 as route
from tests.reference.seeded import relative_error, seeded_state

SMALL = dict(lip=(4, 6, 8, 4, 6, 8), audio=(4, 6, 8, 6, 4, 10), dim=12)


def converted(state):
    conversion = convert_state_dict("syncnet_v2", state)
    assert conversion.ignored == []
    config, tensors = conversion["syncnet_v2"]
    config = dict(config)
    assert config.pop("type") is EvaluationSyncNet
    network = EvaluationSyncNet(**config)
    network.load_state_dict(tensors)
    return network


@pytest.fixture(scope="module")
def published(parity, fill_tsg):
    """The state as the old file has it: without counts of batches."""
    keys = json.loads((parity / "keys" / "syncnet_v2_keys.json").read_text())
    assert {key: tuple(shape) for key, shape in keys.items()} == route.shapes()
    return {
        key: torch.from_numpy(fill_tsg.value(key, shape).copy())
        for key, shape in keys.items()
        if not key.endswith("num_batches_tracked")
    }


@pytest.fixture(scope="module")
def windows(stored):
    """Frames ``19 3 5 224 224`` of the stored film, and its cepstra ``19 1 13 20``."""
    film = stored("syncnet_v2.pt")
    frames = functional.interpolate(film["vid_small"], size=(224, 224), mode="nearest").round()
    frames = frames.unfold(0, 5, 1).permute(0, 1, 4, 2, 3)[:19]
    mfcc = SyncNetMFCC()(film["wav_i16"][None] / 32768)
    torch.testing.assert_close(mfcc, film["mfcc"][0], atol=1e-4, rtol=1e-4)
    return frames, torch.stack([mfcc[:, :, 4 * k : 4 * k + 20] for k in range(19)])


def test_outputs_are_the_stored_ones(published, windows, stored, fill_tsg):
    network = converted(published)
    assert sum(p.numel() for p in network.parameters()) == 13_631_616
    expected = stored("syncnet_v2.pt")
    lip = fill_tsg.rand("lip", (1, 3, 5, 224, 224), 0, 255).round()
    assert relative_error(network.encode_video(lip), expected["lip_out"]) < 1e-5
    assert relative_error(network.encode_audio(expected["mfcc_in"]), expected["aud_out"]) < 1e-5
    frames, mfcc = windows
    some = slice(0, 19, 6)
    found = network.encode_video(frames[some].contiguous())
    assert relative_error(found, expected["im_feat"][some]) < 1e-5
    # From the waveform on, through our cepstra.
    assert relative_error(network.encode_audio(mfcc), expected["cc_feat"]) < 1e-5


def test_the_second_route_is_the_stored_one_too(published, stored, fill_tsg):
    expected = stored("syncnet_v2.pt")
    found = route.embed_audio(published, expected["mfcc_in"])
    assert relative_error(found, expected["aud_out"]) < 1e-5
    lip = fill_tsg.rand("lip", (1, 3, 5, 224, 224), 0, 255).round()
    assert relative_error(route.embed_frames(published, lip), expected["lip_out"]) < 1e-5


def test_a_small_network_agrees_with_plain_functions():
    state = seeded_state(route.shapes(**SMALL))
    network = converted(state).double()
    state = {key: value.float().double() for key, value in state.items() if value.ndim}
    torch.manual_seed(0)
    mfcc = torch.randn(3, 1, 13, 20, dtype=torch.float64)
    frames = torch.rand(2, 3, 5, 224, 224, dtype=torch.float64) * 255
    assert relative_error(network.encode_audio(mfcc), route.embed_audio(state, mfcc)) < 1e-10
    found = network.encode_video(frames)
    assert found.shape == (2, 12)
    assert relative_error(found, route.embed_frames(state, frames)) < 1e-10


def test_it_only_measures(tmp_path):
    torch.save(seeded_state(route.shapes(**SMALL), dtype=torch.float32), tmp_path / "net.model")
    file = tmp_path / "syncnet_v2.safetensors"
    convert_file("syncnet_v2", tmp_path / "net.model", file)
    network = EvaluationSyncNet(
        weights=file, frame_widths=SMALL["lip"], audio_widths=SMALL["audio"], dim=12
    )
    mfcc = torch.randn(3, 1, 13, 20)
    before = network.encode_audio(mfcc)
    network.train()
    assert not any(module.training for module in network.modules())
    assert not any(p.requires_grad for p in network.parameters())
    assert torch.equal(network.encode_audio(mfcc), before)
    with pytest.raises(ValueError, match=r"do not fit this EvaluationSyncNet"):
        EvaluationSyncNet(weights=file)


def test_wrong_input_is_told():
    network = EvaluationSyncNet(frame_widths=(4,) * 6, audio_widths=(4,) * 6, dim=4)
    with pytest.raises(ValueError, match=r"frames: .* got \(1, 3, 5, 96, 96\); give five frames"):
        network.encode_video(torch.zeros(1, 3, 5, 96, 96))
    with pytest.raises(ValueError, match=r"mfcc: .* got \(1, 13, 20\); cut 20 columns"):
        network.encode_audio(torch.zeros(1, 13, 20))
    with pytest.raises(ValueError, match="audio_widths: expected channels of 6 layers"):
        EvaluationSyncNet(audio_widths=(4, 4))


def test_other_files_are_told():
    with pytest.raises(ValueError, match=r"expected keys such as netcnnaud\.0\.weight"):
        convert_state_dict("syncnet_v2", {"a.weight": torch.zeros(2)})
    state = seeded_state(route.shapes(**SMALL))
    del state["netfclip.1.running_mean"]
    with pytest.raises(ValueError, match=r"keys are missing: netfclip\.1\.running_mean"):
        convert_state_dict("syncnet_v2", state)
