"""Training the baseline: its objective, when its SyncNet joins, and what the generator sees."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper

from segkit.engine.experts import LoadExpert
from segkit.weights import convert_file
from segkit_models.baselines.wav2lip import Wav2Lip, Wav2LipSyncNet, bgr_of, face_planes
from segkit_models.experts.syncnet import sync_probability
from segkit_models.talking.colour_sync_expert import ColourSyncExpert
from segkit_models.talking.wav2lip import Wav2LipTraining

TINY = {"width": 1 / 64}


def make(**changes):
    torch.manual_seed(0)
    return Wav2LipTraining(**({"generator": TINY, "join_below": None} | changes))


@pytest.fixture
def clips():
    generator = torch.Generator().manual_seed(3)
    frames, reference = (
        torch.randint(256, (2, 5, 3, 96, 96), generator=generator, dtype=torch.uint8)
        for _ in range(2)
    )
    return {
        "frames": frames,
        "reference": reference,
        "mel": torch.randn(2, 5, 80, 16, generator=generator),
    }


def step(model, clips):
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return model.train().train_step(clips, OptimWrapper(torch.optim.Adam(trained, 1e-3)))


def test_the_objective_is_that_of_its_pictures(clips):
    model = make(sync_expert=TINY, sync_begin=0, sync_weight=0.25).eval()
    images = model(**clips)
    assert images.shape == (2, 5, 3, 96, 96)
    terms = model(**clips, mode="loss")
    l1 = (images - clips["frames"] / 255).abs().mean()
    torch.testing.assert_close(terms["l1"], l1)
    # Wav2Lip's order: frame after frame, each BGR; its sound is that of the middle frame.
    planes = torch.cat([images[:, k, [2, 1, 0], 48:] for k in range(5)], 1)
    audio, face = model.sync_expert(clips["mel"][:, 2:3], planes)
    torch.testing.assert_close(terms["sync"], -sync_probability(face, audio).log().mean())
    torch.testing.assert_close(terms["loss"], 0.75 * terms["l1"] + 0.25 * terms["sync"])


def test_each_frame_is_drawn_from_its_own_speech_and_reference(clips):
    model = make().eval()
    images = model(**clips)
    face = face_planes(clips["frames"][1, 3][None], clips["reference"][1, 3][None])
    alone = model.generator(clips["mel"][1, 3].view(1, 1, 80, 16), face)
    torch.testing.assert_close(images[1, 3], alone[0].flip(0), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        face[0, 3:], bgr_of(clips["reference"][1, 3]), msg="the reference is the second half"
    )


def test_the_true_mouth_is_not_seen(clips):
    model, hidden = make().eval(), clips["frames"].clone()
    hidden[..., 48:, :] = 0
    assert torch.equal(model(**clips), model(**(clips | {"frames": hidden})))


def test_the_syncnet_joins_at_its_iteration_and_stays_frozen(clips):
    model = make(sync_expert=TINY, sync_begin=2)
    before = {key: value.clone() for key, value in model.sync_expert.state_dict().items()}
    logs = [step(model, clips) for _ in range(4)]
    assert ["sync" in log for log in logs] == [False, False, True, True]
    torch.testing.assert_close(logs[1]["loss"], logs[1]["l1"])
    for key, value in model.sync_expert.state_dict().items():
        assert torch.equal(value, before[key])
    assert not model.sync_expert.training
    # Part of the checkpoint, so a resumed training goes on where it stood.
    assert int(model.state_dict()["iteration"]) == 4


def test_an_expert_that_finds_nothing_in_sync_only_watches(clips):
    model = make(sync_expert=TINY, sync_begin=1, join_below=1e-6)
    logs = [step(model, clips) for _ in range(4)]
    assert ["sync" in log for log in logs] == [False, True, True, True]
    for log in logs:
        torch.testing.assert_close(log["loss"], log["l1"])
    expected = logs[1]["sync"]
    for log in logs[2:]:
        expected = 0.99 * expected + 0.01 * log["sync"]
    torch.testing.assert_close(model.sync_level, expected)
    assert not model.has_joined
    # It joins for good, and a resumed training knows.
    model.join_below = 1e3
    step(model, clips)
    model.join_below = 1e-6
    again = make(sync_expert=TINY, sync_begin=1, join_below=1e-6)
    again.load_state_dict(model.state_dict())
    log = step(again, clips)
    torch.testing.assert_close(log["loss"], 0.97 * log["l1"] + 0.03 * log["sync"])


def test_it_learns_one_clip(clips):
    flat = clips | {"frames": torch.full_like(clips["frames"], 200)}
    model = make()
    trained = OptimWrapper(torch.optim.Adam(model.parameters(), 1e-2))
    logs = [float(model.train().train_step(flat, trained)["l1"]) for _ in range(25)]
    assert logs[-1] < 0.5 * logs[0]


def test_predictions_are_pictures(clips):
    model = make().eval()
    with torch.no_grad():
        predictions = model.val_step(clips)
        images = model(**clips)
    assert len(predictions) == 10
    assert torch.equal(predictions[7]["target"], clips["frames"][1, 2])
    assert predictions[7]["prediction"].dtype == torch.uint8
    error = (predictions[7]["prediction"] / 255 - images[1, 2]).abs().max()
    assert error <= 0.5 / 255 + 1e-6


def test_published_experts_are_loaded(tmp_path, clips):
    torch.manual_seed(5)
    published = Wav2LipSyncNet(**TINY)
    torch.save({"state_dict": published.state_dict()}, tmp_path / "expert.pth")
    convert_file("wav2lip_syncnet", tmp_path / "expert.pth", tmp_path / "expert.safetensors")
    model = make(sync_expert=TINY)
    runner = SimpleNamespace(model=model, iter=0, logger=logging.getLogger("test"))
    LoadExpert(module="sync_expert", checkpoint=tmp_path / "expert.safetensors").before_train(
        runner
    )
    for key, value in published.state_dict().items():
        assert torch.equal(model.sync_expert.state_dict()[key], value)


def test_what_was_trained_here_converts_too(tmp_path, clips):
    model = make(sync_expert=TINY).eval()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "iter_1.pth")
    conversion = convert_file("wav2lip", tmp_path / "iter_1.pth", tmp_path / "a.safetensors")
    assert conversion.unknown == []
    again = Wav2Lip(weights=tmp_path / "a.safetensors", **TINY).eval()
    planes = face_planes(clips["frames"][0], clips["reference"][0])
    mel = clips["mel"][0].unsqueeze(1)
    assert torch.equal(again(mel, planes), model.generator(mel, planes))
    expert = ColourSyncExpert(TINY)
    torch.save({"state_dict": expert.state_dict()}, tmp_path / "iter_2.pth")
    conversion = convert_file(
        "wav2lip_syncnet", tmp_path / "iter_2.pth", tmp_path / "b.safetensors"
    )
    assert conversion.unknown == []
    loaded = Wav2LipSyncNet(weights=tmp_path / "b.safetensors", **TINY).state_dict()
    assert all(torch.equal(loaded[k], v) for k, v in expert.syncnet.state_dict().items())


def test_wrong_windows_are_told(clips):
    model = make()
    with pytest.raises(ValueError, match=r"frames: expected shape \(B, T, 3, H=96, W=96\)"):
        model(**(clips | {"frames": clips["frames"][..., :64, :64]}))
    with pytest.raises(ValueError, match=r"reference: expected shape \(B=2, T=5"):
        model(**(clips | {"reference": clips["reference"][:, :1]}))
    with pytest.raises(ValueError, match="sync_weight: expected a share from 0 to 1, got 3"):
        make(sync_weight=3)


def pairs(size=16):
    """Dark or bright mouths, soft or loud sounds; dark goes with soft."""
    mouth = torch.randint(2, (size,))
    frames = torch.full((size, 5, 3, 96, 96), 120, dtype=torch.uint8)
    frames[mouth == 0, :, :, 60:80, 30:60] = 10
    frames[mouth == 1, :, :, 60:80, 30:60] = 240
    return {"frames": frames, "mel": sound_of(mouth), "other_mel": sound_of(1 - mouth)}


def sound_of(mouth):
    return torch.randn(len(mouth), 80, 16) * 0.1 + (mouth * 4 - 2)[:, None, None]


def test_the_expert_learns_to_tell_pairs_apart():
    torch.manual_seed(0)
    expert = ColourSyncExpert({"width": 1 / 16})
    wrapper = OptimWrapper(torch.optim.Adam(expert.parameters(), 5e-3))
    expert.train()
    for _ in range(40):
        log = expert.train_step(pairs(), wrapper)
    assert log["loss"] < 0.5, "chance is 0.69"
    # Published: the binary cross entropy alone.
    torch.testing.assert_close(log["loss"], log["bce"])
    assert log["accuracy"] > 0.9


def test_the_expert_sees_bgr_lower_halves():
    torch.manual_seed(0)
    expert, batch = ColourSyncExpert(TINY).eval(), pairs(2)
    frames = torch.randint(256, batch["frames"].shape, dtype=torch.uint8)
    planes = torch.cat([frames[:, k, [2, 1, 0], 48:] / 255 for k in range(5)], 1)
    audio, face = expert.syncnet(batch["mel"][:, None], planes)
    torch.testing.assert_close(expert(frames, batch["mel"]), sync_probability(face, audio))
    with pytest.raises(ValueError, match=r"frames: expected shape \(B, T=5, 3, H=96, W=96\)"):
        expert(frames[:, :3], batch["mel"])
    with pytest.raises(ValueError, match="mode 'loss' needs speech off sync too"):
        expert(frames, batch["mel"], mode="loss")
