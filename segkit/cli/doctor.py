"""`segkit doctor`: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.errors import user_errors

if TYPE_CHECKING:
    from segkit.doctor import Finding


@user_errors()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Look at libraries, machine, codecs and files, and say what to do.

    Ends with 0 when segkit is ready, and with 1 when something must be done first. Nothing is
    changed, downloaded or sent; the output holds paths of this computer.
    """
    from segkit.doctor import examine

    findings = examine()
    todo = [finding.todo for finding in findings if finding.todo]
    if as_json:
        rows = [asdict(finding) for finding in findings]
        typer.echo(json.dumps({"ready": not todo, "findings": rows}, indent=1))
    else:
        typer.echo(report(findings))
    if todo:
        raise typer.Exit(1)


def report(findings: list[Finding]) -> str:
    """Tell all findings, then what could and what must be done."""
    width = max(len(finding.name) for finding in findings) + 2
    lines = []
    for topic, group in groupby(findings, key=lambda finding: finding.topic):
        lines += [topic.capitalize()]
        lines += [f"  {mark(one)} {one.name:<{width}}{one.value}" for one in group]
    hints = [finding.hint for finding in findings if finding.hint]
    if hints:
        lines += ["", "What could be added:", *(f"  {text}" for text in hints)]
    todo = [finding.todo for finding in findings if finding.todo]
    if todo:
        lines += ["", "What to do first:", *(f"  {text}" for text in todo)]
    else:
        lines += ["", "ready"]
    return "\n".join(lines)


def mark(finding: Finding) -> str:
    """Return one sign for the state of a finding."""
    if finding.todo:
        return "!"
    return "-" if finding.hint else " "
