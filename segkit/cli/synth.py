"""`segkit synth`: a data set of synthetic talking faces."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.errors import user_errors


@user_errors(interrupted="finished clips are kept; the same command goes on where it stopped")
def synth(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the data set.", metavar="DIR")
    ],
    clips: Annotated[int, typer.Option("--clips", "-n", min=1, help="Number of clips.")] = 200,
    size: Annotated[
        int, typer.Option("--size", min=64, max=512, help="Width of the frames in pixels.")
    ] = 128,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Same seed, same data set, bit for bit.")
    ] = 0,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.4, help="Length of every clip.")
    ] = 4.0,
    people: Annotated[
        int | None, typer.Option("--people", min=1, help="Persons; default half the clips.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="Default: one per processor.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a data set of other settings.")
    ] = False,
) -> None:
    r"""Draw talking faces with exact masks: many people, voices, lights; mouths moved by phonemes.

    The speech comes from eSpeak NG, a separate program:
    [bold]pip install 'segkit\[synth]'[/bold]. People, voices and sentences
    of the splits train, val and test are disjoint.

    Example: [bold]segkit synth --out data/synthetic --clips 400[/bold],
    then [bold]segkit train syncnet_tiny --data data/synthetic[/bold].
    """
    from segkit.synthetic.dataset import SETTINGS, make_dataset

    def make() -> None:
        make_dataset(
            out,
            num_clips=clips,
            size=size,
            seed=seed,
            seconds=seconds,
            people=people,
            num_processes=processes,
        )

    try:
        make()
    except FileExistsError:
        # Only what an earlier run of this command made is ever removed.
        if not (force and (out / SETTINGS).is_file()):
            raise
        shutil.rmtree(out)
        make()
    typer.echo(f"{out}: {clips} clips of {seconds:g} s, {size} x {size} px")
