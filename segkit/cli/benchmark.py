"""`segkit benchmark`: how well a face from one's own films is drawn, beside what learns nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.errors import require_file, user_errors
from segkit.cli.face_options import POINT_HELP, REF_IMAGE_HELP, chosen_face

if TYPE_CHECKING:
    from segkit.benchmark.scoring import Score


@user_errors(interrupted="what is fitted and measured is kept; the same command goes on")
def benchmark(
    films: Annotated[
        list[Path],
        typer.Argument(help="Films of one talking person each.", metavar="FILM...",
                       show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Crops, models, reports, tables.", metavar="DIR")
    ] = Path("benchmark"),
    share: Annotated[
        float, typer.Option("--share", help="Part of each film to learn from, the first.")
    ] = 0.75,
    minutes: Annotated[
        float, typer.Option("--minutes", help="Time of `segkit fit` for each film.")
    ] = 10,
    size: Annotated[
        int, typer.Option("--size", help="Side of the crops; everything is measured in them.")
    ] = 256,
    face: Annotated[
        int | None, typer.Option("--face", min=0, help="Which face, 0 = leftmost.")
    ] = None,
    point: Annotated[
        str | None, typer.Option("--point", help=POINT_HELP, metavar="X,Y")
    ] = None,
    ref_image: Annotated[
        Path | None, typer.Option("--ref-image", help=REF_IMAGE_HELP, metavar="FILE")
    ] = None,
    wav2lip: Annotated[
        list[Path] | None,
        typer.Option("--wav2lip", help="Checkpoint of Wav2Lip, measured too.", metavar="PATH"),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", help="See `segkit evaluate`; default: all.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", help="Folder of weight files; default SEGKIT_WEIGHTS, or ./weights.",
            metavar="DIR", show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the fits.")] = 0,
) -> None:  # fmt: skip
    """Fit a model to the first part of each film and measure it on the rest, self-driven.

    Beside it: the built-in model as it is, the still frame, and unit selection (the known frame
    whose 0.2 s of speech sound most alike, pasted in). All are given the same: one reference
    frame, upper halves, and below what `segkit talk` leaves of a frame, such as the nose.

    Example: [bold]segkit benchmark me.mp4 --minutes 5 --out mine[/bold]
    """
    from segkit.benchmark.own_clips import fitted_model, methods_for, read_own, score_own
    from segkit.benchmark.table import write_own_table
    from segkit.cli.ablate import suite_maker

    for film in films:
        require_file(film, option="FILM")
    if len({film.stem for film in films}) < len(films):
        raise ValueError("FILM: two films have one name; rename one")
    chosen = chosen_face(face, point, ref_image)
    suite = suite_maker(metrics, weights)
    scores: dict[str, list[Score]] = {}
    for film in films:
        own = read_own(film, out=out, share=share, size=size, face=chosen)
        fitted = fitted_model(own, out=out, minutes=minutes, seed=seed, size=size, face=chosen)
        methods = methods_for(own, fitted=fitted, checkpoints=wav2lip or [])
        scores[film.stem] = score_own(own, methods, out=out, suite=suite, announce=typer.echo)
    facts = {
        "learned from": f"the first {share:.0%} of each film, {minutes:g} minutes, seed {seed}",
        "measured in": f"face crops of {size} px, self-driven",
    }
    table = write_own_table(out, scores, facts=facts)
    typer.echo(table.read_text("utf-8"))
    typer.echo(f"{table}; a report of each film and method below {out / 'scores'}")
