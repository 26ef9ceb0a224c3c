"""Packed clips: every array as in the folder, random access, and training from shards."""

import gc
import io
import json
import os
import pickle
import tarfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segkit.clip_files import Shards
from segkit.clip_manifest import write_manifest
from segkit.clip_shards import pack_clips
from segkit.clip_writer import read_entries, write_clip
from segkit.clips import ClipFolder
from segkit.engine.launch import TrainOptions, prepare, train
from segkit.windows import PriorLearningPairs, TalkingMaskWindows
from tests.talking_ellipse import ellipse_folder, talking_ellipse


class Ticks:
    """A listener that counts how often it is asked."""

    name, features_per_frame, asked = "ticks", 1, 0

    def __call__(self, waveform: torch.Tensor) -> torch.Tensor:
        Ticks.asked += 1
        return waveform[: len(waveform) // 640 * 640].reshape(-1, 640)[:, :3]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips as png, one as jpg with arrays, one as mp4, one with features."""
    root = ellipse_folder(
        tmp_path_factory.mktemp("plain"), (("0", "train"), ("1", "train"), ("2", "val"))
    )
    for storage in ("jpg", "mp4"):
        frames, masks, waveform = talking_ellipse(num_frames=12, seed=7)
        write_clip(
            root, f"as.{storage}", frames=frames, masks=masks, waveform=waveform, person_id="9",
            split="train", storage=storage, extra={"landmarks": np.arange(6.0).reshape(3, 2)},
        )  # fmt: skip
    write_manifest(root, read_entries(root).values())
    np.save(root / "clips" / "clip_0" / "ticks.npy", np.full((32, 3), 7, np.float16))
    return root


@pytest.fixture(scope="module")
def packed(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packed") / "shards"
    assert pack_clips(plain, out, shard_mb=0.1, progress=False) > 1
    return out


def test_every_array_is_the_folders_own(plain: Path, packed: Path) -> None:
    one, other = ClipFolder(plain), ClipFolder(packed)
    assert one.entries == other.entries
    assert torch.equal(one.class_weights, other.class_weights)
    for split in ("train", "val"):
        for clip, twin in zip(one.clips(split), other.clips(split), strict=True):
            order = [3, 0, clip.num_frames - 1]
            assert np.array_equal(clip.frames(order), twin.frames(order))
            everything = range(clip.num_frames)
            assert np.array_equal(clip.masks(everything), twin.masks(everything))
            assert torch.equal(clip.waveform, twin.waveform)
            arrays, others = clip.extra(), twin.extra()
            assert arrays.keys() == others.keys()
            assert all(np.array_equal(arrays[name], others[name]) for name in arrays)
            assert not twin.folder.exists()


def test_samples_and_cached_features_are_the_same(plain: Path, packed: Path) -> None:
    for make in (TalkingMaskWindows, PriorLearningPairs):
        for index in (0, 5, 11):
            sample, twin = make(plain)[index], make(packed)[index]
            assert sample.keys() == twin.keys()
            assert all(torch.equal(sample[name], twin[name]) for name in sample)
    listened = TalkingMaskWindows(packed, listener=Ticks())
    asked = Ticks.asked
    clips = {clip.clip_id for clip, _, _ in listened.ranges}
    clip = next(clip for clip, _, _ in listened.ranges if clip.clip_id == "clip_0")
    sample = listened._sample(0, np.random.default_rng(0), clip, range(32), 10)
    assert "clip_0" in clips
    assert Ticks.asked == asked
    assert sample["features"].unique().tolist() == [0, 7]  # 0 is outside the clip


def test_the_shards_are_tar_files_of_whole_samples(plain: Path, packed: Path) -> None:
    """As WebDataset reads them: consecutive members of one key are one sample."""
    samples: dict[str, dict[str, bytes]] = {}
    order = []
    for path in sorted((packed / "shards").iterdir()):
        with tarfile.open(path) as shard:
            for member in shard:
                key, _, name = member.name.partition(".")
                order += [key] if key not in order[-1:] else []
                samples.setdefault(key, {})[name] = shard.extractfile(member).read()
    assert order == ["as_jpg", "as_mp4", "clip_0", "clip_1", "clip_2"]
    for key, clip_id in zip(order, ("as.jpg", "as.mp4", *order[2:]), strict=True):
        folder = plain / "clips" / clip_id
        files = {
            path.relative_to(folder).as_posix().replace("/", "-"): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        assert samples[key] == files
    with np.load(io.BytesIO(samples["as_jpg"]["crop.npz"])) as arrays:
        assert arrays["landmarks"].shape == (3, 2)


def test_webdataset_reads_them(packed: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="needs webdataset (extra dev)")
    urls = [str(path) for path in sorted((packed / "shards").iterdir())]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its files open
        samples = list(webdataset.WebDataset(urls, shardshuffle=False))
        gc.collect()
    assert [sample["__key__"] for sample in samples] == [
        "as_jpg", "as_mp4", "clip_0", "clip_1", "clip_2",
    ]  # fmt: skip
    assert json.loads(samples[2]["clip.json"])["id"] == "clip_0"


def test_packing_twice_gives_the_same_bytes(plain: Path, packed: Path, tmp_path: Path) -> None:
    pack_clips(plain, tmp_path / "again", shard_mb=0.1, progress=False)
    for path in sorted(packed.rglob("*")):
        twin = tmp_path / "again" / path.relative_to(packed)
        assert path.is_dir() or twin.read_bytes() == path.read_bytes()


def test_few_files_are_open_and_copies_open_their_own(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.tar").write_bytes(bytes([number]) * 3)
    shards = Shards(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    read = [shards.read(f"{number}.tar", 1, 2) for number in (*range(40), 39, 0)]
    assert read == [bytes([number]) * 2 for number in (*range(40), 39, 0)]
    assert len(os.listdir("/proc/self/fd")) - before <= 16
    assert pickle.loads(pickle.dumps(shards)).read("5.tar", 0, 1) == b"\x05"
    with pytest.raises(FileNotFoundError, match="shorter than its index"):
        shards.read("5.tar", 2, 2)


def test_what_is_refused(plain: Path, packed: Path, tmp_path: Path) -> None:
    def pack(root: Path, out: Path, **changes: Any) -> int:
        return pack_clips(root, out, progress=False, **changes)

    with pytest.raises(ValueError, match="packed already"):
        pack(packed, tmp_path / "twice")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear to me")
    with pytest.raises(FileExistsError, match="add --force"):
        pack(plain, mine)
    with pytest.raises(FileExistsError, match="no folder of shards"):
        pack(plain, mine, force=True)
    assert (mine / "letter.txt").exists()
    with pytest.raises(ValueError, match="positive"):
        pack(plain, tmp_path / "a", shard_mb=0)
    assert pack(plain, tmp_path / "b") == pack(plain, tmp_path / "b", force=True) == 1
    lines = (tmp_path / "b" / "shards.jsonl").read_text().splitlines()
    (tmp_path / "b" / "shards.jsonl").write_text("\n".join([*lines[:-1], lines[-1][:40]]))
    with pytest.raises(ValueError, match="line 5 is damaged"):
        ClipFolder(tmp_path / "b")
    (tmp_path / "b" / "shards.jsonl").write_text("\n".join(lines[:-1]))
    with pytest.raises(FileNotFoundError, match="'clip_2' is not in the shards"):
        ClipFolder(tmp_path / "b").clips(None)


def test_nothing_is_left_of_a_pack_that_fails(plain: Path, tmp_path: Path) -> None:
    entries = list(read_entries(plain).values())
    write_manifest(tmp_path / "poor", entries)
    with pytest.raises(FileNotFoundError, match="prepare this clip again"):
        pack_clips(tmp_path / "poor", tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["poor"]


def test_a_config_trains_from_shards(packed: Path, tmp_path: Path) -> None:
    overrides = {
        "train_dataloader.dataset.size": 128,
        "train_dataloader.batch_size": 2,
        "train_cfg.max_iters": 1,
        "train_dataloader.num_workers": 0,
        "custom_hooks": [],
    }
    options = TrainOptions(
        "syncnet_tiny", work_dir=str(tmp_path), data=str(packed), overrides=overrides
    )
    runner = train(prepare(options))
    assert np.isfinite(runner.message_hub.get_scalar("train/loss").current())
    assert (tmp_path / "iter_1.pth").exists()
