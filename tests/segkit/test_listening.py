"""What a clip's speech says: made once, kept beside it, cut by frames."""

from pathlib import Path

import pytest
import torch
from torch import nn

from segkit.listening import check_listener, cut_features, features_on_disk, fingerprint


def test_outside_the_clip_nothing_is_heard() -> None:
    features = torch.arange(1.0, 13.0).half()[:, None]  # six frames
    assert cut_features(features, 1, 2, per_frame=2)[:, 0].tolist() == [3, 4, 5, 6]
    assert cut_features(features, -2, 3, per_frame=2)[:, 0].tolist() == [0, 0, 0, 0, 1, 2]
    assert cut_features(features, 5, 2, per_frame=2)[:, 0].tolist() == [11, 12, 0, 0]
    assert not cut_features(features, 9, 2, per_frame=2).any()
    assert cut_features(features, 0, 1, per_frame=2).dtype == torch.float32


@pytest.mark.parametrize("per_frame", [1, 2, 3])
def test_a_frame_has_as_many_features_as_its_listener_says(per_frame: int) -> None:
    frames = torch.arange(20 * per_frame) // per_frame
    piece = cut_features(frames[:, None].half(), 7, 4, per_frame=per_frame)
    assert piece[:, 0].tolist() == [frame for frame in (7, 8, 9, 10) for _ in range(per_frame)]


class Counting:
    name = "counted"
    features_per_frame = 2

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, waveform: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.arange(2 * len(waveform) // 640).float()[:, None] / 4


def test_features_are_made_once_and_left_in_the_clip(tmp_path: Path) -> None:
    listener, waveform = Counting(), torch.zeros(6400)
    first = features_on_disk(tmp_path, listener, waveform)
    again = features_on_disk(tmp_path, listener, waveform)
    assert listener.calls == 1
    assert first.dtype == again.dtype == torch.float16
    assert torch.equal(first, again)
    assert [path.name for path in tmp_path.iterdir()] == ["counted.npy"]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    features = features_on_disk(tmp_path / "absent", Counting(), torch.zeros(640))
    assert features.shape == (2, 1)


def test_numbers_too_large_for_half_precision_are_kept_whole(tmp_path: Path) -> None:
    class Loud(Counting):
        def listen(self, waveform: torch.Tensor) -> torch.Tensor:
            return torch.full((4, 2), 1e5)

    for _ in range(2):
        features = features_on_disk(tmp_path, Loud(), torch.zeros(640))
        assert features.dtype == torch.float32
        assert features.max() == 1e5


def test_what_is_no_listener_is_told() -> None:
    assert check_listener(listener := Counting()) is listener
    with pytest.raises(ValueError, match=r"Linear has no name and no features_per_frame"):
        check_listener(nn.Linear(2, 2))

    class Deaf:
        name, features_per_frame = "deaf", 1

    with pytest.raises(ValueError, match=r"Deaf has no listen\(waveform\)"):
        check_listener(Deaf())


def test_the_fingerprint_changes_with_weights_and_settings() -> None:
    torch.manual_seed(0)
    one, other = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    assert fingerprint(one, 75) == fingerprint(other, 75) != fingerprint(one, 50)
    assert len(fingerprint(one)) == 8
    with torch.no_grad():
        other.running_mean[2] = 1e-6
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one.bfloat16()) != fingerprint(nn.BatchNorm1d(3))
