"""`segkit evaluate`: talking videos, or a model's own, measured against the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit.cli.errors import user_errors
from segkit.cli.face_options import POINT_HELP, REF_IMAGE_HELP, chosen_face

if TYPE_CHECKING:
    from segkit.evaluation.faces import FaceSettings
    from segkit.evaluation.results import Report
    from segkit.evaluation.suite import Suite
    from segkit.faces.choice import FaceChoice

EXIT_SOME_FAILED = 1


class Lengths(str, Enum):
    """What to do with two videos of different length."""

    error = "error"
    trim = "trim"


@user_errors(interrupted="no report was written")
def evaluate(
    pred: Annotated[
        Path | None,
        typer.Option("--pred", help="Predicted video, or a folder of them.", metavar="PATH"),
    ] = None,
    real: Annotated[
        Path | None,
        typer.Option("--real", help="The real one(s), paired by name.", metavar="PATH"),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            help="Instead of videos: checkpoint or work directory of TSG, SGI (once each) or "
            "Wav2Lip. A missing half is --model's.",
            metavar="PATH",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", "-m", help="Instead of videos: a bundle.", metavar="FILE"),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", help="Config that names the data of a model.", metavar="CONFIG"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Clip folder that a model is measured on.", metavar="DIR"),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Of the clip folder.")] = "test",
    clips: Annotated[
        int | None, typer.Option("--clips", min=1, help="So many at most, all persons first.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the reports.", metavar="DIR")
    ] = Path("evaluation"),
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="Such as psnr,ssim; default: all that can be measured."),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Show published numbers beside, and why they differ.")
    ] = False,
    face: Annotated[
        int | None, typer.Option("--face", min=0, help="Which face of videos, 0 = leftmost.")
    ] = None,
    point: Annotated[str | None, typer.Option("--point", help=POINT_HELP, metavar="X,Y")] = None,
    ref_image: Annotated[
        Path | None, typer.Option("--ref-image", help=REF_IMAGE_HELP, metavar="FILE")
    ] = None,
    parser: Annotated[
        str | None,
        typer.Option(
            "--parser", help="What labels the faces of videos; see `segkit prepare --help`.",
            metavar="NAME|FILE",
        ),
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
) -> None:  # fmt: skip
    r"""Measure talking videos against the real ones, and say how each number is defined.

    Videos of two folders are paired by their names. A model is measured on the clips of a folder,
    each driven by its own speech. A metric whose weights are missing is left out with the reason
    (`segkit weights`), and so is a clip that cannot be compared; then the exit code is 1.

    Examples: [bold]segkit evaluate --pred results --real truth --out report[/bold],
    [bold]segkit evaluate --checkpoint work_dirs/tsg_tiny --checkpoint work_dirs/sgi_tiny
    --data data/synthetic[/bold]
    """
    if (out / "report.json").exists() and not force:
        raise FileExistsError(f"{out} holds a report; add --force to replace it")
    modelled = bool(checkpoint or model or config or data)
    if modelled and (pred or real):
        raise ValueError("expected --pred and --real, or a model and --data; got some of both")
    of_videos = {"--face": face, "--point": point, "--ref-image": ref_image, "--parser": parser}
    if modelled and (given := [name for name, value in of_videos.items() if value is not None]):
        raise ValueError(
            f"{', '.join(given)}: for videos alone, leave it out; a clip folder has its faces and "
            "masks already"
        )
    from segkit.evaluation.compare import comparison
    from segkit.evaluation.report import write_report
    from segkit.evaluation.run import evaluate as measure

    job = (
        _of_model(checkpoint or [], model, config, data, split, clips)
        if modelled
        else _of_videos(pred, real, chosen_face(face, point, ref_image), parser, on_length_mismatch)
    )
    suite = _suite(metrics, weights, has_masks=job.has_masks)
    report = measure(
        job.clips, suite, open_clip=job.open_clip, faces=job.faces, pictures=out
    )  # fmt: skip
    compared = comparison(report) if compare else None
    files = write_report(out, report, inputs=job.inputs, compared=compared)
    show(report, left_out=job.left_out)
    if compared is not None:
        from segkit.evaluation.compare import print_comparison

        typer.echo()
        print_comparison(compared)
    typer.echo(f"\n{', '.join(map(str, files))}")
    if report.failed:
        raise typer.Exit(EXIT_SOME_FAILED)


@dataclass
class _Job:
    """What is measured, and how it is opened."""

    clips: Sequence[Any]
    open_clip: Any
    faces: FaceSettings
    inputs: dict[str, str]
    has_masks: bool = True
    left_out: list[str] = field(default_factory=list)


def _of_videos(
    pred: Path | None,
    real: Path | None,
    face: FaceChoice | None,
    parser: str | None,
    lengths: Lengths,
) -> _Job:
    if pred is None or real is None:
        raise ValueError(
            "expected --pred and --real (videos), or --checkpoint or --model with --data (a model)"
        )
    from functools import partial

    from segkit.evaluation.faces import FaceSettings
    from segkit.evaluation.pairs import find_pairs
    from segkit.evaluation.streams import PairStream
    from segkit.parser_choice import build_parser

    pairing = find_pairs(pred, real)
    built = build_parser(parser)
    return _Job(
        pairing.pairs,
        partial(PairStream, on_length_mismatch=lengths.value),
        FaceSettings(face=face, parser=built, parser_name=type(built).__name__),
        {"pred": str(pred), "real": str(real)},
        left_out=[f"{path}: has no partner" for path in pairing.unpaired]
        + [f"{path}: no video, left out" for path in pairing.strays],
    )


def _of_model(
    checkpoints: list[Path], model: Path | None, config: str | None, data: Path | None,
    split: str, most: int | None,
) -> _Job:  # fmt: skip
    from functools import partial

    from segkit.benchmark.scoring import chosen_clips
    from segkit.clips import ClipFolder
    from segkit.evaluation.checkpoints import method_of
    from segkit.evaluation.faces import FaceSettings
    from segkit.evaluation.self_driven import GIVEN, DrawnClip

    if data is None:
        data = _data_of(config)
    folder = ClipFolder(data)
    method = method_of(checkpoints, model=model)
    names = [*map(str, checkpoints), *([str(model)] if model else [])]
    return _Job(
        chosen_clips(folder, split, most),
        partial(DrawnClip, method=method),
        FaceSettings(own_masks="masks: the model's own and the data set's"),
        {
            "method": method.name,
            "model": ", ".join(names) or "built in",
            "data": f"{data}, split {split}",
            "protocol": f"each clip driven by its own speech; given are {GIVEN}",
        },
        has_masks=method.has_masks,
    )


def _data_of(config: str | None) -> Path:
    if config is None:
        raise ValueError("--data: a model is measured on a clip folder; name one, or a --config")
    from segkit.engine.config import load_config

    root = load_config(config).get("data_root")
    if root is None:
        raise ValueError(f"{config} names no data_root; give --data")
    return Path(root)


def _suite(metrics: str | None, weights: Path | None, *, has_masks: bool) -> Suite:
    from segkit.evaluation.suite import DEFAULT_SUITE, OF_MASKS, build_suite

    keys = None if metrics is None else [key.strip() for key in metrics.split(",") if key.strip()]
    entries = tuple(entry for entry in DEFAULT_SUITE if has_masks or entry.key not in OF_MASKS)
    return build_suite(keys, root=weights, entries=entries)


def show(report: Report, *, left_out: Sequence[str] = ()) -> None:
    """Print the table, and what was left out."""
    from rich.console import Console
    from rich.table import Table

    from segkit.evaluation.rows import rows_of

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
    for sentence in left_out:
        typer.secho(sentence, fg="yellow", err=True)
