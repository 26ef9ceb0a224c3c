"""Wav2Lip's SyncNet as a judge: the scores of all its embeddings at once, in chunks or not."""

import numpy as np
import pytest
import torch

from segkit.audio import MelFrontEnd, mel_windows
from segkit_metrics.sync_distances import sync_scores
from segkit_metrics.sync_expert import SyncExpertScore
from segkit_models.baselines.wav2lip import Wav2LipSyncNet, bgr_of


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Wav2LipSyncNet(size=96, num_frames=5, width=0.0625).eval()


def clip(num_frames=23, size=96, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "sample_id": "a",
        "fps": 25.0,
        "audio": rng.integers(-8000, 8000, num_frames * 640).astype(np.int16),
        "pred_frames": rng.integers(0, 255, (num_frames, 3, size, size)).astype(np.uint8),
    }


@pytest.mark.parametrize("batch_size", [4, 100])
def test_windows_and_speech_are_the_training_s(network, batch_size):
    sample = clip()
    found = SyncExpertScore(weights=network, batch_size=batch_size).measure(sample)
    frames = bgr_of(torch.from_numpy(sample["pred_frames"]))[..., 48:, :]
    mel = MelFrontEnd()(torch.from_numpy(sample["audio"])[None] / 32768)
    with torch.no_grad():
        faces = torch.stack([frames[k : k + 5].flatten(0, 1) for k in range(19)])
        video = network.embed_face(faces)
        # The training's window of frames k .. k+4 hears frame k+2.
        audio = network.embed_audio(mel_windows(mel, 23)[0, 2:21])
    wanted = sync_scores(video.numpy(), audio.numpy())
    assert found["n_windows"] == 19
    assert found["lse_d"] == pytest.approx(wanted.lse_d, abs=1e-5)
    assert found["lse_c"] == pytest.approx(wanted.lse_c, abs=1e-5)
    assert found["offset"] == wanted.offset


def test_chunks_and_sizes(network):
    metric, sample = SyncExpertScore(weights=network), clip(size=128)
    whole = metric.measure(sample)
    metric.begin(sample)
    for start in range(0, 23, 6):
        metric.add({**sample, "pred_frames": sample["pred_frames"][start : start + 6]})
    parts = metric.finish()
    assert parts == pytest.approx(whole, abs=1e-6)


def test_what_cannot_be_judged(network):
    metric = SyncExpertScore(weights=network)
    with pytest.raises(ValueError, match="expected 25, got 30"):
        metric.measure({**clip(), "fps": 30.0})
    with pytest.raises(ValueError, match="expected 5 frames or more"):
        metric.measure(clip(num_frames=4))
