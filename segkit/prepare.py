"""Turn talking videos into a clip folder: many at once, resumable, bad ones set aside."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import nn

from segkit.clip_writer import read_entries
from segkit.faces.choice import FaceChoice
from segkit.parser_choice import build_parser
from segkit.preparing.footage import VIDEO_ENDINGS, find_videos, footage_of_folder
from segkit.preparing.run import MAKER, PrepareReport, PrepareRun, is_ours, source_of
from segkit.preparing.sync_filter import SyncFilter
from segkit.preparing.video_job import VideoWork
from segkit.preparing.workers import num_processors

CLUSTERS = ("ray",)

__all__ = ["CLUSTERS", "VIDEO_ENDINGS", "PrepareReport", "find_videos", "prepare_folder"]


def prepare_folder(
    source: str | Path,
    out: str | Path,
    *,
    annotations: str | Path | None = None,
    size: int = 512,
    parser: str | Path | dict[str, Any] | nn.Module | None = None,
    face: FaceChoice | int | None = None,
    storage: str = "jpg",
    val_fraction: float = 0.1,
    min_frames: int = 25,
    sync: SyncFilter | None = None,
    jobs: int | None = 1,
    cluster: str | None = None,
    retry: bool = False,
    progress: bool = True,
) -> PrepareReport:
    """Prepare every video of a folder for training, one clip for each shot with a face.

    A video that cannot be used goes into ``out/quarantine.jsonl`` with the reason and is not tried
    again until its file changes, or a setting that the reason hangs on. Finished clips are kept, so
    an interrupted run goes on where it stopped, and clips of other makers in the folder stay as
    they are. Frames before the first and after the last sight of the face are cut off; longer gaps
    between are left out of ``valid_ranges``.

    Args:
        source: folder of videos, sub-folders included, or one video.
        out: clip folder to make or to go on with.
        annotations: folder of HDTF's annotation files, see `segkit.hdtf`; only what they name is
            used then.
        size: side of the square crops in pixels.
        parser: see `build_parser`; None takes `MeshParser`.
        face: k-th face from the left of the first frame with faces, where there are several.
        storage: of the frames: ``"jpg"``, ``"png"`` or ``"mp4"``.
        val_fraction: share of the persons (see `segkit.people`) held out as split ``"val"``.
        min_frames: shortest clip, at 25 fps.
        sync: refuses clips that are out of sync; None for no such check.
        jobs: processes; with several, the calling script needs ``if __name__ == "__main__":``.
            None for one per processor.
        cluster: ``"ray"`` works on the machines of a Ray cluster, see
            `segkit.preparing.cluster`; None on this one.
        retry: try again what is in the quarantine.
        progress: show progress bars.

    Returns:
        The report.

    Raises:
        FileNotFoundError: no such folder, or no video in it.
        ValueError: no video could be used, or ``out`` holds clips of another size or parser.
        KeyError: unknown parser or kind of cluster.
        ModuleNotFoundError: the cluster's library is not installed.

    Source: paper section 4.1 (25 fps, 512 px, masks from a face parser). Paper: crop not given;
    ours: eyes and mouth at fixed places, see `segkit.faces.alignment`.
    """
    from segkit.hdtf import read_annotations
    from segkit.progress import progress_bars

    source, out, files = Path(source), Path(out), list[Path]()
    if cluster is not None:
        if cluster not in CLUSTERS:
            raise KeyError(f"no cluster {cluster!r}; known: {', '.join(CLUSTERS)}")
        # The workers' working folder is another one.
        source, out = source.absolute(), out.absolute()
        parser, sync, face, files = _absolute(parser, sync, face)
    missing: dict[str, tuple[Path, str]] = {}
    if annotations is None:
        footage = footage_of_folder(source, out)
    else:
        footage, missing = read_annotations(annotations, source)
    recipe = {"maker": MAKER, "parser": type(build_parser(parser)).__name__, "size": size}
    entries = read_entries(out)
    _check_recipe(entries, recipe, out)
    work = VideoWork(out, recipe, size, parser, face, storage, min_frames, sync)
    with progress_bars(show=progress) as bars:
        run = PrepareRun(
            out, entries, bars, settings=work.settings(), val_fraction=val_fraction, retry=retry
        )
        if annotations is not None:
            run.note_missing(missing)
        if cluster is None:
            run.make(footage, work, processes=jobs or num_processors())
        else:
            run.make(footage, work, processes=jobs, shared=[source, out, *files])
    return run.finish(source, len(footage))


def _absolute(
    parser: Any, sync: SyncFilter | None, face: FaceChoice | int | None
) -> tuple[Any, SyncFilter | None, FaceChoice | int | None, list[Path]]:
    """Return the same with absolute paths, and those paths."""
    files = []
    if isinstance(parser, (str, Path)) and Path(parser).is_file():
        parser = Path(parser).absolute()
        files.append(parser)
    if sync is not None and isinstance(sync.weights, (str, Path)):
        weights = Path(sync.weights).absolute()
        sync = dataclasses.replace(sync, weights=weights)
        files.append(weights)
    if isinstance(face, FaceChoice) and face.picture is not None:
        face = dataclasses.replace(face, picture=face.picture.absolute())
        files.append(face.picture)
    return parser, sync, face, files


def _check_recipe(entries: dict[str, dict[str, Any]], recipe: dict[str, Any], out: Path) -> None:
    """Refuse to mix clips made in different ways."""
    for entry in entries.values():
        made = {name: source_of(entry).get(name) for name in recipe}
        if is_ours(entry) and made != recipe:
            raise ValueError(
                f"{out} holds clips of size {made['size']} by {made['parser']}, wanted are size "
                f"{recipe['size']} by {recipe['parser']}; choose another folder"
            )
