"""One stretch of film to clips: find the face and the cuts, judge the sync, crop, parse, write."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from segkit.clip_writer import CLIPS, sha256_of, write_clip
from segkit.contracts import FPS
from segkit.faces.choice import FaceChoice
from segkit.media import MediaError
from segkit.preparing.film import Film, Forward, Take
from segkit.preparing.footage import Footage
from segkit.preparing.shots import Shot, track_shots
from segkit.preparing.sync_filter import SIDE, SyncFilter, SyncJudge, SyncVerdict, sync_transforms
from segkit.preparing.workers import Counted


class TooShortError(MediaError):
    """A film that shows a face, but in no shot for long enough."""


class ClipMaker:
    """Write the clips of videos, with detectors and parser loaded once.

    Args:
        out: clip folder.
        size: side of the crops in pixels.
        parser: built parser.
        face: k-th face from the left of the first frame with faces, where there are several.
        storage: of the frames.
        min_frames: shortest clip.
        sync: refuses clips that are out of sync; None for no such check.
    """

    def __init__(
        self,
        out: Path,
        *,
        size: int,
        parser: nn.Module,
        face: FaceChoice | int | None = None,
        storage: str = "jpg",
        min_frames: int = FPS,
        sync: SyncFilter | None = None,
    ) -> None:
        from segkit.faces import FaceDetector, FaceMesh

        self.out, self.size, self.parser = out, size, parser
        self.face, self.storage, self.min_frames = face, storage, min_frames
        self.sync = sync
        self._judge = None if sync is None else SyncJudge(sync.weights)
        self._detector, self._mesh = FaceDetector(), FaceMesh()

    def make(
        self,
        footage: Footage,
        *,
        recipe: dict[str, Any],
        counted: Counted,
        kept: frozenset[str] = frozenset(),
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Write the clips of a stretch of film; nothing is left behind when it fails.

        Args:
            footage: the stretch.
            recipe: how clips are made, for their manifest lines.
            counted: passes frames on and shows progress.
            kept: ids of clips that are there already.

        Returns:
            The manifest lines, and clip id -> why it was refused.

        Raises:
            MediaError: the file cannot be read, has no sound, or shows a face for too short a time.
            ValueError: no face, or several and none chosen.
        """
        film = Film(footage)
        shots = self._shots(film, counted)
        takes = self._takes(film, shots)
        digest, entries, refused = sha256_of(footage.video), [], {}
        source = {**recipe, **footage.about}
        if len(shots) > 1:
            source["shots"] = [take.clip_id for take in takes]
        judged, written = film.forward(), film.forward()
        try:
            for take in takes:
                if take.clip_id in kept:
                    continue
                verdict, reason = self._judged(judged, film, take, counted)
                if reason:
                    refused[take.clip_id] = reason
                    continue
                entry = self._write(written, film, take, verdict, source, digest, counted)
                entries.append(entry)
        except BaseException:
            for entry in entries:
                shutil.rmtree(self.out / CLIPS / entry["id"], ignore_errors=True)
            raise
        return entries, refused

    def _shots(self, film: Film, counted: Counted) -> list[Shot]:
        """Look for the face where the annotation says, else everywhere."""
        from segkit.faces import NoFaceError

        footage = film.footage
        boxes = [footage.box] if footage.box is None else [footage.box, None]
        for box in boxes:
            title = f"{footage.clip_id}: find face"
            try:
                return track_shots(
                    counted(film.frames(), title, film.num_frames), face=self.face,
                    box=box, box_height=footage.box_height,
                    detector=self._detector, mesh=self._mesh,
                )  # fmt: skip
            except NoFaceError:
                if box is None:
                    raise
        raise AssertionError("unreachable")

    def _takes(self, film: Film, shots: list[Shot]) -> list[Take]:
        """Keep of each shot what shows the face, while there is sound, if that is long enough."""
        takes, longest = [], 0
        for number, (start, track) in enumerate(shots):
            seen = np.flatnonzero(track.valid)
            first, stop = int(seen[0]), min(int(seen[-1]) + 1, film.num_heard - start)
            num_valid = int(track.valid[first : max(first, stop)].sum())
            longest = max(longest, num_valid)
            if num_valid >= self.min_frames:
                suffix = f"_s{number:03d}" if len(shots) > 1 else ""
                takes.append(Take(film.footage.clip_id + suffix, start, track, first, stop))
        if not takes:
            where = "" if len(shots) == 1 else f" of the longest of its {len(shots)} shots"
            raise TooShortError(
                f"{film.footage.video}: a face and sound together in {longest} frames{where}, at "
                f"least {self.min_frames} are needed; give a longer clip or lower --min-seconds"
            )
        return takes

    def _judged(
        self, frames: Forward, film: Film, take: Take, counted: Counted
    ) -> tuple[SyncVerdict | None, str | None]:
        from segkit.faces import crop_transforms, warp_crop

        if self.sync is None or self._judge is None:
            return None, None
        transforms = crop_transforms(take.track, self.size)[take.first : take.stop]
        pictures = frames.stretch(take.start + take.first, take.start + take.stop)
        crops = map(
            warp_crop, pictures, sync_transforms(transforms, self.size), itertools.repeat(SIDE)
        )
        title = f"{take.clip_id}: sync"
        try:
            verdict = self._judge(
                counted(crops, title, take.num_frames), film.sound(take),
                num_frames=take.num_frames,
            )  # fmt: skip
        except ValueError as error:
            return None, str(error)
        return verdict, None if verdict is None else self.sync.reason(verdict)

    def _write(
        self,
        frames: Forward,
        film: Film,
        take: Take,
        verdict: SyncVerdict | None,
        source: dict[str, Any],
        digest: str,
        counted: Counted,
    ) -> dict[str, Any]:
        from segkit.crop_labels import parse_crops
        from segkit.faces import apply_transform, crop_transforms, warp_crop

        span = slice(take.first, take.stop)
        transforms = crop_transforms(take.track, self.size)[span]
        known = zip(transforms, take.track.landmarks[span], strict=True)
        points = np.stack([apply_transform(*pair) for pair in known]).astype(np.float32)
        pictures = frames.stretch(take.start + take.first, take.start + take.stop)
        crops = map(warp_crop, pictures, transforms, itertools.repeat(self.size))
        title = f"{take.clip_id}: parse"
        shown, parsed = itertools.tee(counted(crops, title, take.num_frames))
        return write_clip(
            self.out,
            take.clip_id,
            frames=shown,
            masks=parse_crops(self.parser, zip(parsed, points, strict=False)),
            # The speech of an early sound is looked for before, that of a late one behind.
            waveform=film.sound(take, later=0 if verdict is None else -verdict.offset),
            person_id=film.footage.person_id,
            split="train",
            storage=self.storage,
            valid_ranges=_ranges(take.track.valid[span]),
            extra=_extra(film, take, verdict, source, digest, transforms),
        )


def _extra(
    film: Film,
    take: Take,
    verdict: SyncVerdict | None,
    source: dict[str, Any],
    digest: str,
    transforms: np.ndarray,
) -> dict[str, Any]:
    """Return what else is known of a clip, for its manifest line and its arrays."""
    span = slice(take.first, take.stop)
    first = film.first + take.start + take.first
    extra: dict[str, Any] = {
        "source": {**source, "first_frame": first, "frames": take.num_frames},
        "video_sha256": digest,
        "landmarks": take.track.landmarks[span],
        "transforms": transforms,
        "detected": take.track.detected[span],
    }
    if verdict is not None:
        extra |= {"sync_conf": round(verdict.confidence, 4), "av_offset": verdict.offset}
    return extra


def _ranges(valid: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], valid.astype(int), [0]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
