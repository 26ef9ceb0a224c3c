"""Training TSG: the objective it reports, when the SyncNet joins, and what it may not see."""

import json

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch.nn import functional

from segkit.audio import MelFrontEnd, mel_windows
from segkit_models.experts.syncnet import sync_probability
from segkit_models.losses import MaskL1
from segkit_models.talking.tsg import TSG

REGIONS, SIZE = 3, 64


def make(**changes):
    torch.manual_seed(0)
    arguments = dict(
        audio_encoder=dict(type="MelCNN", out_dim=8, widths=(8, 8, 8, 8, 8), norm="group"),
        mask_decoder=dict(
            type="UNetMaskDecoder",
            num_regions=REGIONS,
            size=SIZE,
            audio_dim=8,
            width=0.02,
            norm="group",
        ),
        num_regions=REGIONS,
    )
    return TSG(**(arguments | changes))


EXPERT = {"num_regions": REGIONS, "size": 64, "width": 0.02}


@pytest.fixture
def clips():
    generator = torch.Generator().manual_seed(3)
    return {
        "masks": torch.randint(REGIONS, (2, 5, SIZE, SIZE), generator=generator).byte(),
        "reference": torch.randint(REGIONS, (2, SIZE, SIZE), generator=generator).byte(),
        "waveform": torch.randn(2, 640 * 15, generator=generator) * 0.1,
    }


def step(model, clips, rate=1e-3):
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return model.train().train_step(clips, OptimWrapper(torch.optim.Adam(trained, rate)))


def test_the_cross_entropy_is_that_of_its_logits(clips):
    weights = (0.5, 1.0, 2.0)
    model = make(class_weights=weights).eval()
    logits = model(**clips)
    assert logits.shape == (2, 5, REGIONS, SIZE, SIZE)
    pixels = functional.cross_entropy(
        logits.flatten(0, 1), clips["masks"].flatten(0, 1).long(), reduction="none"
    )
    expected = (pixels * torch.tensor(weights)[clips["masks"].flatten(0, 1).long()]).mean()
    losses = model(**clips, mode="loss")
    torch.testing.assert_close(losses["ce"], expected)
    torch.testing.assert_close(losses["loss"], expected)
    assert [name for name in losses if "loss" in name] == ["loss"], "mmengine sums every such key"


def test_composing_the_lower_half_leaves_the_upper_out_of_the_loss(clips):
    model = make(compose="lower").eval()
    logits, labels = model(**clips), clips["masks"].long()
    expected = functional.cross_entropy(
        logits[..., SIZE // 2 :, :].flatten(0, 1), labels[..., SIZE // 2 :, :].flatten(0, 1)
    )
    torch.testing.assert_close(model(**clips, mode="loss")["ce"], expected)


def test_the_lower_half_of_the_truth_is_never_seen(clips):
    model = make().eval()
    hidden = clips | {"masks": clips["masks"].clone()}
    hidden["masks"][:, :, SIZE // 2 :] = 0
    assert torch.equal(model(**clips), model(**hidden))
    hidden["masks"][:, :, : SIZE // 2] = 0
    assert not torch.equal(model(**clips), model(**hidden))


def test_each_frame_hears_its_own_speech(clips):
    """The window of 5 in 15 frames begins at frame 5."""
    model = make().eval()
    audio = model.audio_encoder(clips["waveform"], 15)[:, 5:10]
    for frame in range(5):
        labels = model.predict_labels(clips["masks"][:, frame], clips["reference"], audio[:, frame])
        predicted = torch.stack([p["labels"] for p in model(**clips, mode="predict")])
        assert torch.equal(labels, predicted[:, frame])
        assert labels.dtype == torch.uint8
        assert torch.equal(labels[:, : SIZE // 2], clips["masks"][:, frame, : SIZE // 2])


def test_the_syncnet_joins_at_its_iteration_and_stays_frozen(clips):
    model = make(sync_expert=EXPERT, sync_begin=2)
    before = {key: value.clone() for key, value in model.sync_expert.state_dict().items()}
    logs = [step(model, clips) for _ in range(4)]
    assert ["sync" in log for log in logs] == [False, False, True, True]
    expected = logs[3]["ce"] + 0.03 * logs[3]["sync"]
    torch.testing.assert_close(logs[3]["loss"].detach(), expected)
    assert not model.sync_expert.training
    after = model.sync_expert.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_resumed_training_knows_its_iteration(clips):
    model = make(sync_expert=EXPERT, sync_begin=2)
    step(model, clips)
    step(model, clips)
    model.eval()(**clips, mode="loss")  # measuring does not count
    assert int(model.iteration) == 2
    resumed = make(sync_expert=EXPERT, sync_begin=2)
    resumed.load_state_dict(model.state_dict())
    assert "sync" in step(resumed, clips)


@pytest.mark.parametrize("sync_input", ["straight_through", "softmax"])
def test_the_sync_term_is_the_experts_opinion_and_teaches_the_decoder(clips, sync_input):
    weights = {"ce": 0.0, "sync": 1.0}
    model = make(sync_expert=EXPERT, sync_begin=0, sync_input=sync_input, loss_weights=weights)
    model.eval()
    losses = model(**clips, mode="loss")
    lower = model(**clips)[..., SIZE // 2 :, :].softmax(2)
    if sync_input == "straight_through":
        lower = functional.one_hot(lower.argmax(2), REGIONS).permute(0, 1, 4, 2, 3).float()
    mel = mel_windows(MelFrontEnd()(clips["waveform"]), 1, first=7)[:, 0]
    probability = sync_probability(*model.sync_expert(lower, mel))
    torch.testing.assert_close(losses["sync"], -probability.log().mean(), atol=1e-5, rtol=1e-5)
    losses["loss"].backward()
    gradient = sum(
        p.grad.abs().sum() for p in model.mask_decoder.parameters() if p.grad is not None
    )
    assert gradient > 0
    assert all(parameter.grad is None for parameter in model.sync_expert.parameters())


def test_it_learns_to_hear():
    """Two sounds, two lower halves, one pose: only the speech can tell them apart."""
    audio_encoder = dict(type="MelCNN", out_dim=16, widths=(8, 8, 8, 16, 16))
    mask_decoder = dict(
        type="UNetMaskDecoder", num_regions=REGIONS, size=32, audio_dim=16, width=0.02
    )
    model = make(audio_encoder=audio_encoder, mask_decoder=mask_decoder, compose="lower")
    masks = torch.zeros(2, 5, 32, 32, dtype=torch.uint8)
    masks[1, :, 16:] = 1
    time = torch.arange(640 * 9) / 16000
    waveform = torch.stack([torch.zeros_like(time), 0.5 * torch.sin(2 * torch.pi * 400 * time)])
    clips = {"masks": masks, "reference": masks[:, 0] * 0, "waveform": waveform}
    wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), 5e-3))
    for _ in range(40):
        log = model.train().train_step(clips, wrapper)
    assert log["loss"] < 0.45, "a deaf one stays at log 2 = 0.69"
    # Still with the statistics of the batch: 40 steps are few for running averages.
    labels = torch.stack([clip["labels"] for clip in model(**clips, mode="predict")])
    assert torch.equal(labels, masks)


def test_labels_are_decided_without_the_weight_of_their_region(clips):
    """Under weights w a decoder learns w p; taking log w off gives the p of the data back."""
    weights = torch.tensor([0.2, 1.0, 5.0])
    model = make(class_weights=weights, prior_correction=1.0).eval()
    logits = model(**clips)
    expected = (logits.softmax(2) / weights[:, None, None]).argmax(2)[:, :, SIZE // 2 :]
    labels = torch.stack([clip["labels"] for clip in model(**clips, mode="predict")])
    assert torch.equal(labels[:, :, SIZE // 2 :].long(), expected)
    plain = make(class_weights=weights, prior_correction=0.0).eval()
    losses = [each(**clips, mode="loss")["ce"] for each in (model, plain)]
    assert losses[0] == losses[1], "the correction belongs to the decision, not to the loss"


class Listening(torch.nn.Module):
    """Hears nothing but the features of each frame."""

    out_dim = 8

    def listen(self, waveform):
        raise AssertionError("the features were given")

    def forward(self, waveform, num_frames, first=0, *, features=None):
        return features[:, 2 * first : 2 * (first + num_frames) : 2]


def test_features_of_the_clip_reach_the_mask(clips):
    model = make(audio_encoder=Listening()).eval()
    features = torch.rand(2, 30, 8)
    logits = model(**clips, features=features)
    elsewhere = features.clone()
    elsewhere[:, :10], elsewhere[:, 20:] = 0, 0
    assert torch.equal(model(**clips, features=elsewhere), logits), "frames 5..9 of 15"
    assert not torch.equal(model(**clips, features=1 - features), logits)


def test_speech_is_changed_in_training_only(clips):
    model = make(speech_changes={"noise_snr_db": 0.0})
    one, other = (model.train()(**clips) for _ in range(2))
    assert not torch.equal(one, other)
    assert torch.equal(model.eval()(**clips), model(**clips))


def test_weights_come_from_a_clip_folder(tmp_path):
    (tmp_path / "manifest.jsonl").write_text("")
    (tmp_path / "stats.json").write_text(json.dumps({"class_weights": [0.5, 1.0, 2.0]}))
    assert make(class_weights=tmp_path).mask_loss.weights.tolist() == [0.5, 1.0, 2.0]
    with pytest.raises(FileNotFoundError, match="segkit"):
        make(class_weights=str(tmp_path / "absent"))


def test_another_mask_loss_takes_its_place():
    assert isinstance(make(mask_loss={"type": "MaskL1"}).mask_loss, MaskL1)


@pytest.mark.parametrize(
    "wrong", [{"compose": "upper"}, {"sync_input": "hard"}, {"loss_weights": {"l1": 1.0}}]
)
def test_wrong_choices_are_told(wrong):
    with pytest.raises(ValueError, match="expected one of"):
        make(**wrong)


def test_wrong_shapes_are_told(clips):
    with pytest.raises(ValueError, match=r"reference: expected shape \(B=2, H=64, W=64\)"):
        make()(clips["masks"], clips["reference"][:1], clips["waveform"])
