"""Swaps that come and go: whole inside their span, nothing outside, prepared once per state."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from segkit.edits import Span, Swap
from segkit.regions import SCHEME_12
from segkit.talk.looks import FADE_STEPS, Donor, Looks

HAIR, LIP = SCHEME_12.index("hair"), SCHEME_12.index("lip")
PERSON = torch.zeros(1, 12, 2, 4)
PRESENT = torch.ones(12, dtype=torch.bool)


class Prepared(nn.Module):
    """Paints the mean code of the hair; counts its preparations."""

    def __init__(self) -> None:
        super().__init__()
        self.prepared = 0

    def prepare(self, styles: Tensor) -> Tensor:
        self.prepared += 1
        return styles[:, HAIR].mean()

    def render(self, state: Tensor, mask: Tensor) -> Tensor:
        return state.expand(len(mask), 3, *mask.shape[-2:])


def donor(region: str, value: float, span: Span, *, strength: float = 1.0) -> Donor:
    styles = torch.full_like(PERSON, value)
    return Donor(Swap(region, Path("ref.png"), strength, span), styles, PRESENT)


def looks(*donors: Donor, generator: nn.Module | None = None) -> Looks:
    return Looks(generator or Prepared(), PERSON, donors=donors, scheme=SCHEME_12)


def test_a_timed_swap_is_whole_in_its_span_and_gone_outside() -> None:
    made = looks(donor("hair", 3.0, Span(1.0, 2.0)))
    for time_s, value in ((0.0, 0.0), (0.99, 0.0), (1.0, 3.0), (1.99, 3.0), (2.0, 0.0), (9.0, 0.0)):
        styles = made.styles_of(made.state_at(time_s))
        assert (styles[:, HAIR] == value).all(), time_s
        others = [k for k in range(12) if k != HAIR]
        assert torch.equal(styles[:, others], PERSON[:, others])


def test_a_fade_rises_in_steps_and_falls_by_the_same() -> None:
    made = looks(donor("hair", 8.0, Span(1.0, 3.0, 0.8), strength=0.5))
    times = [1 + 0.02 * number for number in range(100)]
    values = [float(made.styles_of(made.state_at(at))[0, HAIR].mean()) for at in times]
    assert max(values) == 4.0
    steps = {round(value / (4.0 / FADE_STEPS), 3) for value in values}
    assert steps == {float(step) for step in range(FADE_STEPS + 1)}
    top = values.index(4.0)
    assert values[:top] == sorted(values[:top])
    assert values[60:] == sorted(values[60:], reverse=True)
    # Half way through the fade, half of the strength.
    assert values[20] == pytest.approx(2.0, abs=0.25)


def test_two_timed_swaps_overlap_without_touching_each_other() -> None:
    made = looks(donor("hair", 1.0, Span(0.0, 2.0)), donor("lip", 2.0, Span(1.0, math.inf)))
    for time_s, hair, lip in ((0.5, 1.0, 0.0), (1.5, 1.0, 2.0), (2.5, 0.0, 2.0)):
        state = made.state_at(time_s)
        styles = made.styles_of(state)
        assert (float(styles[0, HAIR].mean()), float(styles[0, LIP].mean())) == (hair, lip)
        shown = {region: level for region, level in made.levels(state) if level}
        assert ("hair" in shown, "lip" in shown) == (hair > 0, lip > 0)


def test_a_minute_of_frames_prepares_each_state_once() -> None:
    generator = Prepared()
    made = looks(donor("hair", 8.0, Span(1.0, 3.0, 0.4)), generator=generator)
    mask = torch.zeros(1, 12, 4, 4)
    for number in range(25 * 60):
        made.draw(made.state_at(number / 25), mask)
    assert generator.prepared <= FADE_STEPS + 1


def test_a_swap_without_strength_is_none() -> None:
    made = looks(donor("hair", 8.0, Span(1.0, 3.0), strength=0.0))
    assert made.state_at(2.0) == ()
    assert torch.equal(made.styles_of(()), PERSON)
