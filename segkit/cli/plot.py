"""`segkit plot`: pictures of what a model does, as in the paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli.errors import require_file, require_free, user_errors

plot = typer.Typer(
    name="plot",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Draw what a model does: style codes in a plane, masks over time, the flow of data.",
)

Split = Annotated[str, typer.Option("--split", help="Of the clips; `all` takes every one.")]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model", "-m", help="Bundle of `segkit fit` or `segkit bundle`.", metavar="FILE"
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]


@plot.command("styles")
@user_errors()
def styles(
    data: Annotated[Path, typer.Option("--data", help="Clip folder.", metavar="DIR")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Picture: .png, .svg, .pdf; a .json beside it.", metavar="FILE"
        ),
    ] = Path("styles.png"),
    split: Split = "test",
    model: Model = None,
    people: Annotated[int, typer.Option("--people", min=2, help="The first so many by name.")] = 10,
    frames: Annotated[
        int, typer.Option("--frames", min=1, help="Of each person, spread over the clips.")
    ] = 8,
    layers: Annotated[
        str, typer.Option("--layers", help="Of the codes: `all`, or such as 0-3,7.")
    ] = "all",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same picture.")] = 0,
    force: Force = False,
) -> None:
    r"""Lay the style codes of several people out in a plane, by region and by person (figure 5).

    A t-SNE picture proves little, so numbers are printed with it, and the same numbers of an
    encoder with random weights. Needs [bold]pip install 'segkit\[plot]'[/bold].

    Example: [bold]segkit plot styles --data data/synthetic --people 10 --out styles.png[/bold]
    """
    require_free(out, out.with_suffix(".json"), force=force)
    chosen = parse_layers(layers)

    from segkit.plots.styles import plot_styles

    record = plot_styles(
        data, out=out, split=None if split == "all" else split, model=model,
        num_people=people, num_frames=frames, layers=chosen, seed=seed, force=force,
    )  # fmt: skip
    show(record)
    typer.echo(f"\n{out}, {out.with_suffix('.json')}")


@plot.command("masks")
@user_errors()
def masks(
    data: Annotated[Path | None, typer.Option("--data", help="Clip folder.", metavar="DIR")] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            "--video", "-v", help="Instead: film with sound; its face is parsed.", metavar="FILE"
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Picture: .png, .svg, .pdf.", metavar="FILE")
    ] = Path("masks.png"),
    split: Split = "test",
    clip: Annotated[
        str | None, typer.Option("--clip", help="Which one; default the first.", metavar="ID")
    ] = None,
    model: Model = None,
    frames: Annotated[
        int, typer.Option("--frames", min=2, max=24, help="Columns, spread over the clip.")
    ] = 8,
    force: Force = False,
) -> None:
    r"""Show the masks that speech gives to a face over time, beside the true ones (figure 4).

    Under each stands the overlap (IoU, 0 to 1) of lips and mouth with the truth; another clip's
    speech shows how much of it is due to the speech. Needs
    [bold]pip install 'segkit\[plot]'[/bold].

    Example: [bold]segkit plot masks --data data/synthetic --out masks.png[/bold]
    """
    if (data is None) == (video is None):
        raise ValueError("give what shall be shown: either --data or --video")
    if video is not None:
        require_file(video, option="--video")
    require_free(out, force=force)

    from segkit.plots.masks import plot_masks

    made = plot_masks(
        data, out=out, split=None if split == "all" else split, clip=clip, video=video,
        model=model, num_frames=frames, force=force,
    )  # fmt: skip
    typer.echo(f"{out}: {made['clip']}, {len(made['times_s'])} frames")
    for key, words in (("own_speech", "its own speech"), ("other_speech", "another clip's speech")):
        values = [value for value in made[key] or () if value is not None]
        if values:
            typer.echo(
                f"IoU of lips and mouth, masks from {words}: {sum(values) / len(values):.3f}"
            )


@plot.command("flow")
@user_errors()
def flow(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Picture: .png, .svg, .pdf.", metavar="FILE")
    ] = Path("flow.png"),
    image: Annotated[
        Path | None,
        typer.Option("--image", "-i", help="Photo of a face; default: drawn.", metavar="FILE"),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option("--audio", "-a", help="Speech; default: eSpeak NG's.", metavar="FILE"),
    ] = None,
    swap: Annotated[
        str,
        typer.Option(
            "--swap",
            help="Region to take from another face, or REGION=IMG.",
            metavar="REGION[=IMG]",
        ),
    ] = "hair",
    model: Model = None,
    force: Force = False,
) -> None:
    r"""Draw the way from speech and a face to a talking frame, with real pictures (figure 2).

    Needs [bold]pip install 'segkit\[plot]'[/bold].

    Example: [bold]segkit plot flow --image portrait.jpg --audio speech.wav --out flow.svg[/bold]
    """
    region, _, donor = swap.partition("=")
    inputs = {"--image": image, "--audio": audio, "--swap": Path(donor) if donor else None}
    for option, path in inputs.items():
        if path is not None:
            require_file(path, option=option)
    require_free(out, force=force)

    from segkit.plots.flow import plot_flow

    plot_flow(
        out=out, image=image, audio=audio, donor=inputs["--swap"], region=region.strip(),
        model=model, force=force,
    )  # fmt: skip
    typer.echo(str(out))


def parse_layers(text: str) -> list[int] | None:
    """Read ``all``, or layers and ranges such as ``0-3,7``; both ends of a range count.

    Raises:
        ValueError: another form.
    """
    if text.strip() == "all":
        return None
    layers: set[int] = set()
    for part in text.split(","):
        first, separator, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if separator else True)):
            raise ValueError(f"--layers: expected `all` or such as 0-3,7, got {text!r}")
        layers |= set(range(int(first), int(last or first) + 1))
    if not layers:
        raise ValueError(f"--layers: expected ranges from low to high, got {text!r}")
    return sorted(layers)


def show(record: dict[str, Any]) -> None:
    """Print the numbers, and what each of them is."""
    from rich.console import Console
    from rich.table import Table

    from segkit.plots.style_record import ROWS, shown, title_of

    typer.echo(f"{title_of(record)}; {record['settings']['num_codes']} codes")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for column in ("silhouette", "untrained", "1-NN purity", "untrained", "chance"):
        table.add_column(column, justify="right")
    trained, blind = record["numbers"]["trained"], record["numbers"]["untrained"]
    for row, words in ROWS.items():
        cells = [
            found[row][name] for name in ("silhouette", "purity") for found in (trained, blind)
        ]
        table.add_row(words, *map(shown, [*cells, trained[row]["chance"]]))
    Console().print(table)
    for name, words in record["definitions"].items():
        typer.echo(f"{name}: {words}")
