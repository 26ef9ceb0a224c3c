"""Decisions keep what is expected, and what is sure."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.decisions import decide
from segkit.regions import SCHEME_12, one_hot

LIP, MOUTH, SKIN = (SCHEME_12.index(name) for name in ("lip", "mouth", "skin"))


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_sure_labels_are_kept(seed: int) -> None:
    labels = torch.randint(12, (2, 16, 16), generator=torch.Generator().manual_seed(seed))
    logits = 30 * one_hot(labels.byte(), 12)
    assert torch.equal(decide(logits, SCHEME_12), labels.byte())


def test_a_thin_opening_of_unsure_place_stays_open() -> None:
    """Two rows of mouth, equally likely at any of six heights: nowhere is mouth likeliest."""
    probability = torch.full((1, 12, 20, 10), 1e-6)
    probability[:, SKIN] = 1
    probability[:, SKIN, 5:15], probability[:, LIP, 5:15] = 1e-6, 1
    chance = torch.tensor([1, 2, 2, 2, 2, 2, 1]) / 6  # rows 7..13 of six placings
    probability[:, MOUTH, 7:14] = chance[:, None]
    probability[:, LIP, 7:14] = 1 - chance[:, None]
    labels = decide(probability.log(), SCHEME_12)
    assert not (probability.argmax(1) == MOUTH).any()
    rows = (labels == MOUTH).any(2)[0].nonzero().flatten().tolist()
    assert rows == [9, 10, 11], "two rows of area, and the tie of the last is shown too"
    assert ((labels == LIP) | (labels == MOUTH))[0, 5:15].all()


@given(st.floats(0.2, 0.95), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_the_expected_area_is_shown(peak: float, seed: int) -> None:
    noise = torch.rand(24, 24, generator=torch.Generator().manual_seed(seed)) * 1e-3
    across = torch.linspace(-2, 2, 24)
    rows, columns = torch.meshgrid(across, across, indexing="ij")
    inside = peak * ((-(rows**2) * 4 - columns**2).exp() > 0.3) * (1 - noise)
    probability = torch.full((1, 12, 24, 24), 1e-7)
    probability[0, MOUTH], probability[0, LIP] = (
        inside.clamp_min(1e-7),
        (1 - inside).clamp_min(1e-7),
    )
    shown = (decide(probability.log(), SCHEME_12) == MOUTH).sum()
    assert shown.item() == pytest.approx(inside.sum().item(), abs=1.5)


def test_a_closed_mouth_stays_closed() -> None:
    probability = torch.full((1, 12, 32, 32), 1e-6)
    probability[:, LIP], probability[:, MOUTH] = 0.9, 0.1
    assert not (decide(probability.log(), SCHEME_12) == MOUTH).any()
