"""Looks: the style codes of a talk over time, prepared once for each distinct state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

from torch import Tensor, nn

from segkit.edits import Swap, swap
from segkit.regions import RegionScheme

# Paper: swaps last for the whole video; ours: a fade in this many steps, each prepared once.
FADE_STEPS = 8

_REMEMBERED = 24
"""States kept prepared; a fade out uses those of the fade in."""

State = tuple[int, ...]
"""Step in 0..FADE_STEPS of every timed swap; empty where there is none."""


@dataclass(frozen=True, eq=False)
class Donor:
    """A swap, and what its picture gave.

    Args:
        swap: which region, how much, when.
        styles: ``1 R L D`` of the picture.
        presence: ``R`` bool, regions that the picture shows.
    """

    swap: Swap
    styles: Tensor
    presence: Tensor


def draws_parts(generator: nn.Module) -> bool:
    """Tell whether a generator draws a part of a picture for less: by a ``render`` with ``box``."""
    render = getattr(generator, "render", None)
    return render is not None and "box" in signature(render).parameters


class Looks:
    """Style codes over time, and the drawing with them.

    Args:
        generator: draws; one with ``prepare`` and ``render`` does its work per state only once, and
            one whose ``render`` takes a ``box`` draws a part of the picture for less.
        styles: ``1 R L D`` of the person.
        donors: swaps, for the whole video or for a time.
        scheme: names of the regions.

    Attributes:
        lasting: the regions that are swapped for the whole video.
    """

    def __init__(
        self, generator: nn.Module, styles: Tensor, *, donors: Sequence[Donor], scheme: RegionScheme
    ) -> None:
        self._generator: Any = generator
        self._draws_parts = draws_parts(generator)
        self._scheme = scheme
        # A swap without strength is none.
        donors = [donor for donor in donors if donor.swap.strength > 0]
        lasting = [donor for donor in donors if donor.swap.span.is_whole]
        self.lasting = tuple(dict.fromkeys(donor.swap.region for donor in lasting))
        for donor in lasting:
            styles = self._swapped(styles, donor, share=1.0)
        self._styles = styles
        self._timed = tuple(donor for donor in donors if not donor.swap.span.is_whole)
        self._prepared: OrderedDict[State, Any] = OrderedDict()
        self.device = styles.device

    def state_at(self, time_s: float) -> State:
        """Return the state at a time."""
        return tuple(round(FADE_STEPS * donor.swap.span.level_at(time_s)) for donor in self._timed)

    def levels(self, state: State) -> tuple[tuple[str, float], ...]:
        """Return the timed regions that show in a state, and how much, in (0, 1]."""
        return tuple(
            (donor.swap.region, step / FADE_STEPS)
            for donor, step in zip(self._timed, state, strict=True)
            if step
        )

    def styles_of(self, state: State) -> Tensor:
        """Return the codes ``1 R L D`` of a state; without swaps those of the person."""
        styles = self._styles
        for donor, step in zip(self._timed, state, strict=True):
            if step:
                styles = self._swapped(styles, donor, share=step / FADE_STEPS)
        return styles

    def draw(
        self, state: State, mask: Tensor, *, box: tuple[int, int, int, int] | None = None
    ) -> Tensor:
        """Draw masks in one state.

        Args:
            state: from `state_at`.
            mask: ``B R S S``.
            box: part of the picture that is wanted, ``(top, bottom, left, right)``; all by default.

        Returns:
            ``B 3 S S``, or of the size of the box, in about [-1, 1].
        """
        if not hasattr(self._generator, "prepare"):
            whole = self._generator(self.styles_of(state).expand(len(mask), -1, -1, -1), mask)
            return _part(whole, box)
        if state not in self._prepared:
            self._prepared[state] = self._generator.prepare(self.styles_of(state))
            if len(self._prepared) > _REMEMBERED:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(state)
        if self._draws_parts:
            return self._generator.render(self._prepared[state], mask, box=box)
        return _part(self._generator.render(self._prepared[state], mask), box)

    def _swapped(self, styles: Tensor, donor: Donor, *, share: float) -> Tensor:
        return swap(
            styles,
            donor.styles,
            [donor.swap.region],
            presence=donor.presence[None],
            strength=donor.swap.strength * share,
            scheme=self._scheme,
        )


def _part(image: Tensor, box: tuple[int, int, int, int] | None) -> Tensor:
    return image if box is None else image[..., box[0] : box[1], box[2] : box[3]]
