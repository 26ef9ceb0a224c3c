"""The options that say which face of a film is meant, for every command that has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from segkit.faces import FaceChoice

POINT_HELP = "The face at this place in pixels, or the nearest, in the first frame with faces."
REF_IMAGE_HELP = "The face that looks most like the one in this picture."


def chosen_face(face: int | None, point: str | None, ref_image: Path | None) -> FaceChoice | None:
    """Return the choice, None for none; tell how a picture will be compared.

    Raises:
        FileNotFoundError: no such picture.
        ValueError: more than one of them, or a point that is no ``X,Y``.
    """
    if face is None and point is None and ref_image is None:
        return None
    from segkit.faces.choice import choice_of_options

    choice = choice_of_options(face, point, ref_image)
    if note := choice.note():
        typer.echo(note, err=True)
    return choice
