"""`segkit fit`: adapt the model to one person from seconds of video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli.errors import require_file, require_free, user_errors
from segkit.cli.face_options import POINT_HELP, REF_IMAGE_HELP, chosen_face


@user_errors()
def fit(
    clip: Annotated[
        Path, typer.Argument(help="Film of one talking person.", metavar="CLIP", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Bundle to write (.safetensors).", metavar="FILE")
    ],
    audio: Annotated[
        Path | None,
        typer.Option(
            "--audio",
            "-a",
            help="Its speech, from the first frame; default: its own sound.",
            metavar="FILE",
        ),
    ] = None,
    start: Annotated[float, typer.Option("--start", min=0, help="First second to learn from.")] = 0,
    end: Annotated[
        float | None, typer.Option("--end", min=0, help="Last second; default: the end.")
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", help="Time to train; more is better.")
    ] = 10,
    size: Annotated[
        int | None,
        typer.Option("--size", help="Side of the drawn face; default: as the film allows."),
    ] = None,
    face: Annotated[
        int | None, typer.Option("--face", min=0, help="Which face, 0 = leftmost.")
    ] = None,
    point: Annotated[str | None, typer.Option("--point", help=POINT_HELP, metavar="X,Y")] = None,
    ref_image: Annotated[
        Path | None, typer.Option("--ref-image", help=REF_IMAGE_HELP, metavar="FILE")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", "-m", help="Bundle to start from; default: built in.", metavar="FILE"
        ),
    ] = None,
    parser: Annotated[
        str | None,
        typer.Option(
            "--parser",
            help="What labels the face; see `segkit prepare --help`.",
            metavar="NAME|FILE",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of all random draws.")] = 0,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu or cuda; default: a GPU if there is one.")
    ] = None,
    save_on_interrupt: Annotated[
        bool, typer.Option("--save-on-interrupt", help="On Ctrl-C, write the best so far.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the bundle if it exists.")
    ] = False,
) -> None:
    """Adapt the model to one person, so that it draws that face and no other.

    Six seconds of talking are enough to start; a minute is plenty.

    Example: [bold]segkit fit me.mp4 --out me.safetensors[/bold], then
    [bold]segkit talk -v me.mp4 -a speech.wav -m me.safetensors -o out.mp4[/bold].
    """
    require_file(clip, option="CLIP")
    if audio is not None:
        require_file(audio, option="--audio")
    if model is not None:
        require_file(model, option="--model")
    require_free(out, force=force)
    chosen = chosen_face(face, point, ref_image)

    from segkit.talk.fit import fit as adapt

    made = adapt(
        clip, out=out, audio=audio, start_s=start, end_s=end, minutes=minutes, size=size,
        face=chosen, model=model, parser=parser, seed=seed, device=device,
        save_on_interrupt=save_on_interrupt, force=force,
    )  # fmt: skip
    typer.echo(summary(out, made))


def summary(out: Path, made: dict[str, Any]) -> str:
    """Tell what was learned from, and how well held-out frames are met."""
    from segkit.talk.fit_report import learned, still_learning

    lines = [f"{out}: {made['size']} px, from {made['frames']} frames in {made['seconds']:.0f} s"]
    lines += [f"  {sentence}" for sentence in learned(made)]
    for second, psnr in made.get("images", {}).get("curve", []):
        lines.append(f"    after {second:4d} s of drawing: {psnr:.2f} dB")
    if made.get("sound_delay_s"):
        lines.append(
            f"  the film's sound comes {1000 * made['sound_delay_s']:+.0f} ms after the mouth"
        )
    if still_learning(made):
        lines.append("  it was still getting better: more --minutes would help")
    return "\n".join(lines)
