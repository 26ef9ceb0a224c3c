"""Plans: what is to be edited in a talking video, and when, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from segkit.edits.blinks import BLINKS_PER_MINUTE, BlinkSchedule, automatic_blinks


@dataclass(frozen=True)
class Span:
    """A stretch of the video.

    Args:
        start_s: first moment in seconds.
        end_s: moment after the last one; infinite for the end of the video.
        fade_s: time to fade in after the start, unless that is 0, and out before the end.
    """

    start_s: float = 0.0
    end_s: float = math.inf
    fade_s: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Tell whether this is the whole video."""
        return self.start_s == 0 and self.end_s == math.inf

    def level_at(self, time_s: float) -> float:
        """Return how much an edit shows at a time: 0 outside, 1 inside, between in a fade."""
        if not self.start_s <= time_s < self.end_s:
            return 0.0
        since_s = time_s - self.start_s if self.start_s > 0 else math.inf
        nearest_s = min(since_s, self.end_s - time_s)
        return 1.0 if self.fade_s <= 0 else min(1.0, nearest_s / self.fade_s)

    def overlaps(self, other: Span) -> bool:
        """Tell whether two spans share a moment."""
        return self.start_s < other.end_s and other.start_s < self.end_s


WHOLE = Span()
"""From the first frame to the last."""


@dataclass(frozen=True)
class Swap:
    """A region that takes its look from another picture.

    Args:
        region: its name in the scheme; the teeth are in ``mouth``.
        picture: path of the donor.
        strength: 0 keeps the person's own look, 1 takes the donor's.
        span: when.
    """

    region: str
    picture: Path
    strength: float = 1.0
    span: Span = WHOLE


@dataclass(frozen=True)
class MaskEdit:
    """A user's own function that changes masks.

    Args:
        module: path of a Python file.
        function: its name there.
        span: when.
    """

    module: Path
    function: str
    span: Span = WHOLE


@dataclass(frozen=True)
class Painting:
    """Strokes laid over the mask, which stay at their place of the face.

    Args:
        picture: path of a PNG, see `read_painting`.
        span: when.
    """

    picture: Path
    span: Span = WHOLE


@dataclass(frozen=True)
class Background:
    """What stands behind the person; exactly one of the first four is set.

    Args:
        image: path of a picture.
        video: path of a film, played in a loop.
        colour: RGB.
        blur: width in pixels of the blur of the person's own background; 0 fits it to the picture.
    """

    image: Path | None = None
    video: Path | None = None
    colour: tuple[int, int, int] | None = None
    blur: float | None = None

    @property
    def file(self) -> Path | None:
        """Return the picture or film, if it is one."""
        return self.image or self.video


@dataclass(frozen=True)
class AutomaticBlinks:
    """Blinks at irregular intervals, see `automatic_blinks`.

    Args:
        seed: another seed, other times.
        rate_per_min: mean number in a minute.
    """

    seed: int = 0
    rate_per_min: float = BLINKS_PER_MINUTE


@dataclass(frozen=True)
class EditPlan:
    """All edits of one video.

    Args:
        swaps: regions from other pictures.
        blinks: single blinks.
        automatic: blinks by themselves, beside the single ones.
        background: None keeps the source's own.
        masks: functions on masks and paintings, applied in this order.
    """

    swaps: tuple[Swap, ...] = ()
    blinks: BlinkSchedule = field(default_factory=BlinkSchedule)
    automatic: AutomaticBlinks | None = None
    background: Background | None = None
    masks: tuple[MaskEdit | Painting, ...] = ()

    def files(self) -> list[Path]:
        """Return every file that the edits read."""
        behind = self.background.file if self.background else None
        return [
            *(swap.picture for swap in self.swaps),
            *([behind] if behind else []),
            *(edit.module if isinstance(edit, MaskEdit) else edit.picture for edit in self.masks),
        ]

    def schedule(self, duration_s: float) -> BlinkSchedule:
        """Return all blinks of a video of some length."""
        if self.automatic is None:
            return self.blinks
        made = automatic_blinks(
            duration_s, seed=self.automatic.seed, rate_per_min=self.automatic.rate_per_min
        )
        return self.blinks + made


def merged(first: EditPlan, second: EditPlan, *, names: tuple[str, str]) -> EditPlan:
    """Put two plans together, such as an edit file and the options beside it.

    Args:
        first: one plan.
        second: the other; its mask edits come last.
        names: what the user calls the two, for messages.

    Raises:
        ValueError: both say something about the same thing.
    """
    together = f"given by {names[0]} and by {names[1]}"
    pairs = ((first.background, second.background), (first.automatic, second.automatic))
    for thing, (one, other) in zip(("background", "automatic blinks"), pairs, strict=True):
        if one is not None and other is not None:
            raise ValueError(f"{thing}: {together}; keep one of the two")
    plan = EditPlan(
        swaps=(*first.swaps, *second.swaps),
        blinks=first.blinks + second.blinks,
        automatic=first.automatic or second.automatic,
        background=first.background or second.background,
        masks=(*first.masks, *second.masks),
    )
    refuse_repeats(plan, how=together)
    return plan


def refuse_repeats(plan: EditPlan, *, how: str = "given twice") -> None:
    """Refuse a plan that says one thing twice.

    Args:
        plan: any plan.
        how: the problem, for the message.

    Raises:
        ValueError: two swaps of one region, two calls of one function or one painting twice, that
            overlap in time; or two blinks at one time.
    """
    named = [
        *((f"swap of {swap.region}", swap.span) for swap in plan.swaps),
        *((_mask_name(edit), edit.span) for edit in plan.masks),
        *((f"blink at {at:g} s", WHOLE) for _, at in plan.blinks.blinks),
    ]
    known: dict[str, list[Span]] = {}
    for name, span in named:
        if any(other.overlaps(span) for other in known.get(name, ())):
            raise ValueError(f"{name}: {how}{_when(span)}; keep one of the two")
        known.setdefault(name, []).append(span)


def _mask_name(edit: MaskEdit | Painting) -> str:
    if isinstance(edit, Painting):
        return f"painting {edit.picture.name}"
    return f"mask edit {edit.module.name}:{edit.function}"


def _when(span: Span) -> str:
    if span.is_whole:
        return ""
    end = "the end" if span.end_s == math.inf else f"{span.end_s:g} s"
    return f" (between {span.start_s:g} s and {end})"
