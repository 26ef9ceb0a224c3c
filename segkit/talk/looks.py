"""Looks: the style codes of a talk over time, prepared once for each distinct state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
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


class Looks:
    """Style codes over time, and the drawing with them.

    Args:
        generator: draws; one with ``prepare`` and ``render`` does its work per state only once.
        styles: ``1 R L D`` of the person, with all swaps that last for the whole video.
        timed: swaps that come and go.
        scheme: names of the regions.
    """

    def __init__(
        self, generator: nn.Module, styles: Tensor, *, timed: Sequence[Donor], scheme: RegionScheme
    ) -> None:
        self._generator: Any = generator
        self._styles = styles
        # A swap without strength is none.
        self._timed = tuple(donor for donor in timed if donor.swap.strength > 0)
        self._scheme = scheme
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
        """Return the codes ``1 R L D`` of a state; without timed swaps those of the person."""
        styles = self._styles
        for donor, step in zip(self._timed, state, strict=True):
            if step:
                styles = swap(
                    styles,
                    donor.styles,
                    [donor.swap.region],
                    presence=donor.presence[None],
                    strength=donor.swap.strength * step / FADE_STEPS,
                    scheme=self._scheme,
                )
        return styles

    def draw(self, state: State, mask: Tensor) -> Tensor:
        """Draw masks ``B R H W`` in one state, as ``B 3 S S`` in about [-1, 1]."""
        if not hasattr(self._generator, "prepare"):
            return self._generator(self.styles_of(state).expand(len(mask), -1, -1, -1), mask)
        if state not in self._prepared:
            self._prepared[state] = self._generator.prepare(self.styles_of(state))
            if len(self._prepared) > _REMEMBERED:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(state)
        return self._generator.render(self._prepared[state], mask)
