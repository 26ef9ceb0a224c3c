"""Which face of a film is meant: its number, a point on it, or a picture of the person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

WAYS = ("--face N", "--point X,Y", "--ref-image FILE")


@dataclass(frozen=True)
class FaceChoice:
    """A choice of one face; without any, the only or the clearly largest one is meant.

    Args:
        number: from left to right in the first frame with faces, from 0.
        point: x and y in pixels of that frame; the face there, or the nearest one.
        picture: file with the person's face; the face that looks most like it, in the first frame
            that shows one like it.

    Raises:
        ValueError: more than one of them, or a negative number.
    """

    number: int | None = None
    point: tuple[float, float] | None = None
    picture: Path | None = None

    def __post_init__(self) -> None:
        given = (self.number, self.point, self.picture)
        named = [way for way, value in zip(WAYS, given, strict=True) if value is not None]
        if len(named) > 1:
            raise ValueError(f"a face is chosen in one way, got {' and '.join(named)}; leave one")
        if self.number is not None and self.number < 0:
            raise ValueError(f"face: expected a number from 0, got {self.number}")

    def moved(self, x: float, y: float) -> FaceChoice:
        """Return the choice for a frame whose origin lies at ``x, y`` of this one's."""
        if self.point is None:
            return self
        return replace(self, point=(self.point[0] - x, self.point[1] - y))

    def plain(self) -> int | str | list[float] | None:
        """Return the choice as plain data, equal for equal choices."""
        if self.point is not None:
            return list(self.point)
        return self.number if self.picture is None else str(self.picture.absolute())

    def note(self) -> str | None:
        """Say what a likeness goes by, where it is not a recognition network."""
        from segkit.faces.likeness import known_likeness

        if self.picture is None:
            return None
        likeness = known_likeness()
        if likeness.recognises:
            return None
        return (
            f"--ref-image: compared by {likeness.words}; a recognition network is surer, see "
            "`segkit weights dlib_identity`"
        )


def face_choice(face: FaceChoice | int | None) -> FaceChoice:
    """Return a choice; a number is short for one."""
    return face if isinstance(face, FaceChoice) else FaceChoice(number=face)


def choice_of_options(face: int | None, point: str | None, ref_image: Path | None) -> FaceChoice:
    """Read the three options of the command line.

    Args:
        face: ``--face``.
        point: ``--point``, such as ``"640,360"``.
        ref_image: ``--ref-image``.

    Raises:
        FileNotFoundError: no such picture.
        ValueError: more than one of them, or a point that is no ``X,Y``.
    """
    if ref_image is not None and not ref_image.is_file():
        raise FileNotFoundError(f"--ref-image: {ref_image} does not exist")
    return FaceChoice(face, None if point is None else _point(point), ref_image)


def _point(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--point: expected X,Y in pixels such as 640,360, got {text!r}") from None
    return x, y
