"""`segkit demo`: talking videos with edits, made from what the package carries."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli.errors import user_errors

# Not a seed of the training data: nobody in the demo was seen in training.
_PERSON, _DONOR = 990_017, 990_051
_COLUMNS = 8
_SIZE = 256
_OWN_WORDS = "Seven grey geese glided over the village green."
_NEW_WORDS = "Hello! Every word that you hear now is new to my face."
_ASTRONAUT_WORDS = "This is a photograph. Speech moves my mask, and the mask paints me."
_HEAD = (slice(0, 320), slice(65, 385))  # of the astronaut's portrait


@dataclass(frozen=True)
class Take:
    """One video of the demo: its file, what to look at, and the arguments of ``talk``."""

    name: str
    title: str
    source: Path
    audio: Path
    edits: dict[str, Any] = field(default_factory=dict)


@user_errors()
def demo(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the videos; earlier results are replaced.",
            metavar="DIR",
        ),
    ] = Path("out/demo"),
    no_credentials: Annotated[
        bool,
        typer.Option("--no-credentials", help="Do not say in the videos how they were made."),
    ] = False,
) -> None:
    r"""Make a drawn person and a photograph talk, and edit them, in a minute or two on two cores.

    Needs no network and no data: the built-in model, synthetic speech
    (pip install 'segkit\[synth]') and the astronaut of scikit-image.
    Writes videos, and contact_sheet.png to see them all at once.
    """
    from segkit.talk.bundle import builtin_bundle_path

    builtin_bundle_path()  # its absence is told before anything is made
    started = time.monotonic()
    typer.echo("drawing a person and speaking the words ...")
    takes = prepare_takes(out / "material")
    made = [(take, make_take(take, out, credentials=not no_credentials)) for take in takes]
    sheet = write_sheet(out, takes)
    report(made, sheet, seconds=time.monotonic() - started)


def prepare_takes(folder: Path) -> list[Take]:
    """Write what the videos are made from and return the plan.

    Raises:
        ImportError: the speech synthesiser is not installed.
    """
    import skimage.data
    import torch
    from PIL import Image

    from segkit.audio import save_wav
    from segkit.synthetic import Voice, portrait, sample_person, speak, talking_clip
    from segkit.video_writer import VideoWriter

    folder.mkdir(parents=True, exist_ok=True)
    person = sample_person(_PERSON)
    clip = talking_clip(_PERSON, _OWN_WORDS, size=_SIZE, person=person, held_out=True)
    with VideoWriter(
        folder / "person.mp4",
        width=_SIZE,
        height=_SIZE,
        fps=25,
        waveform=torch.from_numpy(clip.waveform),
        force=True,
    ) as video:
        for image, _, _ in clip:
            video.write(image)
    voices = {
        "new_words": (person.voice, _NEW_WORDS),
        "astronaut": (Voice("en-us", "f2", 55, 55, 150), _ASTRONAUT_WORDS),
    }
    for name, (voice, words) in voices.items():
        save_wav(folder / f"{name}.wav", torch.from_numpy(speak(words, voice).waveform))
    pictures = {
        "astronaut": skimage.data.astronaut()[_HEAD],
        "rocket": skimage.data.rocket(),
        "donor": portrait(_DONOR, size=_SIZE)[0],
    }
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")

    astronaut, voice_file = folder / "astronaut.png", folder / "astronaut.wav"
    edits = {
        "background": folder / "rocket.png",
        "swaps": [f"lip={folder / 'donor.png'}"],
        "blinks": ["1.0@0.8", "1.0@2.4"],
    }
    return [
        Take(
            "1_new_words",
            "a drawn person says new words",
            folder / "person.mp4",
            folder / "new_words.wav",
        ),
        Take("2_photograph", "a photograph speaks", astronaut, voice_file),
        Take("3_edited", "new background, other lips, blinks", astronaut, voice_file, edits),
    ]


def make_take(take: Take, out: Path, *, credentials: bool) -> Path:
    """Make one video."""
    from segkit.talk.pipeline import talk

    path = out / f"{take.name}.mp4"
    film = take.source.suffix == ".mp4"
    talk(
        out=path,
        video=take.source if film else None,
        image=None if film else take.source,
        audio=take.audio,
        force=True,
        credentials=credentials,
        **take.edits,
    )
    return path


def write_sheet(out: Path, takes: list[Take]) -> Path:
    """Show every video, and what the first was made from, in one picture."""
    from PIL import Image

    from segkit.cli.contact_sheet import contact_sheet, sample_frames

    rows = {"the drawn person's own clip": sample_frames(takes[0].source, count=_COLUMNS)}
    rows |= {take.title: sample_frames(out / f"{take.name}.mp4", count=_COLUMNS) for take in takes}
    path = out / "contact_sheet.png"
    Image.fromarray(contact_sheet(rows)).save(path)
    return path


def report(made: list[tuple[Take, Path]], sheet: Path, *, seconds: float) -> None:
    """Print what was made and where it is."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{sheet.parent}: made in {seconds:.0f} s", title_justify="left")
    for column in ("file", "what to look at", "made from"):
        table.add_column(column, overflow="fold")
    for take, path in made:
        parts = [take.source.name, take.audio.name, *take.edits]
        table.add_row(path.name, take.title, " + ".join(parts))
    table.add_row(sheet.name, "all of them at a glance", "")
    Console().print(table)
