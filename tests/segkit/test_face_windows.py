"""Samples of pictures: frames, reference and speech belong to the moments they say."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segkit.audio import MelFrontEnd, mel_windows
from segkit.clips import ClipFolder, write_clip, write_manifest
from segkit.face_windows import SyncFaceWindows, TalkingFaceWindows

SIZE, LENGTH = 16, 40


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips whose frames tell their number by the left, their clip by the right half.

    In frame k sounds a tone of its own.
    """
    folder = tmp_path_factory.mktemp("clips")
    entries = []
    for clip in range(2):
        frames = np.zeros((LENGTH, SIZE, SIZE, 3), np.uint8)
        frames[:, :, : SIZE // 2] = (4 * np.arange(LENGTH))[:, None, None, None]
        frames[:, :, SIZE // 2 :] = (250, 200 + 10 * clip, 240)
        time = torch.arange(640 * LENGTH)
        waveform = 0.5 * torch.sin(2 * torch.pi * (200 + 97.0 * (time // 640)) * time / 16_000)
        entries.append(
            write_clip(folder, f"clip_{clip}", frames=list(frames), split="train",
                       masks=list(np.zeros((LENGTH, SIZE, SIZE), np.uint8)), waveform=waveform,
                       person_id=str(clip))
        )  # fmt: skip
    write_manifest(folder, entries)
    return folder


def read(frames: torch.Tensor) -> list[tuple[int, int]]:
    """Number and clip of each frame ``T 3 H W``, mirrored or not."""
    ordered = [f if f[1, 0, -1] >= 200 else f.flip(-1) for f in frames]
    return [(round(int(f[1, 0, 0]) / 4), (int(f[1, 0, -1]) - 200) // 10) for f in ordered]


def mel_of(root: Path, clip: int) -> torch.Tensor:
    return MelFrontEnd()(ClipFolder(root).clips()[clip].waveform[None])


def test_talking_windows_hold_one_moment_and_another(root: Path) -> None:
    windows = TalkingFaceWindows(root, num_frames=5)
    mels = [mel_of(root, clip) for clip in range(2)]
    seen = set()
    for index in range(60):
        sample = windows[index]
        assert sample["frames"].shape == sample["reference"].shape == (5, 3, SIZE, SIZE)
        assert sample["frames"].dtype == torch.uint8
        (start, clip), *_ = numbers = read(sample["frames"])
        assert numbers == [(start + step, clip) for step in range(5)]
        (other, same), *_ = others = read(sample["reference"])
        assert others == [(other + step, clip) for step in range(5)]
        assert same == clip
        assert abs(other - start) >= 15
        # RGB: the clip's right half is (250, 200 + .., 240).
        assert (sample["frames"][0, 0, 0, -1], sample["frames"][0, 2, 0, -1]) == (250, 240)
        expected = mel_windows(mels[clip], 5, first=start)[0]
        assert torch.equal(sample["mel"], expected)
        seen.add((start, clip))
    assert len(seen) > 40


def test_a_short_clip_gives_its_farthest_window(root: Path) -> None:
    windows = TalkingFaceWindows(root, num_frames=5, min_reference_distance=1000)
    for index in range(20):
        sample = windows[index]
        start, other = (read(sample[name])[0][0] for name in ("frames", "reference"))
        assert abs(other - start) == max(start, LENGTH - 5 - start)


def test_both_windows_are_mirrored_together(root: Path) -> None:
    plain = TalkingFaceWindows(root, num_frames=5)
    flipped = TalkingFaceWindows(root, num_frames=5, flip=True)
    turned = 0
    for index in range(20):
        one, other = plain[index], flipped[index]
        mirrored = not torch.equal(one["frames"], other["frames"])
        turned += mirrored
        for name in ("frames", "reference"):
            assert torch.equal(one[name], other[name].flip(-1) if mirrored else other[name])
        assert torch.equal(one["mel"], other["mel"])
    assert 3 < turned < 17


def test_sync_windows_hear_their_own_moment_and_another(root: Path) -> None:
    windows = SyncFaceWindows(root, num_frames=5, size=SIZE, min_offset=5)
    mels = [mel_of(root, clip) for clip in range(2)]
    for index in range(30):
        sample = windows[index]
        assert set(sample) == {"frames", "mel", "other_mel"}
        start, clip = read(sample["frames"])[0]
        # The sound of frames k .. k+4 is that of the middle one.
        assert torch.equal(sample["mel"], mel_windows(mels[clip], 1, first=start + 2)[0, 0])
        far = [k for k in range(LENGTH - 4) if abs(k - start) >= 5]
        others = [mel_windows(mels[clip], 1, first=k + 2)[0, 0] for k in far]
        assert any(torch.equal(sample["other_mel"], other) for other in others)


def test_too_short_clips_are_told(root: Path) -> None:
    with pytest.raises(ValueError, match="no clip has 51 frames in a row"):
        TalkingFaceWindows(root, num_frames=50)
