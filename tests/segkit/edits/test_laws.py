"""Laws that hold for edits whatever the face: each leaves the rest alone, and they compose."""

import math

import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from segkit.edits import (
    BlinkSchedule,
    EditPlan,
    Span,
    automatic_blinks,
    blink,
    changed_regions,
    edit_mask,
    interpolate,
    merged,
    swap,
)
from segkit.regions import SCHEME_12, SCHEMES

EYES, SKIN = SCHEME_12.index("eyes"), SCHEME_12.index("skin")
seeds = st.integers(0, 2**31)
shares = st.floats(0, 1)
names = st.sampled_from(SCHEME_12.regions)


def codes(seed, *, batch=2):
    """Style codes of two people ``B R L D``."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(2, batch, len(SCHEME_12), 3, 4, generator=random)


def labels_of(seed, *, size=24, regions=12):
    """A map of blobs, with two eyes in it."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, regions, (size // 4, size // 4)).astype(np.uint8)
    labels = coarse.repeat(4, 0).repeat(4, 1)
    labels[6:10, 3:9] = labels[6:10, 15:21] = EYES
    return labels


@given(seeds, names, names, shares, shares)
def test_edits_of_two_regions_compose_in_any_order(seed, first, second, strength, other):
    assume(first != second)
    mine, theirs = codes(seed)
    one = swap(swap(mine, theirs, [first], strength=strength), theirs, [second], strength=other)
    two = swap(swap(mine, theirs, [second], strength=other), theirs, [first], strength=strength)
    assert torch.equal(one, two)
    untouched = [k for k, name in enumerate(SCHEME_12.regions) if name not in (first, second)]
    assert torch.equal(one[:, untouched], mine[:, untouched])


@given(seeds, names, shares, shares)
def test_a_swap_in_two_steps_is_one_of_their_joint_strength(seed, region, first, second):
    mine, theirs = codes(seed)
    steps = swap(swap(mine, theirs, [region], strength=first), theirs, [region], strength=second)
    joint = 1 - (1 - first) * (1 - second)
    torch.testing.assert_close(steps, swap(mine, theirs, [region], strength=joint))


@given(seeds, shares)
def test_a_swap_of_all_regions_is_an_interpolation(seed, share):
    mine, theirs = codes(seed)
    everything = swap(mine, theirs, SCHEME_12.regions, strength=share)
    torch.testing.assert_close(everything, interpolate(mine, theirs, share))
    back = interpolate(theirs, mine, 1 - share)
    torch.testing.assert_close(everything, back, atol=1e-5, rtol=1e-5)


@given(seeds, names)
def test_no_edit_changes_what_it_is_given(seed, region):
    mine, theirs = codes(seed)
    before, labels = mine.clone(), labels_of(seed)
    swap(mine, theirs, [region])
    interpolate(mine, theirs, 0.3)
    assert torch.equal(mine, before)
    kept = labels.copy()
    blink(labels, 0.7)
    edit_mask(labels, lambda held, time_s, scheme: held * 0, time_s=0, scheme=SCHEME_12)
    assert np.array_equal(labels, kept)


@given(seeds, st.sampled_from(sorted(SCHEMES)))
def test_blink_0_is_open_and_blink_1_is_closed_in_every_scheme(seed, name):
    scheme = SCHEMES[name]
    labels = labels_of(seed, regions=len(scheme))
    lids = [k for k, region in enumerate(scheme.regions) if region.endswith(("eyes", "_eye"))]
    labels[6:10, 3:9] = labels[6:10, 15:21] = lids[0]
    assert np.array_equal(blink(labels, 0.0, scheme=scheme), labels)
    closed = blink(labels, 1.0, scheme=scheme)
    assert not np.isin(closed, lids).any()
    elsewhere = ~np.isin(labels, lids)
    assert np.array_equal(closed[elsewhere], labels[elsewhere])


@given(seeds, shares)
def test_a_closed_eye_stays_closed(seed, amount):
    closed = blink(labels_of(seed), 1.0)
    assert np.array_equal(blink(closed, amount), closed)


@given(seeds, shares)
def test_eyes_close_by_their_share(seed, amount):
    """Half a blink hides half of the eye, to a row per column."""
    labels = np.full((24, 24), SKIN, np.uint8)
    height = 2 + seed % 12
    labels[4 : 4 + height, 3:21] = EYES
    left = (blink(labels, amount) == EYES).sum(0)[3:21]
    assert np.abs(left - (1 - amount) * height).max() <= 0.5


@given(seeds)
def test_the_identity_is_a_function_on_masks_that_changes_nothing(seed):
    labels = labels_of(seed)
    same = edit_mask(labels, lambda held, time_s, scheme: held, time_s=0.2, scheme=SCHEME_12)
    assert np.array_equal(same, labels)
    assert changed_regions(labels, same, scheme=SCHEME_12) == ()


@given(seeds, names, names, names, names)
def test_mask_functions_compose_as_functions_do(seed, a, b, c, d):
    labels = labels_of(seed)

    def paints(old, new):
        def function(held, time_s, scheme):
            held[held == scheme.index(old)] = scheme.index(new)
            return held

        return function

    def run(held, function):
        return edit_mask(held, function, time_s=0, scheme=SCHEME_12)

    first, second = paints(a, b), paints(c, d)
    both = run(labels, lambda held, time_s, scheme: second(first(held, 0, scheme), 0, scheme))
    assert np.array_equal(run(run(labels, first), second), both)
    told = changed_regions(labels, run(labels, first), scheme=SCHEME_12)
    assert set(told) <= {a, b}
    there = (labels == SCHEME_12.index(a)).any()
    assert bool(told) == bool(a != b and there)


@given(
    st.floats(0, 100), st.floats(0.01, 100), shares, st.floats(-5, 210), st.floats(0, 0.02)
)  # fmt: skip
def test_a_fade_is_whole_inside_nothing_outside_and_never_jumps(start, length, part, at, step):
    fade = part * length / 2
    span = Span(start, start + length, fade)
    level = span.level_at(at)
    assert 0 <= level <= 1
    assert level == 0 or start <= at < start + length
    if start + fade <= at < start + length - fade:
        assert level == 1
    if fade > 0 and start > 0:
        assert abs(span.level_at(at + step) - level) <= step / fade + 1e-6


@given(st.integers(0, 1000), st.floats(5, 30))
def test_blinks_come_at_the_rate_that_is_asked_for(seed, rate):
    schedule = automatic_blinks(600, seed=seed, rate_per_min=rate)
    times = [at for _, at in schedule.blinks]
    assert np.diff(times).min() >= BlinkSchedule.closing_s + BlinkSchedule.opening_s - 1e-9
    # A tenth of an hour and a half-empty minute: four deviations of a renewal process.
    expected = 10 * rate
    assert abs(len(times) - expected) < 4 * 0.6 * math.sqrt(expected) + 2
    shorter = automatic_blinks(60, seed=seed, rate_per_min=rate).blinks
    assert schedule.blinks[: len(shorter)] == shorter


@given(st.lists(st.tuples(shares, st.integers(0, 99)), unique_by=lambda pair: pair[1], max_size=6))
def test_plans_put_together_hold_both(blinks):
    first = EditPlan(blinks=BlinkSchedule(tuple(blinks[::2])))
    second = EditPlan(blinks=BlinkSchedule(tuple(blinks[1::2])))
    both = merged(first, second, names=("a", "b"))
    for time_s in (0.0, 1.0, 50.2):
        apart = max(plan.blinks.amount_at(time_s) for plan in (first, second))
        assert both.blinks.amount_at(time_s) == apart
    assert merged(first, EditPlan(), names=("a", "b")) == first
    assert merged(EditPlan(), first, names=("a", "b")) == first
