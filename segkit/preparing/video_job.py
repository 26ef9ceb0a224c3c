"""What a worker of `segkit prepare` does with one video, and what it says of it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from segkit.faces.choice import FaceChoice, face_choice
from segkit.media import MediaError
from segkit.parser_choice import build_parser
from segkit.preparing.clip_maker import ClipMaker, TooShortError
from segkit.preparing.footage import Footage
from segkit.preparing.sync_filter import SyncFilter
from segkit.preparing.workers import Step

T = TypeVar("T")

_LITTLE_SPACE = 16_000_000
"""Bytes; with fewer left, it is the disk that failed and not the video."""
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class VideoJob:
    """A stretch of film to make clips of.

    Args:
        footage: the stretch.
        kept: ids of clips of it that are there already.
    """

    footage: Footage
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """What became of a stretch of film.

    Args:
        entries: manifest lines of the new clips.
        refused: clip id -> why a clip was not made.
        bad_video: why nothing could be made of the video.
        hangs_on: names of the settings with which it might do.
        conflict: why nothing was made though the video may be good.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    bad_video: str | None = None
    hangs_on: tuple[str, ...] = ()
    conflict: str | None = None


@dataclass(frozen=True)
class VideoWork:
    """How all clips of a run are made; called in each worker.

    Args:
        out: clip folder.
        recipe: for the manifest lines.
        size: side of the crops in pixels.
        parser: see `build_parser`.
        face: see `ClipMaker`.
        storage: of the frames.
        min_frames: shortest clip.
        sync: see `ClipMaker`.
    """

    out: Path
    recipe: dict[str, Any]
    size: int
    parser: str | Path | dict[str, Any] | nn.Module | None
    face: FaceChoice | int | None
    storage: str
    min_frames: int
    sync: SyncFilter | None

    def settings(self) -> dict[str, Any]:
        """Return what decides whether a film is of use, as plain data."""
        sync = self.sync
        return {
            "face": face_choice(self.face).plain(),
            "min_frames": self.min_frames,
            "parser": self.recipe["parser"],
            "sync": None if sync is None else [sync.min_confidence, sync.max_offset],
        }

    def __call__(self) -> Callable[[VideoJob, Step], Outcome]:
        """Load detectors, parser and SyncNet, and return the function that does one job."""
        maker = ClipMaker(
            self.out, size=self.size, parser=build_parser(self.parser), face=self.face,
            storage=self.storage, min_frames=self.min_frames, sync=self.sync,
        )  # fmt: skip
        return lambda job, step: self._make(maker, job, step)

    def _make(self, maker: ClipMaker, job: VideoJob, step: Step) -> Outcome:
        def counted(items: Iterable[T], title: str, total: int) -> Iterator[T]:
            for number, item in enumerate(items, 1):
                yield item
                step(title, number, total)

        try:
            entries, refused = maker.make(
                job.footage, recipe=self.recipe, counted=counted, kept=job.kept
            )
        except FileExistsError as error:
            return Outcome(conflict=str(error))
        except Exception as error:  # one film must not stop the others, whatever is wrong with it
            if self._disk_is_full(error):
                raise
            return Outcome(
                bad_video=_reason(error, job.footage.video), hangs_on=_settings_of(error)
            )
        return Outcome(entries, refused)

    def _disk_is_full(self, error: Exception) -> bool:
        if not isinstance(error, OSError):
            return False
        root = next(path for path in (self.out, *self.out.resolve().parents) if path.exists())
        return error.errno in _DISK_ERRORS or shutil.disk_usage(root).free < _LITTLE_SPACE


def _settings_of(error: Exception) -> tuple[str, ...]:
    """Name the settings that an error may come from; a file without sound stays one."""
    if isinstance(error, TooShortError):
        return ("face", "min_frames")
    return () if isinstance(error, MediaError) else ("face", "parser")


def _reason(error: Exception, video: Path) -> str:
    """Return our own words for what users cause, and the kind of error for what they do not."""
    text = str(error) or "no message"
    if not isinstance(error, (ValueError, FileNotFoundError)):
        text = f"{type(error).__name__}: {text}"
    return text if str(video) in text else f"{video}: {text}"
