"""Clips on disk: what is written comes back, and what is wrong is refused whole."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segkit.clip_manifest import class_weights
from segkit.clip_writer import read_entries, set_split
from segkit.clips import ClipFolder, write_clip, write_manifest
from segkit.regions import SCHEME_12, SCHEME_14

SIZE, NUM = 32, 6


def material(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    frames = [np.stack([5 * x, 5 * y, 20 * n + 0 * x], -1).astype(np.uint8) for n in range(NUM)]
    masks = rng.integers(0, 12, (NUM, SIZE, SIZE))
    waveform = torch.from_numpy(rng.integers(-9000, 9000, 640 * NUM) / 32768).float()
    return {"frames": frames, "masks": masks, "waveform": waveform}


def write(root: Path, clip_id: str = "a", **changes: Any) -> dict[str, Any]:
    return write_clip(
        root, clip_id, **{**material(), "person_id": "p", "split": "train", **changes}
    )


@pytest.mark.parametrize(("storage", "tolerance"), [("png", 0), ("jpg", 8), ("mp4", 8)])
def test_a_clip_comes_back(tmp_path: Path, storage: str, tolerance: int) -> None:
    made = material()
    landmarks = np.arange(12.0).reshape(2, 3, 2)
    extra = {"landmarks": landmarks, "quality": 0.5}
    entry = write(tmp_path, storage=storage, valid_ranges=[(0, 2), (3, 6)], extra=extra)
    write_manifest(tmp_path, [entry])

    (clip,) = ClipFolder(tmp_path).clips("train")
    assert (clip.clip_id, clip.num_frames, clip.size) == ("a", NUM, SIZE)
    assert clip.valid_ranges == [(0, 2), (3, 6)]
    assert clip.entry == entry
    assert clip.entry["quality"] == 0.5
    assert np.array_equal(clip.extra()["landmarks"], landmarks)
    indices = [4, 0, 5]
    frames = clip.frames(indices).astype(int)
    assert np.abs(frames - np.stack(made["frames"])[indices]).max() <= tolerance
    assert np.array_equal(clip.masks(indices), made["masks"][indices])
    assert clip.masks(indices).dtype == clip.frames(indices).dtype == np.uint8
    assert torch.equal(clip.waveform, made["waveform"])


def test_the_manifest_line_tells_all(tmp_path: Path) -> None:
    entry = write(tmp_path)
    assert entry["n_frames"] == NUM
    assert entry["n_audio"] == 640 * NUM
    assert entry["duration"] == 0.24
    assert entry["fps"] == 25
    assert entry["mask"]["classes"] == 12
    assert (
        entry["mask"]["pixels"] == np.bincount(material()["masks"].ravel(), minlength=12).tolist()
    )
    assert len(entry["sha256"]["audio"]) == 64
    assert entry["crop"]["eyes"] == [0.5, 0.42]
    assert read_entries(tmp_path) == {"a": entry}
    set_split(tmp_path, entry, "val")
    assert read_entries(tmp_path)["a"]["split"] == "val"


def test_masks_are_palette_pictures(tmp_path: Path) -> None:
    write(tmp_path)
    with Image.open(tmp_path / "clips/a/masks/000003.png") as image:
        assert image.mode == "P"
        assert image.getpalette()[: 3 * 12] == SCHEME_12.palette()[: 3 * 12]


def test_same_input_same_bytes(tmp_path: Path) -> None:
    for root in ("one", "two"):
        entry = write(tmp_path / root, extra={"boxes": np.ones(3)})
        write_manifest(tmp_path / root, [entry])
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")]
    assert len(files) > NUM
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), (
            file
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"masks": np.full((NUM, SIZE, SIZE), 12)}, r"expected labels 0\.\.11 .* got 12\.\.12"),
        ({"masks": np.full((NUM, SIZE, SIZE), -1)}, r"expected labels 0\.\.11 .* got -1\.\.-1"),
        ({"masks": np.zeros((NUM, SIZE, SIZE + 1), int)}, r"expected \(32, 32\) integer labels"),
        ({"masks": np.zeros((NUM, 12, SIZE, SIZE), int)}, "not one-hot planes"),
        ({"masks": np.zeros((NUM, SIZE, SIZE))}, "integer labels"),
        ({"masks": np.zeros((NUM - 1, SIZE, SIZE), int)}, "5 masks but more frames"),
        ({"masks": np.zeros((NUM + 1, SIZE, SIZE), int)}, "more masks than frames"),
        ({"frames": np.zeros((NUM, SIZE, SIZE, 3))}, r"expected \(32, 32, 3\) uint8"),
        ({"frames": np.zeros((NUM, SIZE, 20, 3), np.uint8)}, r"expected \(32, 32, 3\) uint8"),
        ({"frames": [], "masks": []}, "no frames"),
        ({"waveform": torch.zeros(640 * (NUM + 2))}, "cut or pad it to 3840 samples"),
        ({"waveform": torch.zeros(2, 3840)}, "waveform: expected shape"),
        ({"storage": "gif"}, "expected one of png, jpg, mp4"),
        ({"clip_id": "../a"}, "clip_id: expected letters"),
    ],
)
def test_wrong_material_is_refused_whole(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write(tmp_path, **{"clip_id": "a", **changes})
    assert not list(tmp_path.rglob("*.*"))


def test_an_existing_clip_is_not_touched(tmp_path: Path) -> None:
    write(tmp_path)
    before = (tmp_path / "clips/a/audio.wav").read_bytes()
    with pytest.raises(FileExistsError, match="another clip_id"):
        write(tmp_path, **material(1))
    assert (tmp_path / "clips/a/audio.wav").read_bytes() == before


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    def frames():
        yield material()["frames"][0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, frames=frames())
    assert not list((tmp_path / "clips").iterdir())


class TestFolder:
    def test_missing_data_names_both_commands(self, tmp_path: Path) -> None:
        for root, what in ((tmp_path / "none", "does not exist"), (tmp_path, "has no manifest")):
            with pytest.raises(FileNotFoundError, match=f"{what}.*segkit prepare.*segkit synth"):
                ClipFolder(root)

    def test_splits(self, tmp_path: Path) -> None:
        entries = [
            write(tmp_path, name, person_id=person, split=split)
            for name, person, split in (("b", "p", "train"), ("a", "p", "train"), ("c", "q", "val"))
        ]
        write_manifest(tmp_path, entries)
        folder = ClipFolder(tmp_path)
        assert [clip.clip_id for clip in folder.clips("train")] == ["a", "b"]
        assert [clip.clip_id for clip in folder.clips(None)] == ["a", "b", "c"]
        assert folder.scheme is SCHEME_12
        assert folder.stats["clips"] == {"train": 2, "val": 1}
        assert folder.stats["frames"] == 3 * NUM
        with pytest.raises(FileNotFoundError, match=r"split 'test' \(it has: train, val\).*segkit"):
            folder.clips("test")

    def test_manifest_refuses_what_does_not_fit(self, tmp_path: Path) -> None:
        first = write(tmp_path, "a")
        with pytest.raises(ValueError, match="got a twice"):
            write_manifest(tmp_path, [first, first])
        with pytest.raises(ValueError, match="'p' is in two splits"):
            write_manifest(tmp_path, [first, {**first, "id": "b", "split": "val"}])
        other = write(tmp_path, "c", scheme=SCHEME_14)
        with pytest.raises(ValueError, match="celeba12, celeba14"):
            write_manifest(tmp_path, [first, other])
        assert not (tmp_path / "manifest.jsonl").exists()

    def test_a_damaged_manifest_names_the_line(self, tmp_path: Path) -> None:
        write_manifest(tmp_path, [write(tmp_path)])
        with (tmp_path / "manifest.jsonl").open("a") as file:
            file.write('{"id": "x"}\n')
        with pytest.raises(ValueError, match="line 2 is no clip entry"):
            ClipFolder(tmp_path)

    def test_missing_pictures_are_named(self, tmp_path: Path) -> None:
        write_manifest(tmp_path, [write(tmp_path)])
        (clip,) = ClipFolder(tmp_path).clips()
        (tmp_path / "clips/a/frames/000001.png").unlink()
        (tmp_path / "clips/a/masks/000002.png").write_bytes(b"")
        with pytest.raises(FileNotFoundError, match=r"000001\.png is missing or damaged"):
            clip.frames([0, 1])
        with pytest.raises(FileNotFoundError, match=r"000002\.png is missing or damaged"):
            clip.masks([2])

    def test_weights_come_from_the_train_split(self, tmp_path: Path) -> None:
        masks = np.zeros((NUM, SIZE, SIZE), int)
        masks[:, :8] = 1  # a quarter
        other = write(tmp_path, "b", person_id="q", split="val")
        write_manifest(tmp_path, [write(tmp_path, "a", masks=masks), other])
        weights = ClipFolder(tmp_path).class_weights
        torch.testing.assert_close(weights[:2], torch.tensor([1 / 1.5, 2.0]))
        assert (weights[2:] == 20).all()
        stats = json.loads((tmp_path / "stats.json").read_text())
        assert stats["class_frequencies"][:3] == [0.75, 0.25, 0.0]
        write_manifest(tmp_path, [other])
        with pytest.raises(FileNotFoundError, match="no clip of split 'train'"):
            _ = ClipFolder(tmp_path).class_weights


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any), st.floats(1.5, 30))
def test_class_weights_keep_the_mean_at_one(pixels: list[int], cap: float) -> None:
    shares = np.array(pixels) / sum(pixels)
    weights = np.array(class_weights(shares.tolist(), cap=cap))
    assert np.sum(shares * weights) == pytest.approx(1)
    assert weights.max() <= cap * (1 + 1e-12)
    free = (shares > 0) & (weights < cap * (1 - 1e-9))
    assert np.ptp((shares * weights)[free]) < 1e-9 if free.any() else True  # inverse to the area
    assert (weights[shares == 0] == cap).all()
