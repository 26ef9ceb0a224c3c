"""Which stretches of which videos become clips, and what they are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.clip_writer import CLIPS
from segkit.people import person_of_file

VIDEO_ENDINGS = (
    ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv",
)  # fmt: skip


@dataclass(frozen=True)
class Footage:
    """A video, or a stretch of one, in which one person speaks.

    Args:
        clip_id: of its clip; shots of a film that is cut get ``_s000`` and so on behind it.
        video: the file.
        person_id: who speaks.
        span_s: first and last second to use; None for all.
        box: where the face is, ``(left, top, width, height)``, in pixels of a picture that is
            ``box_height`` high; a hint.
        box_height: 0 if not known: the box is in pixels of the video.
        about: more for the manifest entry's ``source``, plain data.
    """

    clip_id: str
    video: Path
    person_id: str
    span_s: tuple[float, float] | None = None
    box: tuple[float, float, float, float] | None = None
    box_height: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


def footage_of_folder(source: Path, out: Path) -> list[Footage]:
    """Return one piece of footage for each video of a folder, in order of their ids.

    Raises:
        FileNotFoundError: no such folder, or no video in it.
    """
    return [
        Footage(clip_id, video, person_of_file(video, source), about={"file": video.name})
        for clip_id, video in sorted(find_videos(source, out).items())
    ]


def find_videos(source: Path, out: Path) -> dict[str, Path]:
    """Return clip id -> video for the videos below a folder, without those of the clip folder.

    Raises:
        FileNotFoundError: no such folder, or no video in it.
    """
    if source.is_file():
        files, root = [source], source.parent
    elif source.is_dir():
        files, root = sorted(path for path in source.rglob("*") if path.is_file()), source
        files = [file for file in files if file.suffix.lower() in VIDEO_ENDINGS]
        files = [
            file for file in files if not file.resolve().is_relative_to((out / CLIPS).resolve())
        ]
    else:
        raise FileNotFoundError(f"{source} not found; give a folder of talking videos")
    if not files:
        raise FileNotFoundError(f"{source} holds no video ({', '.join(VIDEO_ENDINGS)})")
    names = {file: clip_name(file.relative_to(root).with_suffix("")) for file in files}
    count = Counter(names.values())
    return {
        clip_name(file.relative_to(root)) if count[name] > 1 else name: file
        for file, name in names.items()
    }


def clip_name(path: Path) -> str:
    """Turn a relative path into a clip id."""
    return re.sub(r"[^\w.-]+", "_", "-".join(path.parts)).lstrip(".-") or "clip"
