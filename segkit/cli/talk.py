"""`segkit talk`: a video or a picture of a face, and a voice, become a talking video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.errors import require_file, require_free, user_errors
from segkit.cli.face_options import POINT_HELP, REF_IMAGE_HELP, chosen_face
from segkit.cli.talk_summary import summary

_USE, _EDIT, _MORE = "Input and output", "Edits", "More"
_CREDENTIALS = "Content Credentials (`segkit verify` reads them)"


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
        str | None,
        typer.Option(
            "--background",
            "-b",
            help="Put a picture, a looped video or a colour (#RRGGBB, navy) behind the person; "
            "blur or blur:PIXELS blurs what is there.",
            metavar="IMG|VIDEO|COLOUR|blur",
            rich_help_panel=_EDIT,
        ),
    ] = None,
    swap: Annotated[
        list[str] | None,
        typer.Option(
            "--swap",
            help="Give a region the look it has in another face, wholly or by STRENGTH (0..1); "
            "repeatable.",
            metavar="REGION=IMG[@STRENGTH]",
            rich_help_panel=_EDIT,
        ),
    ] = None,
    blink: Annotated[
        list[str] | None,
        typer.Option(
            "--blink",
            help="Blink by itself, or close the eyes by AMOUNT (0..1) at SECONDS; repeatable.",
            metavar="auto|AMOUNT@SECONDS",
            rich_help_panel=_EDIT,
        ),
    ] = None,
    edits: Annotated[
        Path | None,
        typer.Option(
            "--edits",
            "-e",
            help="Timeline of edits; see `segkit edits`.",
            metavar="YAML|JSON",
            rich_help_panel=_EDIT,
        ),
    ] = None,
    mask_edit: Annotated[
        list[str] | None,
        typer.Option(
            "--mask-edit",
            help="Change masks by your own FUNCTION(labels, time_s, scheme); "
            "this runs the file; repeatable.",
            metavar="FILE.py:FUNCTION",
            rich_help_panel=_EDIT,
        ),
    ] = None,
    face: Annotated[
        int | None,
        typer.Option("--face", min=0, help="Which face, 0 = leftmost.", rich_help_panel=_MORE),
    ] = None,
    point: Annotated[
        str | None,
        typer.Option("--point", help=POINT_HELP, metavar="X,Y", rich_help_panel=_MORE),
    ] = None,
    ref_image: Annotated[
        Path | None,
        typer.Option("--ref-image", help=REF_IMAGE_HELP, metavar="FILE", rich_help_panel=_MORE),
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
    on_long_video: Annotated[
        str,
        typer.Option(
            "--on-long-video",
            help="When the film is longer: trim ends with the voice; keep goes on to the film's "
            "end, silent and with closed mouth.",
            metavar="HOW",
            rich_help_panel=_MORE,
        ),
    ] = "trim",
    backend: Annotated[
        str,
        typer.Option(
            "--backend",
            help="What runs the networks of every frame: torch; compile (torch.compile, for the "
            "masks; needs g++; with CUDA graphs on a GPU); onnxruntime or openvino (CPU; needs "
            "segkit\\[export]). The first use of a model takes a minute or more, and is kept.",
            metavar="NAME",
            rich_help_panel=_MORE,
        ),
    ] = "torch",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="fp32; bf16 (torch, openvino): faster where the processor or GPU has units for "
            "it, as `segkit doctor` tells; int8 (onnxruntime, openvino): of the masks alone, and "
            "fp32 where int8 moves them by over 0.5 points of mIoU.",
            metavar="NAME",
            rich_help_panel=_MORE,
        ),
    ] = "fp32",
    device: Annotated[
        str | None,
        typer.Option(
            "--device", help="cpu or cuda; default: a GPU if there is one.", rich_help_panel=_MORE
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            help="PEM chain that signs; default: one made here, which nobody vouches for.",
            metavar="FILE",
            rich_help_panel=_CREDENTIALS,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="PEM file of the certificate's key.",
            metavar="FILE",
            rich_help_panel=_CREDENTIALS,
        ),
    ] = None,
    no_credentials: Annotated[
        bool,
        typer.Option(
            "--no-credentials",
            help="Do not say in the video how it was made.",
            rich_help_panel=_CREDENTIALS,
        ),
    ] = False,
    crf: Annotated[
        int,
        typer.Option("--crf", min=0, max=51, help="Quality, 0 is lossless.", rich_help_panel=_MORE),
    ] = 17,
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            help="Work of the encoder, ultrafast to veryslow: medium keeps a little more than "
            "veryfast in a file of the same size, in 2.5 times the time.",
            metavar="HOW",
            rich_help_panel=_MORE,
        ),
    ] = "veryfast",
    masks: Annotated[
        Path | None,
        typer.Option(
            "--masks",
            help="Write the mask of every frame too, as pictures in a .zip; such a talk does not "
            "go on after a stop.",
            metavar="ZIP",
            rich_help_panel=_MORE,
        ),
    ] = None,
    no_resume: Annotated[
        bool,
        typer.Option(
            "--no-resume",
            help="Start afresh; default: the same command goes on where it was stopped.",
            rich_help_panel=_MORE,
        ),
    ] = False,
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

    [bold]segkit talk -v me.mp4 -a speech.wav -o out.mp4 --edits edits.yaml[/bold]

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
        "--background": background_file(background),
        "--edits": edits,
        "--certificate": certificate,
        "--key": key,
    }.items():
        if path is not None:
            require_file(path, option=option)
    require_free(out, force=force)
    if masks is not None:
        require_free(masks, force=force)
    chosen = chosen_face(face, point, ref_image)

    from segkit.memory import keep_freed_memory
    from segkit.talk.pipeline import talk as make

    keep_freed_memory()
    made = make(
        out=out, video=video, image=image, audio=audio, model=model, face=chosen,
        background=background, swaps=swap or (), blinks=blink or (),
        mask_edits=mask_edit or (), edits=edits,
        on_short_video=on_short_video, on_long_video=on_long_video, resume=not no_resume,
        parser=parser, device=device, backend=backend, precision=precision, force=force,
        crf=crf, preset=preset, masks=masks,
        credentials=not no_credentials, certificate=certificate, key=key,
    )  # fmt: skip
    typer.echo(summary(out, made, unlearned=video if model is None else None))


def background_file(background: str | None) -> Path | None:
    """Return the file that a background is; None for a colour's name, ``#RRGGBB`` or a blur."""
    if background is None or background.startswith(("#", "blur:")) or background == "blur":
        return None
    path = Path(background)
    return path if path.suffix or len(path.parts) > 1 or path.exists() else None
