"""`segkit prepare`: a folder of talking clips becomes training data."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.errors import user_errors


class Storage(str, Enum):
    """How the frames are kept on disk."""

    jpg = "jpg"
    png = "png"
    mp4 = "mp4"


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
    storage: Annotated[Storage, typer.Option("--storage", help="Of the frames.")] = Storage.jpg,
    val_fraction: Annotated[
        float, typer.Option("--val-fraction", min=0, max=0.9, help="Share of persons held out.")
    ] = 0.1,
) -> None:
    """Make training data of any folder of talking clips: 25 fps, 16 kHz, aligned crops, masks.

    Persons are told apart by file name: anna_01.mp4 and anna_02.mp4 are one.
    A video that cannot be used is reported and left out; finished clips are
    never made twice.

    Example: [bold]segkit prepare clips --out data/mine --size 256[/bold],
    then [bold]segkit train tsg --data data/mine[/bold].
    """
    if not source.exists():
        raise FileNotFoundError(f"FOLDER: {source} does not exist")
    from segkit.prepare import prepare_folder

    report = prepare_folder(
        source,
        out,
        size=size,
        parser=parser,
        face=face,
        storage=storage.value,
        val_fraction=val_fraction,
    )
    typer.echo(f"{out}: {len(report.clips)} clips ready, {report.num_new} of them new")
    if report.skipped:
        typer.secho(
            f"{len(report.skipped)} videos could not be used (reasons above)", fg="yellow", err=True
        )
