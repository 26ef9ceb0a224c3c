"""`segkit bundle`: two trained checkpoints become the one file that `segkit talk` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.errors import require_file, require_free, user_errors


@user_errors()
def bundle(
    tsg: Annotated[
        Path, typer.Option("--tsg", help="Checkpoint of speech to mask.", metavar="FILE")
    ],
    sgi: Annotated[
        Path, typer.Option("--sgi", help="Checkpoint of mask to image.", metavar="FILE")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Bundle to write (.safetensors).", metavar="FILE")
    ],
    half: Annotated[bool, typer.Option("--half", help="Store 16-bit weights.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the bundle if it exists.")
    ] = False,
) -> None:
    """Put the checkpoints of a TSG and an SGI training into one file for `segkit talk --model`.

    Example: [bold]segkit bundle --tsg work_dirs/tsg_tiny/iter_20000.pth
    --sgi work_dirs/sgi_tiny/iter_12000.pth --out mine.safetensors[/bold]
    """
    require_file(tsg, option="--tsg")
    require_file(sgi, option="--sgi")
    require_free(out, force=force)

    from segkit.talk.bundle import save_bundle
    from segkit.talk.from_checkpoints import bundle_from_checkpoints

    made = bundle_from_checkpoints(tsg=tsg, sgi=sgi)
    save_bundle(out, made, half=half, force=force)
    typer.echo(f"{out}: {made.size} px, {out.stat().st_size / 1e6:.1f} MB")
