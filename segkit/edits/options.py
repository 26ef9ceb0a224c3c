"""Options: edits as they are written on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segkit.edits.blinks import BlinkSchedule
from segkit.edits.mask_functions import require_function, split_function
from segkit.edits.plan import AutomaticBlinks, Background, EditPlan, MaskEdit, Swap, refuse_repeats
from segkit.preparing.footage import VIDEO_ENDINGS
from segkit.regions import SCHEME_12, RegionScheme

_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")


def parse_options(
    *,
    swaps: Sequence[str] = (),
    blinks: Sequence[str] = (),
    background: str | Path | None = None,
    masks: Sequence[str] = (),
    scheme: RegionScheme = SCHEME_12,
) -> EditPlan:
    """Read the options of `segkit talk`.

    Args:
        swaps: see `parse_swap`.
        blinks: ``AMOUNT@SECONDS`` texts, or ``auto``.
        background: see `parse_background`.
        masks: ``FILE.py:FUNCTION`` texts.
        scheme: names of the regions.

    Raises:
        ValueError: a text of another form, or one thing given twice.
        KeyError: an unknown region.
        FileNotFoundError: a file that is not there.
    """
    single = [text for text in blinks if text.strip().lower() != "auto"]
    num_automatic = len(blinks) - len(single)
    if num_automatic > 1:
        raise ValueError("--blink auto: given twice; keep one of the two")
    plan = EditPlan(
        swaps=tuple(parse_swap(text, scheme=scheme) for text in swaps),
        blinks=BlinkSchedule.parse(single),
        automatic=AutomaticBlinks() if num_automatic else None,
        background=None if background is None else parse_background(background),
        masks=tuple(parse_mask(text) for text in masks),
    )
    refuse_repeats(plan)
    return plan


def parse_swap(text: str, *, scheme: RegionScheme = SCHEME_12) -> Swap:
    """Read ``REGION=PICTURE`` or ``REGION=PICTURE@STRENGTH``, such as ``lips=ref.jpg@0.6``.

    Raises:
        ValueError: another form, or a strength outside [0, 1].
        KeyError: an unknown region.
        FileNotFoundError: no such picture.
    """
    name, separator, rest = text.partition("=")
    if not separator or not name.strip() or not rest:
        raise ValueError(
            f"swap: expected REGION=PICTURE such as lips=ref.jpg, or REGION=PICTURE@STRENGTH, "
            f"got {text!r}"
        )
    region = region_named(name, scheme)
    if region is None:
        scheme.index(name.strip().lower())
    path, strength = _with_strength(rest, text)
    if not path.is_file():
        raise FileNotFoundError(f"swap {text!r}: picture {path} not found")
    assert region is not None
    return Swap(region, path, strength)


def parse_mask(text: str) -> MaskEdit:
    """Read ``FILE.py:FUNCTION``.

    Raises:
        ValueError: another form, or no such function in the file.
        FileNotFoundError: no such file.
    """
    module, function = split_function(text)
    require_function(module, function)
    return MaskEdit(module, function)


def parse_background(value: str | Path) -> Background:
    """Read a path of a picture or film, a colour, ``blur``, or ``blur:SIGMA``.

    A file whose name ends as a film's and that is no picture is a film.

    Raises:
        ValueError: something else.
        FileNotFoundError: a path where nothing is.
    """
    if isinstance(value, str):
        word = value.strip()
        if word == "blur" or word.startswith("blur:"):
            return Background(blur=_sigma(word))
        if word.startswith("#") or not _is_path(word):
            return Background(colour=parse_colour(word))
    path = Path(value)
    if not path.is_file():
        raise FileNotFoundError(f"background: picture or film {path} not found")
    if is_picture(path) or path.suffix.lower() not in VIDEO_ENDINGS:
        return Background(image=path)
    return Background(video=path)


def parse_colour(text: str) -> tuple[int, int, int]:
    """Read ``#RRGGBB``, ``#RGB`` or a colour's name as RGB in 0..255.

    Raises:
        ValueError: something else.
    """
    from PIL import ImageColor

    try:
        red, green, blue, *_ = ImageColor.getrgb(text.strip())
    except ValueError as error:
        raise ValueError(
            f"background: expected a colour such as #204060 or navy, blur, blur:SIGMA, "
            f"or the path of a picture or film, got {text!r}"
        ) from error
    return red, green, blue


def region_named(name: str, scheme: RegionScheme) -> str | None:
    """Find a region by its name; ``teeth`` is the mouth, singular and plural both do."""
    wanted = name.strip().lower()
    wanted = "mouth" if wanted == "teeth" else wanted
    forms = (wanted, wanted.removesuffix("s"), f"{wanted}s")
    return next((form for form in forms if form in scheme.regions), None)


def is_picture(path: Path) -> bool:
    """Tell a picture from a film."""
    if path.suffix.lower() in _PICTURE_SUFFIXES:
        return True
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path):
            return True
    except (UnidentifiedImageError, OSError):
        return False


def _is_path(word: str) -> bool:
    """A colour's name has no suffix and no folder; a file of that name comes first."""
    path = Path(word)
    return path.exists() or bool(path.suffix) or len(path.parts) > 1


def _sigma(word: str) -> float:
    if word == "blur":
        return 0.0
    try:
        sigma = float(word.removeprefix("blur:"))
    except ValueError:
        sigma = -1.0
    if not 0 < sigma < float("inf"):
        raise ValueError(
            f"background: expected blur or blur:SIGMA with a width above 0 pixels, got {word!r}"
        )
    return sigma


def _with_strength(rest: str, text: str) -> tuple[Path, float]:
    """Split a strength off a path, unless the whole is the name of a file."""
    path, separator, number = rest.rpartition("@")
    if not separator or Path(rest).is_file():
        return Path(rest), 1.0
    try:
        strength = float(number)
    except ValueError:
        return Path(rest), 1.0
    if not 0 <= strength <= 1:
        raise ValueError(f"swap {text!r}: expected a strength in 0..1, got {number}")
    return Path(path), strength
