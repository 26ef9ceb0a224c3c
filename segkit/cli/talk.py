"""`segkit talk`: a video or a picture of a face, and a voice, become a talking video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli.errors import require_file, require_free, user_errors

_USE, _EDIT, _MORE = "Input and output", "Edits", "More"


@user_errors()
def talk(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Video to write: .mp4, .mov or .mkv.",
            metavar="FILE",
            rich_help_panel=_USE,
        ),
    ],
    video: Annotated[
        Path | None,
        typer.Option(
            "--video",
            "-v",
            help="Film of the person; size and fps stay.",
            metavar="FILE",
            rich_help_panel=_USE,
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            "--image", "-i", help="Photo instead of a film.", metavar="FILE", rich_help_panel=_USE
        ),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(
            "--audio",
            "-a",
            help="The voice; default: the film's own.",
            metavar="FILE",
            rich_help_panel=_USE,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            help="Bundle of `segkit fit` or `segkit bundle`.",
            metavar="FILE",
            rich_help_panel=_USE,
        ),
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(
            "--background",
            "-b",
            help="Picture to put behind the person.",
            metavar="IMG",
            rich_help_panel=_EDIT,
        ),
    ] = None,
    swap: Annotated[
        list[str] | None,
        typer.Option(
            "--swap",
            help="Give a region the look it has in another face; repeatable.",
            metavar="REGION=IMG",
            rich_help_panel=_EDIT,
        ),
    ] = None,
    blink: Annotated[
        list[str] | None,
        typer.Option(
            "--blink",
            help="Close the eyes by AMOUNT (0..1) at SECONDS; repeatable.",
            metavar="AMOUNT@SECONDS",
            rich_help_panel=_EDIT,
        ),
    ] = None,
    face: Annotated[
        int | None,
        typer.Option("--face", min=0, help="Which face, 0 = leftmost.", rich_help_panel=_MORE),
    ] = None,
    parser: Annotated[
        str | None,
        typer.Option(
            "--parser",
            help="What labels the face; see `segkit prepare --help`.",
            metavar="NAME|FILE",
            rich_help_panel=_MORE,
        ),
    ] = None,
    on_short_video: Annotated[
        str,
        typer.Option(
            "--on-short-video",
            help="When the voice is longer: pingpong, loop, freeze, stop.",
            metavar="HOW",
            rich_help_panel=_MORE,
        ),
    ] = "pingpong",
    device: Annotated[
        str | None,
        typer.Option(
            "--device", help="cpu or cuda; default: a GPU if there is one.", rich_help_panel=_MORE
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace the output if it exists.", rich_help_panel=_MORE),
    ] = False,
) -> None:
    """Make a face say what a voice says, and edit it on the way.

    Such as:

    [bold]segkit talk --video me.mp4 --audio speech.wav --out out.mp4[/bold]

    [bold]segkit talk --image portrait.jpg --audio speech.wav --out out.mp4[/bold]

    [bold]segkit talk -v me.mp4 -a speech.wav -o out.mp4 -b office.jpg
    --swap lip=ref.jpg --blink 0.8@2.0[/bold]

    Regions: background, lip, eyebrows, eyes, hair, nose, skin, ears, neck,
    mouth, glasses, earrings.
    """
    # What can be told at once is told before torch is loaded.
    if (video is None) == (image is None):
        raise ValueError("give the face that shall talk: either --video or --image")
    for option, path in {
        "--video": video,
        "--image": image,
        "--audio": audio,
        "--model": model,
        "--background": background,
    }.items():
        if path is not None:
            require_file(path, option=option)
    require_free(out, force=force)

    from segkit.talk.pipeline import talk as make

    made = make(
        out=out, video=video, image=image, audio=audio, model=model, face=face,
        background=background, swaps=swap or (), blinks=blink or (),
        on_short_video=on_short_video, parser=parser, device=device, force=force,
    )  # fmt: skip
    typer.echo(summary(out, made))


def summary(out: Path, made: dict[str, Any]) -> str:
    """Tell in a line or two what was made, and where no face was found."""
    line = (
        f"{out}: {made['frames']} frames of {made['width']} x {made['height']} "
        f"at {made['fps']:g} fps, made in {made['seconds']['total']:.1f} s"
    )
    if made["passed_through"]:
        spans = ", ".join(f"{start:g}-{end:g} s" for start, end in made["passed_through"])
        line += f"\nno face was found at {spans}; those frames are as they were"
    return line
