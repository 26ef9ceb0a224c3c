"""`segkit verify`: who signed a video, what it says was synthesised, whether it was changed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.errors import require_file, user_errors

if TYPE_CHECKING:
    from segkit.provenance import Credentials

EXIT_CHANGED = 1
EXIT_NO_CREDENTIALS = 3


@user_errors()
def verify(
    file: Annotated[
        Path, typer.Argument(help="A video, or any file that C2PA knows.", show_default=False)
    ],
    trust: Annotated[
        Path | None,
        typer.Option(
            "--trust", help="PEM file of the certificates whose word counts.", metavar="FILE"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Read the Content Credentials of a file, and check that nobody changed it since.

    Ends with 0 when they hold, 1 when the file or its credentials were changed, 3 when there are
    none (which proves nothing: they are easily removed), 2 on a wrong line. Nothing is asked of the
    network. Nobody is trusted but by [bold]--trust[/bold]; a certificate that segkit made itself is
    [bold]credentials/certificate.pem[/bold] in the folder that [bold]segkit doctor[/bold] names.
    """
    require_file(file, option="FILE")
    if trust is not None:
        require_file(trust, option="--trust")
    from segkit.provenance import read_credentials

    found = read_credentials(file, trust=trust)
    if as_json:
        typer.echo(json.dumps({"file": file.name, "credentials": found and asdict(found)}))
    else:
        typer.echo(report(file, found))
    if found is None:
        raise typer.Exit(EXIT_NO_CREDENTIALS)
    if not found.intact:
        raise typer.Exit(EXIT_CHANGED)


def report(file: Path, found: Credentials | None) -> str:
    """Tell in lines what was found."""
    if found is None:
        return f"{file}: no credentials; that says nothing about how it was made"
    if found.intact:
        lines = [f"{file}: valid; not changed since it was signed"]
    else:
        lines = [f"{file}: NOT VALID; the file or its credentials were changed"]
        lines += [_line("problem", text) for text in found.problems]
        if found.signer is None:
            return "\n".join(lines)
        lines.append("what follows is what it claims, and proves nothing:")
    lines += [
        _line("signed by", _signer(found)),
        _line("signed at", f"{found.when or 'not said'} (by the signer's clock)"),
        _line("made with", found.generator or "not said"),
        _line("kind", found.source_type or "not said"),
    ]
    lines += [_line("action", text) for text in found.actions]
    return "\n".join(lines + _synthesis(found.synthesis))


def _line(title: str, text: object) -> str:
    return f"  {title + ':':<13}{text}"


def _signer(found: Credentials) -> str:
    name = f"{found.signer or 'no name'} ({found.issuer or 'no issuer'})"
    if found.trusted:
        return f"{name}, trusted"
    if found.local:
        return f"{name}, NOT trusted: made by segkit on somebody's computer"
    return f"{name}, NOT trusted: no certificate of --trust vouches for it"


def _synthesis(said: dict | None) -> list[str]:
    if said is None:
        return []
    model = said.get("model", {})
    spans = said.get("passed_through", ())
    lines = [
        _line("source", f"{said['source']['kind']} {said['source']['file']}"),
        _line("sound", said["sound"]["file"]),
        _line("synthesised", ", ".join(said["synthesised_regions"])),
        _line("model", f"{model.get('name')}, sha256 {model.get('sha256') or 'not known'}"),
    ]
    if spans:
        text = ", ".join(f"{span['start_s']:g}-{span['end_s']:g} s" for span in spans)
        lines.append(_line("left as it was", text))
    return lines
