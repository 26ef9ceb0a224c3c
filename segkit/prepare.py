"""Turn a folder of talking videos into a clip folder, one clip per video."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn

from segkit.clip_manifest import write_manifest
from segkit.clip_writer import CLIPS, read_entries, set_split, sha256_of
from segkit.parser_choice import build_parser
from segkit.people import person_of_file, split_people
from segkit.prepare_clip import ClipMaker

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

VIDEO_ENDINGS = (
    ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv",
)  # fmt: skip
_MAKER = "segkit prepare"


@dataclass
class PrepareReport:
    """What became of the videos of a folder.

    Args:
        clips: ids of the clips that are ready, new and old.
        skipped: video -> why it could not be used.
        num_new: how many of the clips this run made.
    """

    clips: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    num_new: int = 0


def prepare_folder(
    source: str | Path,
    out: str | Path,
    *,
    size: int = 512,
    parser: str | Path | dict[str, Any] | nn.Module | None = None,
    face: int | None = None,
    storage: str = "jpg",
    val_fraction: float = 0.1,
    min_frames: int = 25,
    progress: bool = True,
) -> PrepareReport:
    """Prepare every video of a folder for training, one clip each.

    A video that cannot be used is reported and left out. Finished clips are kept, so an interrupted
    run goes on where it stopped, and clips of other makers in the folder stay as they are. Frames
    before the first and after the last sight of the face are cut off; longer gaps between are left
    out of ``valid_ranges``.

    Args:
        source: folder of videos, sub-folders included, or one video.
        out: clip folder to make or to go on with.
        size: side of the square crops in pixels.
        parser: see `build_parser`; None takes `MeshParser`.
        face: k-th face from the left of the first frame with faces, where there are several.
        storage: of the frames: ``"jpg"``, ``"png"`` or ``"mp4"``.
        val_fraction: share of the persons (see `segkit.people`) held out as split ``"val"``.
        min_frames: shortest clip, at 25 fps.
        progress: show a progress bar.

    Returns:
        The report.

    Raises:
        FileNotFoundError: no such folder, or no video in it.
        ValueError: no video could be used, or ``out`` holds clips of another size or parser.
        KeyError: unknown parser.

    Source: paper section 4.1 (25 fps, 512 px, masks from a face parser). Paper: crop not given;
    ours: eyes and mouth at fixed places, see `segkit.faces.alignment`.
    """
    from segkit.progress import counted, progress_bars

    source, out = Path(source), Path(out)
    videos = find_videos(source, out)
    built = build_parser(parser)
    recipe = {"maker": _MAKER, "parser": type(built).__name__, "size": size}
    entries = read_entries(out)
    _check_recipe(entries, recipe, out)
    maker = ClipMaker(
        out, size=size, parser=built, face=face, storage=storage, min_frames=min_frames
    )
    report = PrepareReport()
    with progress_bars(show=progress) as bars:

        def count(items: Iterable[T], title: str, total: int) -> Iterator[T]:
            yield from counted(items, bars, title, total)
            bars.remove_task(bars.task_ids[-1])

        for clip_id, video in counted(videos.items(), bars, "videos", len(videos)):
            try:
                if clip_id in entries:
                    _check_same(entries[clip_id], video)
                else:
                    entries[clip_id] = maker.make(
                        video,
                        clip_id=clip_id,
                        person_id=person_of_file(video, source),
                        source={**recipe, "file": video.name},
                        counted=count,
                    )
                    report.num_new += 1
                    _publish(out, entries, val_fraction)
                report.clips.append(clip_id)
            except (ValueError, FileNotFoundError, FileExistsError) as error:
                _report_skipped(report, bars, video, error)
    if not report.clips:
        reasons = "\n".join(f"  {reason}" for reason in report.skipped.values())
        raise ValueError(f"none of the {len(videos)} videos in {source} could be used:\n{reasons}")
    _publish(out, entries, val_fraction)
    return report


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
    names = {file: _clip_id(file.relative_to(root).with_suffix("")) for file in files}
    twins = [name for name in names.values() if list(names.values()).count(name) > 1]
    return {
        _clip_id(file.relative_to(root)) if name in twins else name: file
        for file, name in names.items()
    }


def _clip_id(path: Path) -> str:
    return re.sub(r"[^\w.-]+", "_", "-".join(path.parts)).lstrip(".-") or "clip"


def _check_recipe(entries: dict[str, dict[str, Any]], recipe: dict[str, Any], out: Path) -> None:
    """Refuse to mix clips made in different ways."""
    for entry in entries.values():
        made = {name: entry.get("source", {}).get(name) for name in recipe}
        if made["maker"] == _MAKER and made != recipe:
            raise ValueError(
                f"{out} holds clips of size {made['size']} by {made['parser']}, wanted are size "
                f"{recipe['size']} by {recipe['parser']}; choose another folder"
            )


def _check_same(entry: dict[str, Any], video: Path) -> None:
    if entry.get("video_sha256") != sha256_of(video):
        raise ValueError(
            f"{video}: clip {entry['id']!r} was made from another file; rename the video, or "
            "remove that clip's folder to make it again"
        )


def _publish(out: Path, entries: dict[str, dict[str, Any]], val_fraction: float) -> None:
    """Split the persons of all clips of ours and write the manifest."""
    ours = [entry for entry in entries.values() if entry.get("source", {}).get("maker") == _MAKER]
    splits = split_people((entry["person_id"] for entry in ours), val_fraction=val_fraction)
    for entry in ours:
        set_split(out, entry, splits[entry["person_id"]])
    write_manifest(out, entries.values())


def _report_skipped(report: PrepareReport, bars: Progress, video: Path, error: Exception) -> None:
    reason = str(error) if str(video) in str(error) else f"{video}: {error}"
    report.skipped[str(video)] = reason
    for task in bars.task_ids[1:]:
        bars.remove_task(task)
    if not bars.disable:
        bars.console.print(f"skipped {reason}", markup=False, highlight=False)
