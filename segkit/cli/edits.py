"""`segkit edits`: an example of an edit file, and a check of one's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.errors import require_file, user_errors

if TYPE_CHECKING:
    from segkit.edits import EditPlan, MaskEdit, Painting, Span

edits = typer.Typer(
    name="edits",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Edit files for `segkit talk --edits`: an example, and a check.",
)


@edits.command("example")
@user_errors()
def example() -> None:
    """Print an edit file that shows every kind of edit.

    Example: [bold]segkit edits example > edits.yaml[/bold]
    """
    from segkit.edits import EXAMPLE

    typer.echo(EXAMPLE, nl=False)


@edits.command("check")
@user_errors()
def check(
    file: Annotated[Path, typer.Argument(help="YAML or JSON.", metavar="FILE")],
    scheme: Annotated[
        str, typer.Option("--scheme", help="Regions of the model: celeba12, celeba14, celeba_hq.")
    ] = "celeba12",
) -> None:
    """Read an edit file as `segkit talk` does, and say what it asks for; nothing is run or made.

    Example: [bold]segkit edits check edits.yaml[/bold]
    """
    require_file(file, option="FILE")

    from segkit.edits import read_edits
    from segkit.regions import SCHEMES

    if scheme not in SCHEMES:
        raise KeyError(f"no region scheme {scheme!r}; known: {', '.join(SCHEMES)}")
    plan = read_edits(file, scheme=SCHEMES[scheme])
    typer.echo("\n".join([f"{file}: good", *described(plan)]))


def described(plan: EditPlan) -> list[str]:
    """Tell each edit of a plan in a line."""
    lines = []
    if plan.automatic is not None:
        rate, seed = plan.automatic.rate_per_min, plan.automatic.seed
        lines.append(f"blinks: by themselves, {rate:g} per minute, seed {seed}")
    lines += [f"blink: {amount:g} at {at:g} s" for amount, at in plan.blinks.blinks]
    lines += [
        f"swap: {swap.region} from {swap.picture.name} by {swap.strength:g}, {_when(swap.span)}"
        for swap in plan.swaps
    ]
    if (behind := plan.background) is not None:
        kind = "colour #{:02x}{:02x}{:02x}".format(*behind.colour) if behind.colour else "blur"
        kind += f" of {behind.blur:g} px" if behind.blur else ""
        lines.append(f"background: {behind.file.name if behind.file else kind}")
    lines += [f"{_mask(edit)}, {_when(edit.span)}" for edit in plan.masks]
    return lines or ["no edits"]


def _mask(edit: MaskEdit | Painting) -> str:
    from segkit.edits import Painting

    if isinstance(edit, Painting):
        return f"painting: {edit.picture.name}"
    return f"mask edit: {edit.function} of {edit.module.name}"


def _when(span: Span) -> str:
    if span.is_whole:
        return "all the time"
    end = "the end" if span.end_s == math.inf else f"{span.end_s:g} s"
    fade = f", fading {span.fade_s:g} s" if span.fade_s else ""
    return f"from {span.start_s:g} s to {end}{fade}"
