"""Out-of-sync clips are refused, small offsets mended; a tiny network tells by loudness."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from torch import Tensor, nn

from segkit.clips import ClipFolder
from segkit.faces import apply_transform
from segkit.prepare import prepare_folder
from segkit.preparing.sync_filter import SyncFilter, SyncJudge, SyncVerdict, sync_transforms
from segkit.video import VideoWriter

NUM = 64


class Loudness(nn.Module):
    """Brightness of five pictures, loudness of their sound; each as its own shape over time."""

    def encode_video(self, windows: Tensor) -> Tensor:
        return self._shape(windows.mean((1, 3, 4)))

    def encode_audio(self, mfcc: Tensor) -> Tensor:
        return self._shape(mfcc[:, 0, 0].unflatten(-1, (5, 4)).mean(-1))

    def _shape(self, values: Tensor) -> Tensor:
        centred = values - values.mean(-1, keepdim=True)
        return 3 * centred / (centred.norm(dim=-1, keepdim=True) + 1e-6)


def levels() -> np.ndarray:
    return np.random.default_rng(3).uniform(0.2, 1, NUM)


def speech(late: int) -> Tensor:
    """Noise whose loudness goes with the levels, some frames late."""
    noise = torch.from_numpy(np.random.default_rng(4).uniform(-1, 1, 640 * NUM)).float()
    loudness = torch.from_numpy(np.roll(levels(), late) ** 4).float().repeat_interleave(640)
    return 0.9 * noise * loudness


@pytest.mark.parametrize("late", [-5, 0, 3])
def test_the_judge_finds_the_offset(late: int) -> None:
    crops = (np.full((224, 224, 3), 230 * level, np.uint8) for level in levels())
    verdict = SyncJudge(Loudness())(crops, speech(late), num_frames=NUM)
    assert verdict is not None
    assert verdict.offset == -late  # late sound: a negative offset
    assert verdict.confidence > 1.5


def test_short_clips_are_not_judged_and_silent_ones_are_refused() -> None:
    judge = SyncJudge(Loudness())
    assert judge(iter(()), torch.zeros(640 * 20), num_frames=20) is None
    with pytest.raises(ValueError, match="silent throughout"):
        judge(iter(()), torch.zeros(640 * NUM), num_frames=NUM)


def test_reasons() -> None:
    sync = SyncFilter(Loudness(), min_confidence=3, max_offset=6)
    assert sync.reason(SyncVerdict(3.5, 8, -6)) is None
    assert "confidence is 2.99" in str(sync.reason(SyncVerdict(2.99, 8, 0)))
    assert "7 frames late" in str(sync.reason(SyncVerdict(5, 8, -7)))
    assert "7 frames early" in str(sync.reason(SyncVerdict(5, 8, 7)))


def test_syncnets_crop_reaches_below_the_chin() -> None:
    """In the aligned crop of side 100: left 6.5 to right 93.5, top 15 to 102."""
    moved = sync_transforms(np.array([[[1.0, 0, 0], [0, 1, 0]]]), 100)[0]
    corners = apply_transform(moved, np.array([[6.5, 15.0], [93.5, 102.0]]))
    assert np.allclose(corners, [[0, 0], [224, 224]])


def talking_film(path: Path, *, late: int) -> None:
    """A face in changing light, which is its loudness."""
    face = skimage.data.astronaut()[20:260, 100:340].astype(np.float32)
    with VideoWriter(
        path, width=240, height=240, fps=25, waveform=speech(late), preset="ultrafast"
    ) as writer:
        for level in levels():
            writer.write((face * (0.88 + 0.12 * level)).astype(np.uint8))


def test_a_late_sound_is_mended_or_refused(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    talking_film(tmp_path / "films" / "dora_1.mp4", late=3)
    common: dict[str, Any] = {"size": 64, "storage": "png", "progress": False}

    sync = SyncFilter(Loudness(), min_confidence=1)
    prepare_folder(tmp_path / "films", tmp_path / "out", **common, sync=sync)
    (clip,) = ClipFolder(tmp_path / "out").clips()
    assert (clip.num_frames, clip.entry["av_offset"]) == (NUM, -3)
    assert clip.entry["sync_conf"] > 1
    energy = clip.waveform.square().unflatten(0, (NUM, 640)).mean(1).sqrt()[:60]
    alike = [np.corrcoef(energy[5:55], np.roll(levels(), k)[5:55] ** 4)[0, 1] for k in (-3, 0, 3)]
    assert int(np.argmax(alike)) == 1

    strict = SyncFilter(Loudness(), min_confidence=1, max_offset=2)
    with pytest.raises(ValueError, match="the sound is 3 frames late"):
        prepare_folder(tmp_path / "films", tmp_path / "none", **common, sync=strict)
    assert "3 frames late" in (tmp_path / "none" / "quarantine.jsonl").read_text()
    assert not list((tmp_path / "none").rglob("frames"))
