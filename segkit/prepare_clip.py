"""One talking video to one clip: find the face, crop, parse, cut the speech to the frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from torch import nn

from segkit.audio import load_audio, num_frames_of
from segkit.clip_writer import sha256_of, write_clip
from segkit.contracts import SAMPLES_PER_FRAME
from segkit.media import MediaError
from segkit.video import VideoReader, at_fps
from segkit.windows import cut

if TYPE_CHECKING:
    from segkit.faces import FaceTrack

T = TypeVar("T")
Counted = Callable[[Iterable[T], str, int], Iterator[T]]


class ClipMaker:
    """Write the clips of videos, with detectors and parser loaded once.

    Args:
        out: clip folder.
        size: side of the crops in pixels.
        parser: built parser.
        face: k-th face from the left of the first frame with faces, where there are several.
        storage: of the frames.
        min_frames: shortest clip.
    """

    def __init__(
        self,
        out: Path,
        *,
        size: int,
        parser: nn.Module,
        face: int | None,
        storage: str,
        min_frames: int,
    ) -> None:
        from segkit.faces import FaceDetector, FaceMesh

        self.out, self.size, self.parser = out, size, parser
        self.face, self.storage, self.min_frames = face, storage, min_frames
        self._detector, self._mesh = FaceDetector(), FaceMesh()

    def make(
        self, video: Path, *, clip_id: str, person_id: str, source: dict[str, Any], counted: Counted
    ) -> dict[str, Any]:
        """Write the clip of a video; nothing is left behind when it fails.

        Args:
            video: the file.
            clip_id: of the new clip.
            person_id: who speaks.
            source: where the clip comes from, for its manifest line.
            counted: passes frames on and shows progress.

        Returns:
            The manifest line.

        Raises:
            MediaError: the file cannot be read, has no sound, or shows a face for too short a time.
            ValueError: no face, or several and none chosen.
        """
        from segkit.crop_labels import parse_crops
        from segkit.faces import apply_transform, crop_transforms, track_face, warp_crop

        waveform = load_audio(video)
        with VideoReader(video) as reader:
            total = max(1, round(reader.duration_s * 25))
        track = track_face(
            counted(_images(video), f"{video.name}: find face", total),
            face=self.face,
            detector=self._detector,
            mesh=self._mesh,
        )
        first, stop = self._span(video, track, num_frames_of(len(waveform)))
        transforms = crop_transforms(track, self.size)[first:stop]
        known = zip(transforms, track.landmarks[first:stop], strict=True)
        points = np.stack([apply_transform(*pair) for pair in known]).astype(np.float32)

        frames = itertools.islice(_images(video), first, stop)
        crops = map(warp_crop, frames, transforms, itertools.repeat(self.size))
        shown, parsed = itertools.tee(counted(crops, f"{video.name}: parse", stop - first))
        span = slice(first, stop)
        return write_clip(
            self.out,
            clip_id,
            frames=shown,
            masks=parse_crops(self.parser, zip(parsed, points, strict=False)),
            waveform=cut(waveform, first * SAMPLES_PER_FRAME, (stop - first) * SAMPLES_PER_FRAME),
            person_id=person_id,
            split="train",
            storage=self.storage,
            valid_ranges=_ranges(track.valid[span]),
            extra={
                "source": {**source, "first_frame": first, "frames": stop - first},
                "video_sha256": sha256_of(video),
                "landmarks": track.landmarks[span],
                "transforms": transforms,
                "detected": track.detected[span],
            },
        )

    def _span(self, video: Path, track: FaceTrack, num_heard: int) -> tuple[int, int]:
        """Return the frames to keep: first to last sight of the face, while there is sound."""
        seen = np.flatnonzero(track.valid)
        first, stop = int(seen[0]), min(int(seen[-1]) + 1, num_heard)
        num_valid = int(track.valid[first:stop].sum())
        if num_valid < self.min_frames:
            raise MediaError(
                f"{video}: a face and sound together in {num_valid} of {track.num_frames} frames, "
                f"at least {self.min_frames} are needed; give a longer clip or lower min_frames"
            )
        return first, stop


def _images(video: Path) -> Iterator[np.ndarray]:
    with VideoReader(video) as reader:
        yield from at_fps(reader)


def _ranges(valid: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], valid.astype(int), [0]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
