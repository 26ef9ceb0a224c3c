"""`segkit pack`: a clip folder becomes a few large tar files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.errors import user_errors


@user_errors()
def pack(
    dataset: Annotated[
        Path, typer.Argument(help="Folder of clips.", metavar="DATASET", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of shards.", metavar="SHARDS")],
    shard_mb: Annotated[
        float, typer.Option("--shard-mb", min=0.001, help="Size at which a shard is full, in MB.")
    ] = 256.0,
    force: Annotated[bool, typer.Option("--force", help="Replace an older pack.")] = False,
) -> None:
    """Pack a data set into WebDataset shards, for disks and networks that dislike small files.

    Training reads the shards in place: give their folder wherever a folder of
    clips is wanted. Cached audio features go along, so make them first
    (segkit prepare --features).

    Example: [bold]segkit pack data/mine --out data/mine_shards[/bold],
    then [bold]segkit train tsg --data data/mine_shards[/bold].
    """
    from segkit.clip_shards import pack_clips
    from segkit.clips import ClipFolder

    count = pack_clips(dataset, out, shard_mb=shard_mb, force=force)
    num_clips = len(ClipFolder(out).entries)
    typer.echo(f"{out}: {num_clips} clips in {count} shards")
