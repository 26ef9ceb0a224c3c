"""`segkit convert`: a published checkpoint becomes a safetensors file of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.errors import require_file, require_free, user_errors

if TYPE_CHECKING:
    from segkit.weights import Conversion

_SHOWN = 12


@user_errors()
def convert(
    kind: Annotated[
        str,
        typer.Argument(
            help="What the file is: avhubert, bisenet, e4s, i3d, identity, irse50, lpips, "
            "parser_unet, psp, sean, stylegan2, syncnet_v2, wav2lip or wav2lip_syncnet.",
            metavar="KIND",
        ),
    ],
    source: Annotated[Path, typer.Argument(help="The file as published.", metavar="IN")],
    out: Annotated[
        Path, typer.Argument(help="File to write.", metavar="OUT.safetensors", show_default=False)
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file and write nothing.")
    ] = False,
    all_keys: Annotated[
        bool, typer.Option("--all-keys", help="Name every key that is left out.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Convert a published checkpoint once, without running anything inside it.

    Components then take the result: BiSeNet(weights="bisenet.safetensors").
    OUT appears whole or not at all. [bold]segkit weights[/bold] lists the files.

    Example: [bold]segkit convert bisenet 79999_iter.pth bisenet.safetensors[/bold]
    """
    require_file(source, option="IN")
    if not dry_run:
        require_free(out, force=force)

    from segkit.weight_catalogue import KNOWN_FILES
    from segkit.weights import convert_file
    from segkit.weights.reading import sha256_of

    digests = {e.sha256 for e in KNOWN_FILES if e.kind == kind and e.file == source.name}
    if digests - {None} and sha256_of(source) not in digests:
        typer.secho(
            f"{source}: not the file that is published under this name (sha256); it may be another "
            "release, or not what it seems",
            fg="yellow",
            err=True,
        )
    conversion = convert_file(kind, source, None if dry_run else out, force=force)
    _report(conversion, all_keys=all_keys)
    if dry_run:
        typer.echo(f"{source}: converts; nothing written (--dry-run)")
    else:
        typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def _report(conversion: Conversion, *, all_keys: bool) -> None:
    for part, (config, state) in conversion.items():
        arguments = ", ".join(f"{k}={v!r}" for k, v in config.items() if k != "type")
        millions = sum(value.numel() for value in state.values()) / 1e6
        typer.echo(f"{part}: {config['type'].__name__}({arguments}), {millions:.2f} M numbers")
    for name, tensor in conversion.extras.items():
        typer.echo(f"{name}: {tuple(tensor.shape)}")
    for note in conversion.notes:
        typer.echo(f"note: {note}")
    known = [key for key in conversion.ignored if key not in set(conversion.unknown)]
    _say_left_out("not needed", known, all_keys=all_keys)
    _say_left_out("unknown", conversion.unknown, all_keys=all_keys)


def _say_left_out(what: str, keys: list[str], *, all_keys: bool) -> None:
    if keys:
        shown = keys if all_keys else keys[:_SHOWN]
        more = f" and {len(keys) - len(shown)} more (--all-keys)" if len(keys) > len(shown) else ""
        typer.echo(f"left out, {what}: {', '.join(shown)}{more}")
