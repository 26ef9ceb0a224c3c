"""`segkit weights`: the published weight files, where they belong, and which are there."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.errors import user_errors

if TYPE_CHECKING:
    from segkit.weight_catalogue import KnownFile


@user_errors()
def weights(
    name: Annotated[
        str | None,
        typer.Argument(help="One file, with all there is to know.", show_default=False),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root", help="Folder of weight files; default SEGKIT_WEIGHTS, or ./weights.",
            metavar="DIR", show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the sha256 of files that are there.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:  # fmt: skip
    """List every published weight file that segkit can use; nothing is ever downloaded.

    A file is fetched by you, put where this says, and converted once:
    [bold]segkit weights bisenet[/bold] tells how, then
    [bold]segkit convert bisenet weights/bisenet/79999_iter.pth
    weights/bisenet/bisenet.safetensors[/bold].
    """
    from segkit.weight_catalogue import KNOWN_FILES, known_file, weights_root

    folder = weights_root(root)
    entries = KNOWN_FILES if name is None else (known_file(name),)
    states = {entry.name: _state(entry, folder, check=check) for entry in entries}
    if as_json:
        rows = [
            {**asdict(entry), "path": str(entry.converted(folder)), "state": states[entry.name]}
            for entry in entries
        ]
        typer.echo(json.dumps(rows, indent=1))
    elif name is None:
        _show_all(entries, states, folder)
    else:
        _show_one(entries[0], states[name], folder)
    if any(state == "damaged" for state in states.values()):
        raise ValueError("a file is not the published one; fetch it again")


def _state(entry: KnownFile, folder: Path, *, check: bool) -> str:
    state = entry.state(folder)
    if check and entry.sha256 is not None and entry.published(folder).is_file():
        from segkit.weights import check_file

        try:
            check_file(entry.published(folder), sha256=entry.sha256)
        except ValueError:
            return "damaged"
    return state


def _show_all(entries: tuple[KnownFile, ...], states: dict[str, str], folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"Weight files below {folder}", title_justify="left", box=None, pad_edge=False
    )
    for column, justify in (
        ("name", "left"), ("kind", "left"), ("used by", "left"), ("MB", "right"),
        ("licence", "left"), ("state", "left"),
    ):  # fmt: skip
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    colours = {"ready": "green", "to convert": "yellow", "missing": "dim", "damaged": "red"}
    for entry in entries:
        state = states[entry.name]
        table.add_row(
            entry.name, entry.kind or "-", entry.used_by, f"{entry.size_mb:g}", entry.licence,
            f"[{colours[state]}]{state}[/]",
        )  # fmt: skip
    console = Console()
    console.print(table)
    console.print("\n`segkit weights NAME` tells where to get one and what to do with it.")


def _show_one(entry: KnownFile, state: str, folder: Path) -> None:
    published, converted = entry.published(folder), entry.converted(folder)
    lines = {
        "used by": entry.used_by,
        "licence": entry.licence,
        "source": entry.source,
        "size": f"about {entry.size_mb:g} MB",
        "sha256": entry.sha256 or "not known",
        "put it at": str(published),
        "state": state,
    }
    if entry.how:
        lines["how"] = entry.how
    if entry.kind is not None:
        lines["then"] = f"segkit convert {entry.kind} {published} {converted}"
    typer.echo(entry.name)
    for key, value in lines.items():
        typer.echo(f"  {key + ':':<11}{value}")
