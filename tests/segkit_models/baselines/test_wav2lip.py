"""Wav2Lip: its counts, what it looks at, and how its pictures are put together."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from segkit.weights import convert_file
from segkit_models.baselines.wav2lip import Wav2Lip, Wav2LipSyncNet, bgr_of, face_planes
from segkit_models.layers.convolution import UpBlock


def make(**changes):
    torch.manual_seed(0)
    return Wav2Lip(**({"width": 1 / 64} | changes)).eval()


def crops(batch=2, size=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (batch, 3, size, size), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("kind", "shape", "millions", "giga"),
    [
        # Parameters and work measured on the published code.
        (Wav2Lip, (1, 6, 96, 96), 36.30, 7.93),
        (Wav2LipSyncNet, (1, 15, 48, 96), 16.44, 2.42),
    ],
)
def test_parameters_and_work_are_those_of_the_table(kind, shape, millions, giga):
    with torch.device("meta"):
        network = kind().eval()
        with FlopCounterMode(display=False) as work:
            network(torch.zeros(1, 1, 80, 16), torch.zeros(shape))
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
    assert work.get_total_flops() / 1e9 == pytest.approx(giga, abs=0.005)


def test_a_larger_size_adds_a_stage_at_the_bottom():
    small, large = make(), make(size=192)
    assert large(torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 192, 192)).shape == (1, 3, 192, 192)
    ups = [sum(isinstance(m, UpBlock) for m in net.modules()) for net in (small, large)]
    assert ups == [6, 7]


def test_sequences_are_frames_of_their_own():
    network = make()
    mel, face = torch.randn(2, 3, 1, 80, 16), torch.rand(2, 6, 3, 96, 96)
    images = network(mel, face)
    assert images.shape == (2, 3, 3, 96, 96)
    for clip in range(2):
        for frame in range(3):
            alone = network(mel[clip, frame][None], face[clip, :, frame][None])[0]
            torch.testing.assert_close(images[clip, :, frame], alone, atol=1e-6, rtol=1e-5)


def test_planes_hide_the_lower_half_and_are_bgr():
    frames, reference = crops(seed=1), crops(seed=2)
    planes = face_planes(frames, reference)
    torch.testing.assert_close(planes[:, 0, :48], frames[:, 2, :48] / 255)
    assert (planes[:, :3, 48:] == 0).all()
    torch.testing.assert_close(planes[:, 5], reference[:, 0] / 255)
    assert torch.equal(bgr_of(frames).flip(1) * 255, frames.float())


def test_predictions_do_not_look_at_the_mouth_they_replace():
    network, frames, mel = make(), crops(seed=1), torch.randn(2, 80, 16)
    other = frames.clone()
    other[:, :, 48:] = 0
    reference = crops(1, seed=2)
    drawn = network.predict(frames, reference, mel)
    assert torch.equal(drawn, network.predict(other, reference, mel))
    # One reference for all frames is that reference for each.
    assert torch.equal(drawn, network.predict(frames, reference.repeat(2, 1, 1, 1), mel))


def test_predictions_are_the_networks_picture_or_its_lower_half():
    network, frames, mel = make(), crops(size=128, seed=1), torch.randn(2, 80, 16)
    full = network.predict(frames, frames, mel)
    lower = network.predict(frames, frames, mel, compose="lower")
    assert full.shape == lower.shape == frames.shape
    assert lower.dtype == torch.uint8
    assert torch.equal(lower[:, :, :64], frames[:, :, :64])
    assert torch.equal(lower[:, :, 64:], full[:, :, 64:])
    assert not torch.equal(full[:, :, :64], frames[:, :, :64])
    # At the network's own size nothing is resized: exactly the rounded output, in RGB.
    frames = crops(seed=3)
    raw = network(mel[:, None], face_planes(frames, frames)).flip(1)
    expected = (raw * 255).round().to(torch.uint8)
    assert torch.equal(network.predict(frames, frames, mel), expected)


def test_embeddings_are_not_negative_and_of_length_one():
    torch.manual_seed(0)
    network = Wav2LipSyncNet(width=1 / 64).eval()
    for embedding in network(torch.randn(2, 1, 80, 16), torch.rand(2, 15, 48, 96)):
        assert embedding.shape == (2, network.embedding_dim)
        assert (embedding >= 0).all()
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))


def test_a_converted_file_is_loaded(tmp_path):
    network = make()
    torch.save({"state_dict": network.state_dict()}, tmp_path / "wav2lip.pth")
    convert_file("wav2lip", tmp_path / "wav2lip.pth", tmp_path / "wav2lip.safetensors")
    again = Wav2Lip(weights=tmp_path / "wav2lip.safetensors", width=1 / 64).eval()
    inputs = torch.randn(1, 1, 80, 16), torch.rand(1, 6, 96, 96)
    assert torch.equal(again(*inputs), network(*inputs))
    with pytest.raises(ValueError, match="weights do not fit this Wav2Lip"):
        Wav2Lip(weights=tmp_path / "wav2lip.safetensors")


def test_wrong_inputs_are_told():
    network, frames = make(), crops()
    with pytest.raises(ValueError, match="size: expected 96, 192, 384 or 768, got 128"):
        make(size=128)
    with pytest.raises(ValueError, match=r"face: expected shape \(B, 6, H=96, W=96\)"):
        network(torch.zeros(1, 1, 80, 16), torch.zeros(1, 3, 96, 96))
    with pytest.raises(ValueError, match=r"mel: expected shape \(B=2, 1, 80, 16\)"):
        network(torch.zeros(1, 1, 80, 16), torch.zeros(2, 6, 96, 96))
    with pytest.raises(ValueError, match="compose: expected 'full' or 'lower', got 'half'"):
        network.predict(frames, frames, torch.zeros(2, 80, 16), compose="half")
    with pytest.raises(ValueError, match=r"reference: expected shape \(1 or 2, 3, H, W\)"):
        network.predict(frames, frames[:, 0], torch.zeros(2, 80, 16))
    with pytest.raises(ValueError, match="give the lower halves of 5 frames of 96 px only"):
        Wav2LipSyncNet(width=1 / 64).embed_face(torch.zeros(1, 15, 96, 96))
