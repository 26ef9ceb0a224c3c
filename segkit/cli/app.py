"""The root of the command line: names the sub-commands and the options that all of them share."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from segkit.cli.ablate import ablate
from segkit.cli.benchmark import benchmark
from segkit.cli.bundle import bundle
from segkit.cli.convert import convert
from segkit.cli.demo import demo
from segkit.cli.doctor import doctor
from segkit.cli.edits import edits
from segkit.cli.evaluate import evaluate
from segkit.cli.export import export
from segkit.cli.fit import fit
from segkit.cli.inspect import inspect
from segkit.cli.pack import pack
from segkit.cli.plot import plot
from segkit.cli.prepare import prepare
from segkit.cli.synth import synth
from segkit.cli.talk import talk
from segkit.cli.verify import verify
from segkit.cli.web import web
from segkit.cli.weights import weights

app = typer.Typer(
    name="segkit",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        from segkit import __version__

        typer.echo(f"segkit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere on the line.")
    ] = False,
) -> None:
    """Segmentation-driven talking faces: speech moves the mask of a face, the mask paints the face.

    Start with [bold]segkit demo[/bold]; then
    [bold]segkit talk --video me.mp4 --audio speech.wav --out out.mp4[/bold].
    [bold]segkit --install-completion[/bold] lets the shell complete commands and options.
    """


def train(context: typer.Context) -> None:
    """Train what a config describes; `segkit train -h` lists its options."""
    from segkit.cli.train import main

    main(context.args)


app.command("talk", rich_help_panel="Use")(talk)
app.add_typer(edits, rich_help_panel="Use")
app.command("fit", rich_help_panel="Use")(fit)
app.command("demo", rich_help_panel="Use")(demo)
app.command("web", rich_help_panel="Use")(web)
app.command("verify", rich_help_panel="Use")(verify)
app.command("doctor", rich_help_panel="Use")(doctor)
app.command("evaluate", rich_help_panel="Use")(evaluate)
app.add_typer(plot, rich_help_panel="Use")
app.command("benchmark", rich_help_panel="Use")(benchmark)
app.command("synth", rich_help_panel="Data and training")(synth)
app.command("prepare", rich_help_panel="Data and training")(prepare)
app.command("inspect", rich_help_panel="Data and training")(inspect)
app.command("pack", rich_help_panel="Data and training")(pack)
app.command("ablate", rich_help_panel="Data and training")(ablate)
app.command("bundle", rich_help_panel="Data and training")(bundle)
app.command("export", rich_help_panel="Data and training")(export)
app.command(
    "train",
    rich_help_panel="Data and training",
    # The training parser is argparse, shared with tools/train.py; it answers -h itself.
    add_help_option=False,
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
)(train)

app.command("weights", rich_help_panel="Published weights")(weights)
app.command("convert", rich_help_panel="Published weights")(convert)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        arguments: words after the program's name; None takes ``sys.argv``.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--debug" in words:
        words.remove("--debug")
        os.environ["SEGKIT_DEBUG"] = "1"
    app(args=words, prog_name="segkit")
