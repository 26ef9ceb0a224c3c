"""`segkit prepare`: talking videos become training data."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.errors import require_file, user_errors
from segkit.cli.face_options import POINT_HELP, REF_IMAGE_HELP, chosen_face

if TYPE_CHECKING:
    from segkit.prepare import PrepareReport
    from segkit.preparing.sync_filter import SyncFilter


class Storage(str, Enum):
    """How the frames are kept on disk."""

    jpg = "jpg"
    png = "png"
    mp4 = "mp4"


class Cluster(str, Enum):
    """What divides the work among machines."""

    ray = "ray"


@user_errors(interrupted="finished clips are kept; the same command goes on where it stopped")
def prepare(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of videos, or one video.", metavar="FOLDER", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the data set.", metavar="DIR")
    ],
    hdtf: Annotated[
        Path | None,
        typer.Option(
            "--hdtf", metavar="ANNOTATIONS",
            help="Folder of HDTF's text files; the stretches that they name are cut out of the "
            "videos. Nothing is downloaded.",
        ),
    ] = None,
    size: Annotated[
        int, typer.Option("--size", min=64, help="Side of the face crops in pixels.")
    ] = 512,
    parser: Annotated[
        str | None,
        typer.Option(
            "--parser",
            help="What labels the faces: a component's name, a file of `segkit convert bisenet`, "
            "or a checkpoint of `segkit train parsing`; default: MeshParser.",
            metavar="NAME|FILE",
        ),
    ] = None,
    face: Annotated[
        int | None, typer.Option("--face", min=0, help="Which face, 0 = leftmost.")
    ] = None,
    point: Annotated[
        str | None, typer.Option("--point", help=POINT_HELP, metavar="X,Y")
    ] = None,
    ref_image: Annotated[
        Path | None, typer.Option("--ref-image", help=REF_IMAGE_HELP, metavar="FILE")
    ] = None,
    storage: Annotated[Storage, typer.Option("--storage", help="Of the frames.")] = Storage.jpg,
    val_fraction: Annotated[
        float, typer.Option("--val-fraction", min=0, max=0.9, help="Share of persons held out.")
    ] = 0.1,
    min_seconds: Annotated[
        float, typer.Option("--min-seconds", min=0.2, help="Shortest shot that becomes a clip.")
    ] = 1.0,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Default: one per processor.")
    ] = None,
    cluster: Annotated[
        Cluster | None,
        typer.Option(
            "--cluster",
            help="Work on the machines of a cluster that see FOLDER and DIR under the same paths: "
            "that of the variable RAY_ADDRESS, else a local one. Needs "
            r"pip install 'segkit\[cluster]'.",
        ),
    ] = None,
    retry: Annotated[
        bool,
        typer.Option(
            "--retry",
            help="Try again all that is in the quarantine. A changed file, or a change of "
            "--face, --min-seconds, --parser or the sync filter, needs no --retry.",
        ),
    ] = False,
    sync: Annotated[
        Path | None,
        typer.Option(
            "--sync", metavar="FILE",
            help="SyncNet for the sync filter, made by `segkit convert syncnet_v2`; default: that "
            "of the weights folder, if it is there.",
        ),
    ] = None,
    min_sync: Annotated[
        float, typer.Option("--min-sync", help="Lowest confidence (LSE-C) of a clip.")
    ] = 3.0,
    max_offset: Annotated[
        int,
        typer.Option(
            "--max-offset", min=0, max=14,
            help="Largest offset of the sound in frames; within it the sound is shifted.",
        ),
    ] = 6,
    features: Annotated[
        str | None,
        typer.Option(
            "--features", metavar="CONFIG|NAME",
            help="Make the audio features that a config trains on, or those of a component, now.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Make training data of talking videos: 25 fps, 16 kHz, shots, aligned crops, masks, splits.

    Persons are told apart by file name: anna_01.mp4 and anna_02.mp4 are one.
    A film with cuts gives one clip per shot. A video that cannot be used goes
    into DIR/quarantine.jsonl with the reason, and is not tried again before it
    or a setting that refused it changes; finished clips are never made twice.

    Example: [bold]segkit prepare clips --out data/mine --size 256[/bold],
    then [bold]segkit inspect data/mine[/bold]
    and [bold]segkit train tsg --data data/mine[/bold].
    """
    if not source.exists():
        raise FileNotFoundError(f"FOLDER: {source} does not exist")
    from segkit.prepare import prepare_folder
    from segkit.preparing.features import listener_of

    # What is wrong with an option should show before hours of work.
    listener = None if features is None else listener_of(features)
    report = prepare_folder(
        source,
        out,
        annotations=hdtf,
        size=size,
        parser=parser,
        face=chosen_face(face, point, ref_image),
        storage=storage.value,
        val_fraction=val_fraction,
        min_frames=round(25 * min_seconds),
        sync=_sync_filter(sync, min_sync, max_offset),
        jobs=jobs,
        cluster=None if cluster is None else cluster.value,
        retry=retry,
    )
    _tell(out, report)
    if listener is not None:
        _listen(out, listener, jobs)


def _sync_filter(weights: Path | None, min_sync: float, max_offset: int) -> SyncFilter | None:
    from segkit.preparing.sync_filter import SyncFilter, known_sync_weights

    if weights is not None:
        require_file(weights, option="--sync")
    found = weights or known_sync_weights()
    if found is None:
        typer.echo(
            "sync filter: not done, SyncNet's weights are not there (see `segkit weights`)",
            err=True,
        )
        return None
    return SyncFilter(found, min_confidence=min_sync, max_offset=max_offset)


def _tell(out: Path, report: PrepareReport) -> None:
    typer.echo(f"{out}: {len(report.clips)} clips ready, {report.num_new} of them new")
    if report.num_quarantined:
        typer.secho(
            f"{report.num_quarantined} could not be used: {report.quarantine} says why; "
            "--retry tries them again",
            fg="yellow", err=True,
        )  # fmt: skip
    if others := len(report.skipped) - report.num_quarantined:
        typer.secho(f"{others} were left out (reasons above)", fg="yellow", err=True)


def _listen(out: Path, listener: object, jobs: int | None) -> None:
    from segkit.preparing.features import cache_features
    from segkit.preparing.workers import num_processors

    count, problems = cache_features(out, listener, jobs=jobs or num_processors())
    typer.echo(f"{out}: audio features of {count} clips are there")
    for problem in problems:
        typer.secho(problem, fg="yellow", err=True)
