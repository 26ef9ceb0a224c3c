"""Audio features made ahead are those that training finds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segkit.clip_shards import pack_clips
from segkit.clips import ClipFolder
from segkit.phonemes import PhonemeRecogniser
from segkit.preparing.features import cache_features, listener_of
from segkit.windows import TalkingMaskWindows
from tests.talking_ellipse import ellipse_folder


class Loudness:
    """RMS of every frame; counts how often it is asked."""

    name, features_per_frame, asked = "loudness", 1, 0

    def __call__(self, waveform: torch.Tensor) -> torch.Tensor:
        type(self).asked += 1
        return waveform.unflatten(0, (-1, 640)).square().mean(1, keepdim=True).sqrt()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return ellipse_folder(tmp_path / "clips", (("0", "train"), ("1", "val")))


def test_training_finds_what_was_made(root: Path) -> None:
    assert cache_features(root, Loudness(), progress=False) == (2, [])
    assert Loudness.asked == 2
    cache_features(root, {"type": Loudness}, progress=False)
    sample = TalkingMaskWindows(root, listener=Loudness(), context_s=0.2)[0]
    assert Loudness.asked == 2
    expected = Loudness()(sample["waveform"])
    assert torch.allclose(sample["features"], expected, atol=1e-3)


def test_several_processes_make_the_same(root: Path, tmp_path: Path) -> None:
    other = ellipse_folder(tmp_path / "other", (("0", "train"), ("1", "val")))
    listener = listener_of("PhonemeRecogniser")
    assert cache_features(root, listener, jobs=2, progress=False) == (2, [])
    cache_features(other, listener, progress=False)
    for clip in ClipFolder(root).clips(None):
        features = np.load(clip.folder / "phonemes.npy")
        assert features.shape == (2 * clip.num_frames, 191)
        twin = other / "clips" / clip.clip_id / "phonemes.npy"
        assert np.array_equal(features, np.load(twin))


def test_a_config_names_what_it_listens_to() -> None:
    assert listener_of("tsg_tiny") == {"type": PhonemeRecogniser}
    assert listener_of("AVHubert") == {"type": "AVHubert"}
    with pytest.raises(ValueError, match="no listener"):
        listener_of("tsg_local")
    with pytest.raises(KeyError, match=r"--features: 'Phonems'.*PhonemeRecogniser"):
        listener_of("Phonems")


def test_who_is_no_listener_and_packed_clips_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="MelCNN has no name"):
        cache_features(root, {"type": "MelCNN"}, progress=False)
    pack_clips(root, tmp_path / "packed", progress=False)
    with pytest.raises(ValueError, match="before `segkit pack`"):
        cache_features(tmp_path / "packed", Loudness(), progress=False)
