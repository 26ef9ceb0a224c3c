"""The mel CNN against the reference's stored embedding, and the independence of its frames."""

import sys

import pytest
import torch

from segkit.contracts import AudioEncoder
from segkit.registry import AUDIO_ENCODERS
from segkit_models.audio_encoders import MelCNN

SMALL = {"out_dim": 8, "widths": (8, 8, 8, 16, 16)}


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return MelCNN(**SMALL, norm="group").eval()


def reference_state(shared, wanted, prefix):
    """Weights made from the reference's key names, see the parity folder's README."""
    sys.path.insert(0, str(shared / "parity"))
    try:
        from fill_tsg import value
    finally:
        sys.path.pop(0)
    return {
        key: torch.from_numpy(value(prefix + key, tensor.shape).copy()).to(tensor.dtype)
        for key, tensor in wanted.items()
    }


def test_embeds_as_the_reference(shared):
    stored = torch.load(shared / "parity" / "wav2lip.pt", weights_only=True)
    encoder = MelCNN().eval()
    encoder.layers.load_state_dict(
        reference_state(shared, encoder.layers.state_dict(), "audio_encoder.")
    )
    with torch.no_grad():
        embedding = encoder.embed_windows(stored["mel"].transpose(0, 1))[0]
    torch.testing.assert_close(embedding, stored["audio_emb"].flatten(1), atol=1e-4, rtol=1e-4)


def test_is_the_contract_and_registered(encoder):
    assert isinstance(encoder, AudioEncoder)
    assert AUDIO_ENCODERS.get("MelCNN") is MelCNN
    assert encoder.out_dim == 8
    assert sum(p.numel() for p in MelCNN().parameters()) == pytest.approx(2.8e6, rel=0.02)


@pytest.mark.parametrize(
    ("first", "count"), [(0, 3), (2, 1), (37, 5), (70, 5), (190, 10), (198, 6)]
)
def test_a_few_frames_are_those_of_the_whole(encoder, first, count):
    waveform = torch.randn(2, 640 * 200 + 123) * 0.1
    with torch.no_grad():
        whole = encoder(waveform, 204)
        torch.testing.assert_close(
            encoder(waveform, count, first), whole[:, first : first + count], atol=1e-5, rtol=1e-5
        )


def test_only_a_fifth_of_a_second_is_heard(encoder):
    """Sound outside the 0.2 s around a frame (and half a transform, 25 ms) changes nothing."""
    waveform = torch.randn(1, 640 * 30) * 0.1
    changed = waveform.clone()
    centre = int((12 + 0.5) * 640)
    reach = int(0.13 * 16000)
    changed[:, : centre - reach] = 0
    changed[:, centre + reach :] = 0
    with torch.no_grad():
        torch.testing.assert_close(encoder(changed, 1, 12), encoder(waveform, 1, 12))
        assert not torch.allclose(encoder(changed, 1, 9), encoder(waveform, 1, 9))


def test_past_the_end_there_is_silence(encoder):
    waveform = torch.randn(1, 6400) * 0.1
    silence = torch.full((1, 1, 80, 16), -4.0)
    with torch.no_grad():
        torch.testing.assert_close(encoder(waveform, 1, 40), encoder.embed_windows(silence))


@pytest.mark.parametrize("arguments", [(0, 0), (3, -1)])
def test_impossible_frames_are_told(encoder, arguments):
    with pytest.raises(ValueError, match="num_frames >= 1 and first >= 0"):
        encoder(torch.zeros(1, 6400), *arguments)


def test_wrong_shapes_are_told(encoder):
    with pytest.raises(ValueError, match=r"waveform: expected shape \(B, N\), got \(6400,\)"):
        encoder(torch.zeros(6400), 3)
