"""Edit files the other way: a plan as YAML, and the example that teaches the format."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from segkit.edits.edit_file import VERSION
from segkit.edits.plan import Background, EditPlan, MaskEdit, Painting, Span

EXAMPLE = """\
# Edits of a talking video: segkit talk ... --edits edits.yaml
# Paths are relative to this file; times are seconds of the output. Every part may be left out.
version: 1

# By themselves, at the rate of people who talk; the same seed gives the same times.
blinks: {automatic: true, seed: 3, rate_per_min: 20}
# Or one by one; amount 1 (the default) closes the eyes:
# blinks:
#   - {at: 2.0, amount: 0.3}
#   - {at: 4.5}

# Regions that take their look from another picture: lip, hair, eyebrows, eyes, skin, nose, ears,
# neck, mouth (the teeth), glasses, earrings.
swaps:
  - {region: hair, image: ref.jpg}
  - {region: lip, image: ref.jpg, strength: 0.6, from: 1.0, to: 3.0, fade: 0.2}

# One of: {blur: 12} (pixels) or {blur: auto}, {image: office.jpg}, {colour: "#204060"},
# {video: beach.mp4} (played in a loop).
background: {blur: 12}

# Your own Python: def wider_smile(labels, time_s, scheme) returns the changed labels. It is run.
# Or a painting, a PNG of the aligned face: {painting: strokes.png}
masks:
  - {function: "mine.py:wider_smile", from: 0, to: 2}
"""


def edits_text(plan: EditPlan, *, beside: str | Path | None = None) -> str:
    """Write a plan as the YAML that `read_edits` reads back.

    Args:
        plan: with single or automatic blinks, not both: a file says one of them.
        beside: folder of the file: what lies in it is named without it, so that both can be moved
            together. None writes absolute paths, and the file may lie anywhere.

    Raises:
        ValueError: single blinks beside automatic ones.
    """
    import yaml

    if plan.automatic is not None and plan.blinks.blinks:
        raise ValueError(
            "edits: expected single blinks or automatic ones, got both; a file holds one of them"
        )
    document: dict[str, Any] = {"version": VERSION}
    if plan.automatic is not None:
        seed, rate = plan.automatic.seed, plan.automatic.rate_per_min
        document["blinks"] = {"automatic": True, "seed": seed, "rate_per_min": rate}
    elif plan.blinks.blinks:
        document["blinks"] = [{"at": at, "amount": amount} for amount, at in plan.blinks.blinks]
    if plan.swaps:
        document["swaps"] = [
            {"region": swap.region, "image": _told(swap.picture, beside), "strength": swap.strength}
            | _times(swap.span)
            for swap in plan.swaps
        ]
    if plan.background is not None:
        document["background"] = _background(plan.background, beside)
    if plan.masks:
        document["masks"] = [_mask(edit, beside) | _times(edit.span) for edit in plan.masks]
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _times(span: Span) -> dict[str, float]:
    times = {"from": span.start_s} if span.start_s else {}
    if span.end_s < math.inf:
        times["to"] = span.end_s
    return times | ({"fade": span.fade_s} if span.fade_s else {})


def _mask(edit: MaskEdit | Painting, beside: str | Path | None) -> dict[str, Any]:
    if isinstance(edit, Painting):
        return {"painting": _told(edit.picture, beside)}
    return {"function": f"{_told(edit.module, beside)}:{edit.function}"}


def _background(background: Background, beside: str | Path | None) -> dict[str, Any]:
    if background.image is not None:
        return {"image": _told(background.image, beside)}
    if background.video is not None:
        return {"video": _told(background.video, beside)}
    if background.colour is not None:
        return {"colour": "#{:02x}{:02x}{:02x}".format(*background.colour)}
    return {"blur": background.blur or "auto"}


def _told(path: Path, beside: str | Path | None) -> str:
    whole = path.absolute()
    if beside is not None and whole.is_relative_to(Path(beside).absolute()):
        return str(whole.relative_to(Path(beside).absolute()))
    return str(whole)
