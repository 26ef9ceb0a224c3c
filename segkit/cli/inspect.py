"""`segkit inspect`: what is in a data set, and what looks wrong in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.errors import require_free, user_errors

if TYPE_CHECKING:
    from segkit.clip_report import FolderReport


@user_errors()
def inspect(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="Folder of clips, or of shards.", metavar="DATASET", show_default=False
        ),
    ],
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", help="Draw clips with their masks here.", metavar="PNG"),
    ] = None,
    clips: Annotated[int, typer.Option("--clips", min=1, help="Rows of the sheet.")] = 12,
    seed: Annotated[int, typer.Option("--seed", help="Of the random choice of clips.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an older sheet.")] = False,
) -> None:
    """Report on a data set: hours, persons, splits, classes, mouths; warn of clips that look wrong.

    Warned of are near-silent sound, frozen pictures, masks without lips,
    frames without a face, and tiny faces. The sheet shows clips with
    warnings first, then random ones.

    Example: [bold]segkit inspect data/mine --sheet mine.png[/bold].
    """
    if sheet is not None:
        require_free(sheet, force=force)
        if sheet.suffix.lower() not in (".png", ".jpg", ".webp"):
            raise ValueError(f"--sheet: expected a .png, .jpg or .webp, got {sheet}")
    from segkit.clip_report import report_on

    report = report_on(dataset, progress=not as_json)
    typer.echo(json.dumps(report.plain(), indent=1) if as_json else _in_words(report))
    if sheet is not None:
        _draw(dataset, report, sheet, clips, seed)


def _draw(dataset: Path, report: FolderReport, sheet: Path, clips: int, seed: int) -> None:
    import os

    from PIL import Image

    from segkit.cli.clip_sheet import clip_sheet

    picture = clip_sheet(dataset, report, num_clips=clips, seed=seed)
    part = sheet.with_name(f".part-{sheet.name}")
    sheet.parent.mkdir(parents=True, exist_ok=True)
    try:
        Image.fromarray(picture).save(part)
        os.replace(part, sheet)
    finally:
        part.unlink(missing_ok=True)


def _in_words(report: FolderReport) -> str:
    from segkit.clip_report import OPENING_EDGES

    seconds = sum(part["seconds"] for part in report.splits.values())
    persons = len({notes.person_id for notes in report.clips})
    sizes = ", ".join(f"{size} px" for size in report.sizes)
    lines = [
        f"{report.root}: {len(report.clips)} clips, {persons} persons, {_time(seconds)}, {sizes}, "
        f"regions {report.scheme}",
        "",
        "split      clips  persons  time",
    ]
    for split, part in report.splits.items():
        lines.append(f"{split:9} {part['clips']:6} {part['persons']:8}  {_time(part['seconds'])}")
    lines += ["", "share of the pixels"]
    for region, share in sorted(report.class_shares.items(), key=lambda pair: -pair[1]):
        lines.append(f"{region:12} {share:7.2%}  {_bar(share)}")
    lines += ["", "mouth opening (inside of the mouth, in share of mouth and lips)"]
    for low, high, share in zip(OPENING_EDGES, OPENING_EDGES[1:], report.openings, strict=False):
        lines.append(f"{low:4.2f}-{high:4.2f}    {share:7.1%}  {_bar(share)}")
    lines += ["", f"frames without a face: {report.unseen_share:.1%}"]
    if report.quarantined:
        lines.append(f"in the quarantine: {report.quarantined} (quarantine.jsonl)")
    return "\n".join(lines + _warning_lines(report))


def _warning_lines(report: FolderReport) -> list[str]:
    suspects = report.suspects
    if not suspects:
        return ["no clip looks wrong"]
    shown = [f"  {notes.clip_id}: {', '.join(notes.warnings)}" for notes in suspects[:20]]
    more = [f"  and {len(suspects) - 20} more; --json lists them"] if len(suspects) > 20 else []
    count = "1 clip looks" if len(suspects) == 1 else f"{len(suspects)} clips look"
    return ["", f"{count} wrong", *shown, *more]


def _bar(share: float) -> str:
    return "#" * round(40 * share)


def _time(seconds: float) -> str:
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.2f} h"
