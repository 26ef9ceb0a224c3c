"""One person's clip in memory: aligned crops, masks and landmarks at 25 fps, and the speech."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from segkit.audio import load_audio
from segkit.contracts import FPS, SAMPLE_RATE
from segkit.crop_labels import parse_crops
from segkit.faces import (
    FaceChoice,
    apply_transform,
    closed_mouth_score,
    crop_transforms,
    track_face,
    warp_crop,
)
from segkit.progress import counted
from segkit.talk.masks import shrunk
from segkit.video import MediaError, VideoReader, at_fps

if TYPE_CHECKING:
    from rich.progress import Progress

MAX_SECONDS = 60.0
"""Longer clips are cut here: a minute at 256 px is 0.4 GB, and more helps little."""

_MIN_FRAMES = 25

_MISSING_S = 0.5
"""By so much speech that comes beside a film may be shorter."""

_RESIZED_FRAMES = 32
"""Frames that are floats at once."""


@dataclass(frozen=True, eq=False)
class PersonClip:
    """What `fit` learns from.

    Args:
        images: ``T 3 S S`` uint8.
        labels: ``T S S`` uint8.
        landmarks: ``T 468 2`` in the crop's pixels.
        numbers: ``T`` number of each frame in the 25 fps clip; frames without a face are left out.
        waveform: ``N``, the speech of the whole file; frame k begins at sample 640 k.
        source_scale: pixels of the film per pixel of the crop.
    """

    images: Tensor
    labels: Tensor
    landmarks: np.ndarray
    numbers: Tensor
    waveform: Tensor
    source_scale: float

    def __len__(self) -> int:
        return len(self.images)

    def closed_mouth(self) -> int:
        """Return the place of the frame whose mouth is most closed."""
        return int(np.argmin(closed_mouth_score(self.landmarks)))

    def resized(self, size: int) -> PersonClip:
        """Shrink a clip: areas for images, every k-th pixel for labels."""
        side = self.images.shape[-1]
        if side == size:
            return self
        factor = side // size
        images = [
            nn.functional.avg_pool2d(some.float(), factor).round().to(torch.uint8)
            for some in self.images.split(_RESIZED_FRAMES)
        ]
        return PersonClip(
            torch.cat(images),
            shrunk(self.labels, size).contiguous(),
            (self.landmarks / factor).astype(np.float32),
            self.numbers,
            self.waveform,
            self.source_scale * factor,
        )


def read_person(
    path: str | Path,
    *,
    size: int,
    parser: nn.Module,
    bars: Progress,
    audio: str | Path | None = None,
    face: FaceChoice | int | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> PersonClip:
    """Read a clip of one person.

    Args:
        path: film with sound, or any with ``audio``.
        size: side of the crops.
        parser: labels the crops.
        bars: where progress shows.
        audio: the film's speech from its first frame on; None takes the film's sound.
        face: which face, as in `track_face`.
        start_s: first second to use.
        end_s: last second to use; None takes the end, at most ``MAX_SECONDS`` in all.

    Raises:
        FileNotFoundError: no such file.
        MediaError: no readable film, no sound, or less than a second of it with a face.
        ValueError: no face or several; a range that is empty; or ``audio`` that ends before it.
    """
    end_s = min(float("inf") if end_s is None else end_s, start_s + MAX_SECONDS)
    if start_s < 0 or end_s <= start_s:
        raise ValueError(f"range: expected 0 <= start < end, got {start_s} .. {end_s} s")
    waveform = load_audio(path if audio is None else audio)
    first, stop = round(start_s * FPS), round(min(end_s, 1e6) * FPS)
    with VideoReader(path) as reader:
        total = max(1, min(round(reader.duration_s * FPS), stop) - first)

    def frames() -> Iterator[np.ndarray]:
        with VideoReader(path) as reader:
            yield from itertools.islice(at_fps(reader), first, stop)

    track = track_face(counted(frames(), bars, "track", total), face=face)
    transforms = crop_transforms(track, size)
    kept = np.flatnonzero(track.valid)
    if len(kept) < _MIN_FRAMES:
        raise MediaError(
            f"{path}: {len(kept) / FPS:.2f} s with a face between {start_s:g} s and the end of the "
            f"range; give at least {_MIN_FRAMES / FPS:g} s of a talking face"
        )
    last_s, heard_s = (kept[-1] + first + 1) / FPS, len(waveform) / SAMPLE_RATE
    if audio is not None and heard_s < last_s - _MISSING_S:
        raise ValueError(
            f"audio: expected the speech of the film up to its {last_s:.2f} s, got "
            f"{heard_s:.2f} s in {audio}; give the whole, or an earlier end (--end)"
        )
    landmarks = np.stack([apply_transform(transforms[k], track.landmarks[k]) for k in kept])
    crops: list[np.ndarray] = []

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number, frame in enumerate(frames()):
            if track.valid[number]:
                crops.append(warp_crop(frame, transforms[number], size))
                yield crops[-1], landmarks[len(crops) - 1]

    labels = list(counted(parse_crops(parser, pairs()), bars, "parse", len(kept)))
    scale = float(np.median(np.sqrt(np.abs(np.linalg.det(transforms[kept][:, :, :2])))))
    return PersonClip(
        torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(np.stack(labels)),
        landmarks.astype(np.float32),
        torch.from_numpy(kept + first),
        waveform,
        1 / scale,
    )
