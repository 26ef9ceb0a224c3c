"""Write talking clips: checked, atomic, the same bytes for the same input."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from segkit.audio import save_wav
from segkit.clip_manifest import CROP_DEFINITION, write_text
from segkit.contracts import FPS, SAMPLE_RATE, check_shape
from segkit.regions import SCHEME_12, RegionScheme

CLIPS = "clips"
ENTRY = "clip.json"
STORAGES = ("png", "jpg", "mp4")


def write_clip(
    root: str | Path,
    clip_id: str,
    *,
    frames: Iterable[np.ndarray],
    masks: Iterable[np.ndarray],
    waveform: Tensor,
    person_id: str,
    split: str,
    scheme: RegionScheme = SCHEME_12,
    storage: str = "png",
    valid_ranges: Sequence[tuple[int, int]] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write one clip; its folder appears whole or not at all.

    Args:
        root: the clip folder; made when absent.
        clip_id: letters, digits, ``_``, ``-`` and ``.``; names the clip's own folder.
        frames: T square pictures ``H W 3`` uint8 RGB at 25 fps; may be an iterator.
        masks: as many label maps ``H W``, integers below R; may be an iterator.
        waveform: ``N`` at 16 kHz in [-1, 1]; within one frame (640 samples) of T frames.
        person_id: who speaks; splits keep persons apart.
        split: such as ``"train"``, ``"val"`` or ``"test"``.
        scheme: what the labels mean.
        storage: of the frames: ``"png"`` (lossless), ``"jpg"`` (quality 95) or ``"mp4"`` (crf 12).
        valid_ranges: ranges ``[a, b)`` of frames with a found face; by default all.
        extra: more about the clip: arrays go to crop.npz, everything else (JSON) into the manifest
            entry.

    Returns:
        The manifest entry, for `write_manifest`.

    Raises:
        FileExistsError: the clip is there already.
        ValueError: a frame or mask of the wrong size, kind or number, a label outside the scheme,
            or sound and pictures of different length.
    """
    if not re.fullmatch(r"[\w][\w.-]*", clip_id):
        raise ValueError(f"clip_id: expected letters, digits, '_', '-' and '.', got {clip_id!r}")
    if storage not in STORAGES:
        raise ValueError(f"storage: expected one of {', '.join(STORAGES)}, got {storage!r}")
    check_shape(waveform, "N", name="waveform")
    target = Path(root) / CLIPS / clip_id
    if target.exists():
        raise FileExistsError(
            f"{target} exists already; choose another clip_id or remove that folder"
        )
    part = target.with_name(f".{clip_id}.part")
    shutil.rmtree(part, ignore_errors=True)
    arrays = {name: value for name, value in (extra or {}).items() if isinstance(value, np.ndarray)}
    try:
        (part / "masks").mkdir(parents=True)
        size, pixels = _write_pictures(
            part, _paired(clip_id, frames, masks, scheme), scheme, storage
        )
        num_frames = len(pixels)
        _check_length(clip_id, num_frames, len(waveform))
        save_wav(part / "audio.wav", waveform)
        if arrays:
            np.savez_compressed(part / "crop.npz", allow_pickle=False, **arrays)
        entry = {
            "id": clip_id,
            "person_id": person_id,
            "split": split,
            "fps": FPS,
            "n_frames": num_frames,
            "n_audio": len(waveform),
            "duration": round(num_frames / FPS, 6),
            "size": size,
            "storage": storage,
            "crop": CROP_DEFINITION,
            "valid_ranges": [[int(a), int(b)] for a, b in (valid_ranges or [(0, num_frames)])],
            "mask": {
                "scheme": scheme.name,
                "classes": len(scheme),
                "pixels": np.sum(pixels, 0).tolist(),
            },
            "sha256": {"audio": sha256_of(part / "audio.wav")},
            **{name: value for name, value in (extra or {}).items() if name not in arrays},
        }
        _write_entry(part, entry)
        os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return entry


def _paired(
    clip_id: str, frames: Iterable[np.ndarray], masks: Iterable[np.ndarray], scheme: RegionScheme
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Yield checked (frame, uint8 labels) pairs."""
    size = 0
    frame_source, mask_source = iter(frames), iter(masks)
    for number, frame in enumerate(frame_source):
        labels = next(mask_source, None)
        if labels is None:
            raise ValueError(
                f"clip {clip_id}: {number} masks but more frames; give one mask per frame"
            )
        frame, labels = np.asarray(frame), np.asarray(labels)
        size = size or frame.shape[0]
        if frame.dtype != np.uint8 or frame.shape != (size, size, 3):
            raise ValueError(
                f"clip {clip_id}, frame {number}: expected ({size}, {size}, 3) uint8, "
                f"got {frame.shape} {frame.dtype}"
            )
        if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (size, size):
            raise ValueError(
                f"clip {clip_id}, mask {number}: expected ({size}, {size}) integer labels like its "
                f"frame, got {labels.shape} {labels.dtype}; give label maps, not one-hot planes"
            )
        if labels.min() < 0 or labels.max() >= len(scheme):
            raise ValueError(
                f"clip {clip_id}, mask {number}: expected labels 0..{len(scheme) - 1} of scheme "
                f"{scheme.name!r}, got {labels.min()}..{labels.max()}; merge the classes first "
                "(RegionScheme.merge)"
            )
        yield frame, labels.astype(np.uint8)
    if size == 0:
        raise ValueError(f"clip {clip_id}: no frames")
    if next(mask_source, None) is not None:
        raise ValueError(f"clip {clip_id}: more masks than frames; give one mask per frame")


def _write_pictures(
    part: Path, pairs: Iterable[tuple[np.ndarray, np.ndarray]], scheme: RegionScheme, storage: str
) -> tuple[int, list[np.ndarray]]:
    """Write frames and masks; return the size and the pixels per class of each frame."""
    size, pixels = 0, []
    with ExitStack() as stack:
        for number, (frame, labels) in enumerate(pairs):
            if number == 0:
                size = len(frame)
                write_frame = stack.enter_context(_frame_sink(part, storage, size))
            write_frame(number, frame)
            pixels.append(_write_mask(part, number, labels, scheme))
    return size, pixels


@contextmanager
def _frame_sink(part: Path, storage: str, size: int) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Give the function that stores frame number i."""
    if storage == "mp4":
        from segkit.video import VideoWriter

        with VideoWriter(part / "video.mp4", width=size, height=size, fps=FPS, crf=12) as writer:
            yield lambda _, frame: writer.write(frame)
    else:
        (part / "frames").mkdir()
        yield lambda number, frame: _write_image(part / f"frames/{number:06d}.{storage}", frame)


def _write_image(path: Path, image: np.ndarray) -> None:
    import cv2

    options = (
        [cv2.IMWRITE_JPEG_QUALITY, 95]
        if path.suffix == ".jpg"
        else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    )
    if not cv2.imwrite(str(path), image[..., ::-1], options):
        raise OSError(f"{path} could not be written; is the disk full?")


def _write_mask(part: Path, number: int, labels: np.ndarray, scheme: RegionScheme) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(labels)
    image.putpalette(scheme.palette())
    image.save(part / f"masks/{number:06d}.png", compress_level=3)
    return np.bincount(labels.ravel(), minlength=len(scheme))


def _check_length(clip_id: str, num_frames: int, num_samples: int) -> None:
    if abs(num_samples * FPS / SAMPLE_RATE - num_frames) > 1:
        raise ValueError(
            f"clip {clip_id}: {num_frames} frames at {FPS} fps last {num_frames / FPS:.2f} s but "
            f"the waveform {num_samples / SAMPLE_RATE:.2f} s; cut or pad it to "
            f"{num_frames * SAMPLE_RATE // FPS} samples"
        )


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_entries(root: str | Path) -> dict[str, dict[str, Any]]:
    """Return clip id -> manifest line of the finished clips of a folder, listed or not."""
    paths = sorted((Path(root) / CLIPS).glob(f"[!.]*/{ENTRY}"))
    entries = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return {entry["id"]: entry for entry in entries}


def set_split(root: str | Path, entry: dict[str, Any], split: str) -> None:
    """Move a clip to another split, in its entry and on disk; the manifest is written apart."""
    if entry["split"] != split:
        entry["split"] = split
        _write_entry(Path(root) / CLIPS / entry["id"], entry)


def _write_entry(folder: Path, entry: dict[str, Any]) -> None:
    write_text(folder / ENTRY, json.dumps(entry, indent=1, sort_keys=True) + "\n")
