"""Encoders over clip features: frames in step, parts equal to the whole, encoders mixed."""

import pytest
import torch

from segkit.contracts import AudioEncoder, encode_audio
from segkit.registry import AUDIO_ENCODERS
from segkit_models.audio_encoders import Concat, MelCNN, PhonemeCNN

MEL = {"type": "MelCNN", "out_dim": 8, "widths": (8, 8, 8, 8, 8), "norm": "group"}
PHONEMES = {"type": "PhonemeCNN", "out_dim": 8, "width": 8}


@pytest.fixture
def clip():
    torch.manual_seed(0)
    return torch.randn(2, 640 * 30) * 0.1, torch.rand(2, 60, 191)


@pytest.mark.parametrize("config", [PHONEMES, {"type": "Concat", "encoders": [MEL, PHONEMES]}])
def test_is_the_contract_and_parts_are_those_of_the_whole(config, clip):
    encoder = AUDIO_ENCODERS.build(config).eval()
    assert isinstance(encoder, AudioEncoder)
    waveform, features = clip
    with torch.no_grad():
        whole = encoder(waveform, 34, features=features)
        assert whole.shape == (2, 34, encoder.out_dim)
        for first, count in ((0, 3), (2, 1), (13, 5), (28, 6)):
            part = encoder(waveform, count, first, features=features)
            torch.testing.assert_close(part, whole[:, first : first + count], atol=1e-5, rtol=1e-5)


def test_a_frame_hears_its_own_features_and_0_12_s_around_them(clip):
    encoder = PhonemeCNN(out_dim=8, width=8).eval()
    waveform, features = clip
    features.requires_grad_()
    encoder(waveform, 1, 10, features=features).sum().backward()
    heard = features.grad.abs().sum((0, 2)).nonzero().flatten()
    assert (heard.min(), heard.max()) == (20 - 6, 21 + 6)


def test_without_features_it_listens_to_the_waveform(clip):
    encoder = AUDIO_ENCODERS.build(PHONEMES).eval()
    waveform = clip[0]
    features = torch.stack([encoder.listen(speech) for speech in waveform])
    with torch.no_grad():
        assert torch.equal(encoder(waveform, 4, 2), encoder(waveform, 4, 2, features=features))


def test_features_go_to_those_who_want_them(clip):
    waveform, features = clip
    local = AUDIO_ENCODERS.build(MEL).eval()
    with torch.no_grad():
        assert torch.equal(encode_audio(local, waveform, 3, 1, features), local(waveform, 3, 1))
    assert not hasattr(Concat([MEL]), "listen")
    assert hasattr(Concat([MEL, PHONEMES]), "listen")


def test_one_listener_at_most():
    with pytest.raises(ValueError, match="got 2 with 2 that listen"):
        Concat([PHONEMES, PHONEMES])
    with pytest.raises(ValueError, match="got 0 with 0"):
        Concat([])


def test_an_encoder_is_dropped_in_training_only(clip):
    waveform, features = clip
    both = Concat([MEL, PHONEMES], out_dim=8, norm="group", encoder_dropout=1.0)
    embeddings = [torch.ones(400, 3, 2), torch.full((400, 3, 2), 2.0)]
    kept = torch.stack([piece[:, 0, 0] for piece in both._without_some(embeddings)])
    assert ((kept == 0).sum(0) == 1).all(), "of every sample exactly one is silent"
    assert 140 < (kept[0] == 0).sum() < 260
    both.eval()
    with torch.no_grad():
        one, other = (both(waveform, 3, features=features) for _ in range(2))
    assert torch.equal(one, other)


def test_sizes():
    assert sum(p.numel() for p in PhonemeCNN().parameters()) < 2.5e5
    assert isinstance(Concat([MEL, PHONEMES]).encoders[0], MelCNN)
