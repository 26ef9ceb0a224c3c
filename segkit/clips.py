"""Talking clips on disk: aligned frames or video, label maps, speech, one manifest line per clip.

::

    root/manifest.jsonl                       one clip per line
    root/stats.json                           class frequencies and weights of the train split
    root/clips/<id>/frames/000000.png|jpg     or video.mp4; 25 fps, square
    root/clips/<id>/masks/000000.png          8-bit palette, the pixel value is the label
    root/clips/<id>/audio.wav                 16 kHz mono 16-bit
    root/clips/<id>/clip.json                 its manifest line, to make a manifest again
    root/clips/<id>/crop.npz                  what the writer adds: landmarks, transforms, ...

`segkit pack` puts the files of ``clips`` into tar shards, which are read in place.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.audio import load_audio
from segkit.clip_files import ClipFiles, FolderFiles, read_shard_index
from segkit.clip_manifest import MANIFEST, STATS, write_manifest
from segkit.clip_writer import CLIPS, write_clip
from segkit.contracts import SAMPLES_PER_FRAME
from segkit.regions import SCHEMES, RegionScheme

__all__ = ["Clip", "ClipFolder", "write_clip", "write_manifest"]

_REMEDY = (
    "make one from a folder of talking videos with `segkit prepare FOLDER --out {root}`, "
    "or from nothing with `segkit synth --out {root}`"
)


class Clip:
    """One clip of a folder; everything is read when it is asked for.

    Args:
        folder: ``root/clips/<id>``; names the clip even where its files are packed.
        entry: its manifest line.
        files: where its files are; by default in the folder.
    """

    def __init__(self, folder: Path, entry: dict[str, Any], files: ClipFiles | None = None) -> None:
        self.folder = folder
        self.entry = entry
        self.files = files or FolderFiles(folder)

    @property
    def clip_id(self) -> str:
        """Name of the clip, unique in its folder."""
        return str(self.entry["id"])

    @property
    def num_frames(self) -> int:
        """T, the number of 25 fps frames."""
        return int(self.entry["n_frames"])

    @property
    def size(self) -> int:
        """Side of the square frames and masks in pixels."""
        return int(self.entry["size"])

    @property
    def valid_ranges(self) -> list[tuple[int, int]]:
        """Ranges ``[a, b)`` of frames where the face was found."""
        return [(int(a), int(b)) for a, b in self.entry["valid_ranges"]]

    def frames(self, indices: Sequence[int]) -> np.ndarray:
        """Read frames.

        Args:
            indices: n frame numbers, in any order.

        Returns:
            ``n H W 3`` uint8 RGB.

        Raises:
            FileNotFoundError: a frame file is missing.
        """
        if self.entry["storage"] == "mp4":
            return self._frames_of_video(indices)
        storage = self.entry["storage"]
        return np.stack([_read_image(self.files, f"frames/{i:06d}.{storage}") for i in indices])

    def masks(self, indices: Sequence[int]) -> np.ndarray:
        """Read label maps.

        Args:
            indices: n frame numbers, in any order.

        Returns:
            ``n H W`` uint8.

        Raises:
            FileNotFoundError: a mask file is missing.
        """
        return np.stack([_read_labels(self.files, f"masks/{i:06d}.png") for i in indices])

    @property
    def waveform(self) -> Tensor:
        """``N`` float32 speech at 16 kHz, at least 640 samples per frame (silence if it ends)."""
        with self.files.as_path("audio.wav") as path:
            waveform = load_audio(path)
        missing = SAMPLES_PER_FRAME * self.num_frames - len(waveform)
        return torch.nn.functional.pad(waveform, (0, max(0, missing)))

    def extra(self) -> dict[str, np.ndarray]:
        """Return the arrays of crop.npz (landmarks, transforms, ...), if the writer added any."""
        if not self.files.exists("crop.npz"):
            return {}
        with np.load(io.BytesIO(self.files.read("crop.npz")), allow_pickle=False) as arrays:
            return dict(arrays)

    def _frames_of_video(self, indices: Sequence[int]) -> np.ndarray:
        from segkit.video import VideoReader

        wanted, found = set(indices), {}
        with self.files.as_path("video.mp4") as path, VideoReader(path) as reader:
            for number, frame in enumerate(reader):
                if number in wanted:
                    found[number] = frame.image
                if len(found) == len(wanted):
                    break
        if len(found) < len(wanted):
            raise FileNotFoundError(
                f"{self.files.place('video.mp4')} lacks frames {sorted(wanted - set(found))[:5]}"
            )
        return np.stack([found[i] for i in indices])


class ClipFolder:
    """A folder of talking clips.

    Args:
        root: made by `segkit prepare`, `segkit synth`, or `write_clip` and `write_manifest`; or
            packed by `segkit pack`.

    Raises:
        FileNotFoundError: there is no such folder, or no manifest in it.
        ValueError: a manifest line is damaged.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        path = self.root / MANIFEST
        if not path.exists():
            what = "has no manifest.jsonl" if self.root.is_dir() else "does not exist"
            raise FileNotFoundError(
                f"clip folder {self.root} {what}; {_REMEDY.format(root=self.root)}"
            )
        self.entries: list[dict[str, Any]] = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                entry = json.loads(line)
                entry["id"], entry["split"], entry["n_frames"]
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}, line {number} is no clip entry ({error!r}); write the manifest again"
                ) from error
            self.entries.append(entry)
        self._packed = read_shard_index(self.root)
        stats = self.root / STATS
        self.stats: dict[str, Any] = (
            json.loads(stats.read_text(encoding="utf-8")) if stats.exists() else {}
        )

    def clips(self, split: str | None = "train") -> list[Clip]:
        """Return the clips of a split, sorted by id.

        Args:
            split: such as ``"train"`` or ``"val"``; None for all.

        Raises:
            FileNotFoundError: no clip belongs to it.
        """
        chosen = [entry for entry in self.entries if split in (None, entry["split"])]
        if not chosen:
            splits = sorted({str(entry["split"]) for entry in self.entries})
            raise FileNotFoundError(
                f"clip folder {self.root} has no clips of split {split!r} "
                f"(it has: {', '.join(splits) or 'none'}); {_REMEDY.format(root=self.root)}"
            )
        return [
            Clip(self.root / CLIPS / entry["id"], entry, self._files(entry["id"]))
            for entry in sorted(chosen, key=lambda entry: entry["id"])
        ]

    def _files(self, clip_id: str) -> ClipFiles | None:
        if self._packed is None:
            return None
        if clip_id not in self._packed:
            raise FileNotFoundError(
                f"clip {clip_id!r} is not in the shards of {self.root}; pack the data set again"
            )
        return self._packed[clip_id]

    @property
    def scheme(self) -> RegionScheme:
        """The region scheme of the masks.

        Raises:
            KeyError: a scheme this version does not know.
        """
        name = str(self.entries[0]["mask"]["scheme"]) if self.entries else "celeba12"
        if name not in SCHEMES:
            raise KeyError(
                f"clip folder {self.root} uses region scheme {name!r}; known: {', '.join(SCHEMES)}"
            )
        return SCHEMES[name]

    @property
    def class_weights(self) -> Tensor:
        """``R`` float32 weights of the cross entropy, from the train split.

        Raises:
            FileNotFoundError: stats.json is missing or was made without train clips.
        """
        weights = self.stats.get("class_weights")
        if weights is None:
            raise FileNotFoundError(
                f"{self.root / STATS} holds no class weights (no clip of split 'train'); "
                + _REMEDY.format(root=self.root)
            )
        return torch.tensor(weights, dtype=torch.float32)


def _read_image(files: ClipFiles, name: str) -> np.ndarray:
    import cv2

    content = files.read(name) if files.exists(name) else b""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        raise FileNotFoundError(
            f"{files.place(name)} is missing or damaged; prepare this clip again"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _read_labels(files: ClipFiles, name: str) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(files.read(name))) as image:
            if image.mode not in ("P", "L"):
                raise ValueError(
                    f"{files.place(name)}: expected an 8-bit palette mask, got {image.mode}; "
                    "prepare it again"
                )
            return np.asarray(image)
    except OSError as error:
        raise FileNotFoundError(
            f"{files.place(name)} is missing or damaged ({error}); prepare this clip again"
        ) from error
