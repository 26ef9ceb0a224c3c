"""From files to the device: labels stay uint8, windows are read in order, nothing twice."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import segkit.clips as clips_module
from segkit.audio import MelFrontEnd
from segkit.clips import Clip, write_clip, write_manifest
from segkit.regions import one_hot
from segkit.video import VideoReader
from segkit.window_dataset import WindowDataset
from segkit.windows import PriorLearningPairs, SyncWindows, TalkingMaskWindows

SIZE, FRAMES, REGIONS = 64, 30, 12
KINDS = (SyncWindows, TalkingMaskWindows, PriorLearningPairs)


def make(folder: Path, *, storage: str) -> Path:
    random = np.random.default_rng(0)
    entries = []
    for name in ("a", "b"):
        masks = random.integers(REGIONS, size=(FRAMES, 8, 8), dtype=np.uint8)
        masks = masks.repeat(8, 1).repeat(8, 2)
        frames = np.repeat(20 * masks[..., None], 3, -1)
        entries.append(
            write_clip(
                folder, name, frames=frames, masks=masks, waveform=torch.randn(640 * FRAMES) * 0.1,
                person_id=name, split="train", storage=storage,
            )
        )  # fmt: skip
    write_manifest(folder, entries)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips"), storage="png")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the pictures that are decoded, in order."""
    names: list[str] = []
    for function in ("_read_image", "_read_labels"):
        original = getattr(clips_module, function)

        def counted(files, name, original=original):
            names.append(name)
            return original(files, name)

        monkeypatch.setattr(clips_module, function, counted)
    return names


class Listener:
    """Tells how often it listened, over all its copies in this process."""

    name, features_per_frame = "counted", 1
    calls = 0

    def __call__(self, waveform: torch.Tensor) -> torch.Tensor:
        Listener.calls += 1
        return torch.zeros(len(waveform) // 640, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_label_maps_and_pictures_of_a_batch_are_bytes(
    root: Path, kind: type[WindowDataset]
) -> None:
    batch = next(iter(DataLoader(kind(root, num_samples=8), batch_size=4, num_workers=1)))
    for name, tensor in batch.items():
        pictures = tensor.shape[-2:] == (SIZE, SIZE)
        assert (tensor.dtype == torch.uint8) == pictures, name
        assert not pictures or REGIONS not in tensor.shape[1:-2], name


@pytest.mark.parametrize("size", [64, 512])
def test_the_masks_of_a_sample_are_a_forty_eighth_of_float_one_hots(root: Path, size: int) -> None:
    batch = next(iter(DataLoader(TalkingMaskWindows(root, size=size), batch_size=2)))
    labels = (batch["masks"], batch["reference"])
    ours = sum(each.numel() * each.element_size() for each in labels)
    planes = [one_hot(each, REGIONS) for each in labels]
    assert all(each.dtype == torch.float32 for each in planes)
    theirs = sum(each.numel() * each.element_size() for each in planes)
    assert 48 * ours == theirs
    if size == 512:
        # With the speech and all: one frame's share against its 24 planes, 25 MB.
        whole = sum(each.numel() * each.element_size() for each in batch.values()) / (2 * 5)
        assert whole < 24 * size**2 * 4 / 40


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_model_makes_planes(
    root: Path, kind: type[WindowDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("a dataset expanded labels")

    monkeypatch.setattr("segkit.regions.one_hot", refuse)
    monkeypatch.setattr("torch.nn.functional.one_hot", refuse)
    monkeypatch.setattr(torch.Tensor, "scatter_", refuse)
    next(iter(DataLoader(kind(root), batch_size=4)))


def test_a_window_is_read_once_and_in_order(root: Path, read: list[str]) -> None:
    windows = TalkingMaskWindows(root, num_samples=40)
    for index in range(40):
        del read[:]
        windows[index]
        numbers = [int(name.removeprefix("masks/").removesuffix(".png")) for name in read]
        # The window, ascending, and then its reference; what is known already is not read.
        window = numbers[:-1] if len(numbers) and numbers != sorted(numbers) else numbers
        assert window == sorted(window)
        assert len(numbers) <= 6
    del read[:]
    for index in range(40):
        windows[index]
    assert read == []


def test_without_a_cache_a_window_costs_its_own_pictures(root: Path, read: list[str]) -> None:
    windows, pairs = TalkingMaskWindows(root, cache_gb=0), PriorLearningPairs(root, cache_gb=0)
    for index in range(5):
        del read[:]
        windows[index]
        numbers = [int(name.removeprefix("masks/").removesuffix(".png")) for name in read]
        assert numbers[:5] == list(range(numbers[0], numbers[0] + 5))
        assert len(numbers) == 6
        del read[:]
        pairs[index]
        assert [name.split("/")[0] for name in read] == ["frames"] * 2 + ["masks"] * 2


def test_a_film_is_decoded_from_its_start_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    original = VideoReader.__iter__

    def counted(self: VideoReader) -> Iterator:
        for number, frame in enumerate(original(self)):
            decoded.append(number)
            yield frame

    monkeypatch.setattr(VideoReader, "__iter__", counted)
    pairs = PriorLearningPairs(make(tmp_path, storage="mp4"), num_samples=30)
    for index in range(30):
        pairs[index]
    assert decoded == 2 * list(range(FRAMES))


def test_a_second_epoch_makes_no_features(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for owner, name in ((MelFrontEnd, "forward"), (clips_module, "load_audio")):
        original = getattr(owner, name)

        def counted(*arguments, original=original, name=name, **more):
            made.append(name)
            return original(*arguments, **more)

        monkeypatch.setattr(owner, name, counted)
    Listener.calls = 0
    datasets = [
        SyncWindows(root, num_samples=20),
        TalkingMaskWindows(root, num_samples=20, listener=Listener()),
    ]
    for epoch in range(2):
        for dataset in datasets:
            for _ in DataLoader(dataset, batch_size=4):
                pass
        # Of each of the two clips: one mel, and its sound read once by each dataset.
        assert sorted(made) == ["forward"] * 2 + ["load_audio"] * 4, epoch
        assert Listener.calls == 2
    # Another process, or another run, finds the features on disk.
    again = TalkingMaskWindows(root, num_samples=20, listener=Listener())
    for index in range(20):
        again[index]
    assert Listener.calls == 2
    assert isinstance(again.ranges[0][0], Clip)
