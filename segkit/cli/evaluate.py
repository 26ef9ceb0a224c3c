"""`segkit evaluate`: talking videos measured against the real ones."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.errors import user_errors

if TYPE_CHECKING:
    from segkit.evaluation.pairs import Pairing
    from segkit.evaluation.run import Report

EXIT_SOME_FAILED = 1


class Lengths(str, Enum):
    """What to do with two videos of different length."""

    error = "error"
    trim = "trim"


@user_errors(interrupted="no report was written")
def evaluate(
    pred: Annotated[
        Path, typer.Option("--pred", help="Predicted video, or a folder of them.", metavar="PATH")
    ],
    real: Annotated[
        Path, typer.Option("--real", help="The real one(s), paired by name.", metavar="PATH")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the reports.", metavar="DIR")
    ] = Path("evaluation"),
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="Such as psnr,ssim; default: all that can be measured."),
    ] = None,
    on_length_mismatch: Annotated[
        Lengths, typer.Option("--on-length-mismatch", help="Of a pair.")
    ] = Lengths.error,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            help="Folder of weight files; default SEGKIT_WEIGHTS, or ./weights.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an older report.")] = False,
) -> None:
    """Measure talking videos against the real ones, and say how each number is defined.

    Videos of two folders are paired by their names. A metric whose weights are missing is
    left out with the reason (`segkit weights`), and so is a clip that cannot be compared;
    then the exit code is 1.

    Example: [bold]segkit evaluate --pred results --real truth --out report[/bold]
    """
    if (out / "report.json").exists() and not force:
        raise FileExistsError(f"{out} holds a report; add --force to replace it")
    from segkit.evaluation.pairs import find_pairs

    pairing = find_pairs(pred, real)
    from segkit.evaluation.report import write_report
    from segkit.evaluation.run import evaluate as measure
    from segkit.evaluation.suite import build_suite

    keys = None if metrics is None else [key.strip() for key in metrics.split(",") if key.strip()]
    suite = build_suite(keys, root=weights)
    found = measure(pairing.pairs, suite, on_length_mismatch=on_length_mismatch.value)
    files = write_report(out, found, inputs={"pred": str(pred), "real": str(real)})
    show(found, pairing)
    typer.echo(f"\n{', '.join(map(str, files))}")
    if found.failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def show(report: Report, pairing: Pairing) -> None:
    """Print the table, and what was left out."""
    from rich.console import Console
    from rich.table import Table

    from segkit.evaluation.report import rows_of

    table = Table(box=None, pad_edge=False)
    for column in ("number", "value", "", "n", "is"):
        justify = "right" if column in ("value", "n") else "left"
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows_of(report):
        table.add_row(*row)
    Console().print(table)
    for key, reason in report.skipped.items():
        typer.echo(f"not measured: {key}: {reason}")
    for clip, sentences in report.problems.items():
        for sentence in sentences:
            typer.secho(f"{clip}: {sentence}", fg="yellow", err=True)
    for path in pairing.unpaired:
        typer.secho(f"{path}: has no partner", fg="yellow", err=True)
    for path in pairing.strays:
        typer.secho(f"{path}: no video, left out", fg="yellow", err=True)
