"""HDTF's annotation files: which seconds of which film, where the face is, who speaks.

The data set is text files for three subsets (RD, WDA, WRA) and videos that everybody gets alone.
Nothing is downloaded here.

::

    WDA_video_url.txt       JimmyGomez https://www.youtube.com/watch?v=1_HfHtBlQKs&t=138s
    WDA_annotion_time.txt   AmyKlobuchar1.mp4 00:35-02:45 03:25-04:00
    WDA_crop_wh.txt         AmyKlobuchar1_1.mp4 521 1046 0 1046      x, width, y, height
    WDA_resolution.txt      AmyKlobuchar1.mp4 1080                   the height that this holds for
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.people import person_of_file
from segkit.preparing.footage import VIDEO_ENDINGS, Footage, clip_name

_KINDS = {
    "url": "_video_url.txt", "time": "_annotion_time.txt", "crop": "_crop_wh.txt",
    "height": "_resolution.txt",
}  # fmt: skip
_SPAN = re.compile(r"(\d+(?::\d{1,2}){1,2})-(\d+(?::\d{1,2}){1,2})")

Missing = dict[str, tuple[Path, str]]


@dataclass
class _Subset:
    """One subset: name of a video, or of a clip, -> the words behind it."""

    name: str
    url: dict[str, list[str]] = field(default_factory=dict)
    time: dict[str, list[str]] = field(default_factory=dict)
    crop: dict[str, list[str]] = field(default_factory=dict)
    height: dict[str, list[str]] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the videos, as the times write them, else as the links do."""
        written = {name.lower(): name for table in (self.url, self.time) for name in table}
        return sorted(written.values())

    def words(self, kind: str, name: str) -> list[str]:
        """Return the words behind a name, however it is written in that file."""
        table: dict[str, list[str]] = getattr(self, kind)
        if name in table:
            return table[name]
        small = name.lower()
        return next((words for other, words in table.items() if other.lower() == small), [])


def read_annotations(annotations: str | Path, videos: str | Path) -> tuple[list[Footage], Missing]:
    """Find the annotated stretches of the videos that are there.

    A video is looked for by its name, with or without the subset before it (``WDA_JimmyGomez``),
    in any folder below ``videos`` and with any ending. Persons are named by the video without its
    digits; names with one and the same link are one person. A clip without a crop is searched as a
    whole. Byte order marks, blanks at the ends of lines, names that one file writes large and
    another small, clips that a file skips, and dead links are expected.

    Args:
        annotations: folder with HDTF's text files, sub-folders included; only the times must be
            there.
        videos: folder of the videos, however they were had.

    Returns:
        Footage in order of ids, such as ``WDA_AmyKlobuchar1_001``; and id -> where a video would
        be, and a sentence, for those that are not there or whose annotation is damaged.

    Raises:
        FileNotFoundError: no such folder, no file of times, or not one of the videos.
    """
    annotations, videos = Path(annotations), Path(videos)
    subsets = _read_subsets(annotations)
    there = _videos_by_name(videos)
    people = _people(subsets)
    footage: list[Footage] = []
    missing: Missing = {}
    for subset in subsets:
        for name in subset.names():
            clip_id = clip_name(Path(f"{subset.name}_{name}"))
            video = there.get(f"{subset.name}_{name}".lower()) or there.get(name.lower())
            if video is None:
                missing[clip_id] = (videos / f"{name}.mp4", _missing_reason(subset, name, videos))
                continue
            pieces, damaged = _pieces(subset, name, video, people)
            footage += pieces
            missing |= {name: (video, reason) for name, reason in damaged.items()}
    if not footage:
        raise FileNotFoundError(
            f"{videos} holds none of the {len(missing)} videos that {annotations} names; HDTF is "
            f"not downloaded here: get the videos and name them as the annotations do, for example "
            f"{next(iter(missing.values()))[0].name if missing else 'NAME.mp4'}"
        )
    return sorted(footage, key=lambda piece: piece.clip_id), missing


def _read_subsets(folder: Path) -> list[_Subset]:
    subsets: dict[str, _Subset] = {}
    for kind, ending in _KINDS.items():
        for path in sorted(folder.rglob(f"*{ending}")):
            name = path.name[: -len(ending)]
            subset = subsets.setdefault(name, _Subset(name))
            setattr(subset, kind, _read_words(path))
    if not any(subset.time for subset in subsets.values()):
        raise FileNotFoundError(
            f"{folder} holds no times (*_annotion_time.txt); give the folder HDTF_dataset of "
            "https://github.com/MRzzm/HDTF"
        )
    return [subsets[name] for name in sorted(subsets)]


def _read_words(path: Path) -> dict[str, list[str]]:
    """Return the first word of each line, without an ending, -> the others."""
    words = {}
    # A byte order mark may stand before the first name, or by mistake inside.
    text = path.read_text(encoding="utf-8-sig", errors="replace").replace("\ufeff", "")
    for line in text.splitlines():
        first, *rest = line.split() or [""]
        if first:
            words[_without_ending(first)] = rest
    return words


def _without_ending(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix.lower() in VIDEO_ENDINGS else name


def _videos_by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} not found; give the folder of HDTF's videos")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_ENDINGS)
    # The first of two files of one name, in order of their paths.
    return {path.stem.lower(): path for path in reversed(files)}


def _people(subsets: list[_Subset]) -> dict[str, str]:
    """Return video name -> person; two names of one film are one person."""
    people: dict[str, str] = {}
    owner: dict[str, str] = {}
    for subset in subsets:
        for name in subset.names():
            person = person_of_file(Path(name), Path())
            link = " ".join(subset.words("url", name))
            film = re.search(r"(?:v=|youtu\.be/)([\w-]+)", link)
            first = owner.setdefault(film.group(1), person) if film else person
            people[name] = person
            if first != person:
                joined = min(first, person)
                _rename(people, owner, {first, person}, joined)
    return people


def _rename(people: dict[str, str], owner: dict[str, str], names: set[str], joined: str) -> None:
    for table in (people, owner):
        for key, person in table.items():
            if person in names:
                table[key] = joined


def _missing_reason(subset: _Subset, name: str, videos: Path) -> str:
    link = " ".join(subset.words("url", name)) or "no link is known"
    return f"no video {name!r} in {videos}; annotated in {subset.name} ({link})"


def _pieces(
    subset: _Subset, name: str, video: Path, people: dict[str, str]
) -> tuple[list[Footage], dict[str, str]]:
    """Return the footage of a video, and clip id -> what is wrong with its annotation."""
    footage, damaged = [], {}
    words = subset.words("time", name)
    if not words:
        damaged[clip_name(Path(f"{subset.name}_{name}"))] = (
            f"{video}: no times for {name!r} in {subset.name}{_KINDS['time']}"
        )
    for number, word in enumerate(words):
        clip_id = clip_name(Path(f"{subset.name}_{name}_{number:03d}"))
        span = _span(word)
        if span is None:
            damaged[clip_id] = f"{video}: {word!r} is no time such as 00:35-02:45"
            continue
        box = _box(subset.words("crop", f"{name}_{number}"))
        height = next((int(w) for w in subset.words("height", name) if w.isdigit()), 0)
        about: dict[str, Any] = {
            "file": video.name, "subset": subset.name, "start_s": span[0], "stop_s": span[1],
        }  # fmt: skip
        if link := " ".join(subset.words("url", name)):
            about["url"] = link
        # A crop counts only with the height that it was drawn at.
        footage.append(
            Footage(clip_id, video, people[name], span, box if height else None, height, about)
        )
    return footage, damaged


def _span(word: str) -> tuple[float, float] | None:
    match = _SPAN.fullmatch(word)
    if match is None:
        return None
    start, stop = (_seconds(part) for part in match.groups())
    return (start, stop) if start < stop else None


def _seconds(stamp: str) -> float:
    total = 0
    for part in stamp.split(":"):
        total = 60 * total + int(part)
    return float(total)


def _box(words: tuple[str, ...] | list[str]) -> tuple[float, float, float, float] | None:
    """Return left, top, width, height; HDTF writes x, width, y, height."""
    try:
        x, width, y, height = (float(word) for word in words)
    except ValueError:
        return None
    return (x, y, width, height) if width > 0 and height > 0 else None
