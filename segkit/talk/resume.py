"""What a talk keeps beside its output while it runs, so that it can go on after a stop."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from segkit.faces import FaceTrack

logger = logging.getLogger("segkit.talk")

_JOB, _LOCK, _LANDMARKS, _TRACK = "job.json", "lock", "landmarks.npy", "track.npz"
_OURS = re.compile(
    r"job\.json|lock|landmarks\.npy|track\.npz|\d{5}\.(mp4|json)|\.?[\w.]+\.part(\.npy|\.npz)?"
)


@dataclass(frozen=True)
class Segment:
    """One finished stretch of the output.

    Args:
        times_s: when each frame appears.
        passed: whether each frame was shown as it was, for want of a face.
    """

    times_s: list[float]
    passed: list[bool]


class WorkFolder:
    """A hidden folder beside the output: the track, and the segments encoded so far.

    Use as a context manager. Each file appears whole or not at all, so a killed process leaves
    nothing that could mislead. The folder goes when the talk is done; a talk that fails leaves it
    only if a segment is finished.

    Args:
        out: the output.
        description: what decides the talk, as texts; work of another one is not used.
        resume: use what is there.

    Raises:
        ValueError: another process works on the same output, or the folder holds foreign files.
    """

    def __init__(self, out: Path, description: Mapping[str, str], *, resume: bool = True) -> None:
        self.path = out.with_name(f".{out.name}.segkit")
        self._out = out
        self._description = dict(description)
        self._resume = resume
        self._lock = FileLock(self.path / _LOCK)
        self._done = False

    def __enter__(self) -> WorkFolder:
        self.path.mkdir(exist_ok=True)
        self._take_lock()
        try:
            known = self._known_description()
            if known is not None and not self._resume:
                logger.warning("starting afresh, as asked: earlier work on %s goes", self._out)
            elif known is not None and known != self._description:
                logger.warning("starting afresh: %s", self._difference(known))
            if not self._resume or known != self._description:
                self._clear()
                self._write(_JOB, json.dumps(self._description, indent=1))
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        finished = len(self.segments())
        if kind is None or not finished:
            self._clear()
            self._let_go()
            self.path.rmdir()
            return
        self._let_go()
        logger.warning(
            "stopped after %d frames; the same command goes on there (kept in %s)",
            sum(len(segment.times_s) for segment in self.segments()),
            self.path,
        )

    def load_track(self) -> tuple[FaceTrack, list[float]] | None:
        """Return the track and the times of its frames, or None if there is none yet.

        The landmarks stay in their file: the system reads what is needed, and may drop it again.
        """
        if not (self.path / _TRACK).exists():
            return None
        with np.load(self.path / _TRACK) as kept:
            landmarks = np.load(self.path / _LANDMARKS, mmap_mode="r")
            height, width = kept["image_size"]
            track = FaceTrack(landmarks, kept["valid"], kept["detected"], (int(height), int(width)))
            return track, [float(time_s) for time_s in kept["times_s"]]

    def save_track(self, track: FaceTrack, times_s: list[float]) -> FaceTrack:
        """Keep a track; return it with its landmarks in the file instead of memory."""
        part = self.path / "landmarks.part.npy"
        np.save(part, track.landmarks)
        os.replace(part, self.path / _LANDMARKS)
        part = self.path / "track.part.npz"
        np.savez(
            part,
            valid=track.valid,
            detected=track.detected,
            image_size=track.image_size,
            times_s=times_s,
        )
        os.replace(part, self.path / _TRACK)
        loaded = self.load_track()
        assert loaded is not None
        return loaded[0]

    def segments(self) -> list[Segment]:
        """Return the finished segments from the first to the last without a hole."""
        found: list[Segment] = []
        while (record := self.path / f"{len(found):05d}.json").exists():
            found.append(Segment(**json.loads(record.read_text())))
        return found

    def film_of(self, number: int) -> Path:
        """Return where the film of a segment belongs."""
        return self.path / f"{number:05d}.mp4"

    def finish(self, number: int, segment: Segment) -> None:
        """Say that a segment's film is whole."""
        self._write(f"{number:05d}.json", json.dumps(asdict(segment)))

    def _write(self, name: str, text: str) -> None:
        part = self.path / f"{name}.part"
        part.write_text(text)
        os.replace(part, self.path / name)

    def _known_description(self) -> dict[str, Any] | None:
        path = self.path / _JOB
        return json.loads(path.read_text()) if path.exists() else None

    def _difference(self, known: Mapping[str, Any]) -> str:
        for name in (*self._description, *known):
            before, now = known.get(name), self._description.get(name)
            if before != now:
                return f"the work kept for {self._out} has {name} {before}, this talk {now}"
        raise AssertionError("no difference")

    def _clear(self) -> None:
        names = [path.name for path in self.path.iterdir()]
        if foreign := [name for name in names if not _OURS.fullmatch(name)]:
            raise ValueError(
                f"{self.path} holds {foreign[0]}, which is not of a talk; move that folder away"
            )
        for name in names:
            if name != _LOCK:
                (self.path / name).unlink()

    def _take_lock(self) -> None:
        """Hold a lock that the system takes back however this process ends."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(
                f"another process is making {self._out}; wait for it, or choose another --out"
            ) from None

    def _let_go(self) -> None:
        # Removed while still held, or another process could take the file in between; Windows does
        # not remove open files, where the lock's own release does it.
        with contextlib.suppress(OSError):
            (self.path / _LOCK).unlink()
        self._lock.release()
