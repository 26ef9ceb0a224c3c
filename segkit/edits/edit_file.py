"""Edit files: a timeline of edits in YAML or JSON, checked value by value."""

from __future__ import annotations

import math
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from segkit.edits.blinks import BLINKS_PER_MINUTE, MAX_BLINKS_PER_MINUTE, BlinkSchedule
from segkit.edits.marked import EditFileError, Marked, read_marked
from segkit.edits.mask_functions import require_function, split_function
from segkit.edits.options import parse_colour, region_named
from segkit.edits.plan import (
    AutomaticBlinks,
    Background,
    EditPlan,
    MaskEdit,
    Painting,
    Span,
    Swap,
    refuse_repeats,
)
from segkit.regions import SCHEME_12, RegionScheme

VERSION = 1
"""Of the format."""

_TOP = ("version", "blinks", "swaps", "background", "masks")
_SECONDS = "a time in seconds, 0 or later"

T = TypeVar("T")


def read_edits(
    path: str | Path, *, scheme: RegionScheme = SCHEME_12, confined: bool = False
) -> EditPlan:
    """Read an edit file; nothing of a user's code in it is run.

    Args:
        path: of a YAML file, or of a JSON file whose name ends in ``.json``. Paths in it are
            relative to its folder.
        scheme: names of the regions.
        confined: for files of strangers: refuse functions, and files that do not lie beside this
            one.

    Raises:
        FileNotFoundError: no such file.
        EditFileError: anything in it that cannot be used; the message names file, line and column,
            what was wanted and what came.
    """
    document = read_marked(Path(path), confined=confined)
    top = document.fields(_TOP, required=("version",))
    version = top["version"].integer(f"{VERSION}", low=0)
    if version != VERSION:
        top["version"].fail(f"expected {VERSION}, got {version}; another segkit may read this file")
    swaps = top["swaps"].items("swaps") if "swaps" in top else []
    masks = top["masks"].items("mask edits") if "masks" in top else []
    blinks, automatic = _blinks(top["blinks"]) if "blinks" in top else (BlinkSchedule(), None)
    plan = EditPlan(
        swaps=tuple(_swap(item, scheme) for item in swaps),
        blinks=blinks,
        automatic=automatic,
        background=_background(top["background"]) if "background" in top else None,
        masks=tuple(_mask(item) for item in masks),
    )
    _refuse_repeats(plan, top)
    return plan


def _swap(item: Marked, scheme: RegionScheme) -> Swap:
    known = ("region", "image", "strength", "from", "to", "fade")
    fields = item.fields(known, required=("region", "image"))
    name = fields["region"].text("the name of a region")
    region = region_named(name, scheme)
    if region is None:
        close = get_close_matches(name, scheme.regions, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        fields["region"].wrong(f"one of {', '.join(scheme.regions)}{hint}")
    return Swap(
        region=region,
        picture=_file(fields["image"], "a picture"),
        strength=_share(fields, "strength"),
        span=_span(fields),
    )


def _mask(item: Marked) -> MaskEdit | Painting:
    fields = item.fields(("function", "painting", "from", "to"))
    if ("function" in fields) == ("painting" in fields):
        item.fail("expected either 'function' or 'painting'")
    if "painting" in fields:
        return Painting(_file(fields["painting"], "a picture"), _span(fields))
    value = fields["function"]
    if value.confined:
        value.fail("functions are not run here; paint the mask instead")
    wanted = "FILE.py:FUNCTION such as mine.py:wider_smile"
    module, function = _told(value, split_function, value.text(wanted))
    module = value.path.parent / module.expanduser()
    try:
        require_function(module, function)
    except (FileNotFoundError, ValueError) as error:
        value.fail(str(error))
    return MaskEdit(module, function, _span(fields))


def _background(item: Marked) -> Background:
    fields = item.fields(("image", "video", "colour", "blur"))
    if len(fields) != 1:
        given = ", ".join(fields) or "none"
        item.fail(f"expected exactly one of image, video, colour, blur, got {given}")
    kind, value = next(iter(fields.items()))
    if kind == "image":
        return Background(image=_file(value, "a picture"))
    if kind == "video":
        return Background(video=_file(value, "a film"))
    if kind == "blur":
        wanted = "a width in pixels above 0, or auto"
        sigma = 0.0 if value.is_word("auto") else value.number(wanted, low=1e-6)
        return Background(blur=sigma)
    colour = value.text("a colour such as '#204060' (in quotes) or navy")
    return Background(colour=_told(value, parse_colour, colour))


def _blinks(item: Marked) -> tuple[BlinkSchedule, AutomaticBlinks | None]:
    if item.is_list:
        return BlinkSchedule(tuple(_blink(one) for one in item.items("blinks"))), None
    known = ("automatic", "seed", "rate_per_min")
    fields = item.fields(known, required=("automatic",))
    rate = BLINKS_PER_MINUTE
    if "rate_per_min" in fields:
        wanted = f"blinks per minute above 0 and up to {MAX_BLINKS_PER_MINUTE:g}"
        rate = fields["rate_per_min"].number(wanted, low=1e-6, high=MAX_BLINKS_PER_MINUTE)
    seed = fields["seed"].integer("a whole number, 0 or more", low=0) if "seed" in fields else 0
    wanted_at_all = fields["automatic"].truth()
    return BlinkSchedule(), AutomaticBlinks(seed, rate) if wanted_at_all else None


def _blink(item: Marked) -> tuple[float, float]:
    fields = item.fields(("at", "amount"), required=("at",))
    return _share(fields, "amount"), fields["at"].number(_SECONDS, low=0)


def _share(fields: dict[str, Marked], key: str) -> float:
    """Read a number in [0, 1] that is 1 where it is not given."""
    if key not in fields:
        return 1.0
    return fields[key].number("a number in 0..1", low=0, high=1)


def _span(fields: dict[str, Marked]) -> Span:
    start_s = fields["from"].number(_SECONDS, low=0) if "from" in fields else 0.0
    end_s = fields["to"].number(_SECONDS, low=0) if "to" in fields else math.inf
    fade_s = fields["fade"].number(_SECONDS, low=0) if "fade" in fields else 0.0
    if end_s <= start_s:
        fields["to"].fail(f"expected a time after 'from' ({start_s:g} s), got {end_s:g}")
    num_fades = (start_s > 0) + (end_s < math.inf)
    if fade_s and not num_fades:
        fields["fade"].fail("there is nothing to fade: give 'from' or 'to' as well")
    if fade_s * num_fades > end_s - start_s + 1e-9:
        longest = (end_s - start_s) / num_fades
        fields["fade"].fail(f"expected at most {longest:g} s in this span, got {fade_s:g}")
    return Span(start_s, end_s, fade_s)


def _file(value: Marked, wanted: str) -> Path:
    text = value.text(f"the path of {wanted}")
    if value.confined and (Path(text).name != text or text.startswith((".", "~"))):
        value.fail(f"expected {wanted} that lies beside the edit file, named without a folder")
    path = value.path.parent / Path(text).expanduser()
    if path.is_dir() or not path.exists():
        problem = "is a folder" if path.is_dir() else "does not exist"
        value.fail(f"expected {wanted}, but {path} {problem} (paths are relative to the edit file)")
    return path


def _told(value: Marked, read: Callable[[str], T], text: str) -> T:
    """Read a text, and put the place before what is wrong with it."""
    try:
        return read(text)
    except ValueError as error:
        value.fail(str(error))


def _refuse_repeats(plan: EditPlan, top: dict[str, Marked]) -> None:
    """Name the later of two things that exclude each other."""
    for key, kept in (
        ("blinks", lambda count: EditPlan(blinks=BlinkSchedule(plan.blinks.blinks[:count]))),
        ("swaps", lambda count: EditPlan(swaps=plan.swaps[:count])),
        ("masks", lambda count: EditPlan(masks=plan.masks[:count])),
    ):
        if key in top and top[key].is_list:
            for count, item in enumerate(top[key].items(key), 1):
                try:
                    refuse_repeats(kept(count))
                except ValueError as error:
                    item.fail(str(error))


__all__ = ["VERSION", "EditFileError", "read_edits"]
