import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.edits import BlinkSchedule, blink, composite, cover, interpolate, soft_matte, swap
from segkit.regions import SCHEME_12

EYES, SKIN = SCHEME_12.index("eyes"), SCHEME_12.index("skin")
region_sets = st.lists(st.sampled_from(SCHEME_12.regions), max_size=5)
seeds = st.integers(0, 2**31)


def two_faces(seed):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(2, 2, 12, 3, 4, generator=random)


def labels_with_eyes(seed, size=32):
    random = np.random.default_rng(seed)
    labels = random.choice([0, 4, 5, SKIN], size=(size, size)).astype(np.uint8)
    rows, columns = np.mgrid[:size, :size]
    for left in (4, 20):
        height, width = random.integers(1, 6, 2)
        eye = ((rows - 12) / height) ** 2 + ((columns - left - 4) / width) ** 2 <= 1
        labels[eye] = EYES
    return labels


@given(seeds, region_sets, st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_swap_leaves_every_other_region_bit_equal(seed, regions, strength):
    target, donor = two_faces(seed)
    edited = swap(target, donor, regions, strength=strength)
    kept = [k for k, name in enumerate(SCHEME_12.regions) if name not in regions]
    assert torch.equal(edited[:, kept], target[:, kept])
    taken = [SCHEME_12.index(name) for name in regions]
    torch.testing.assert_close(
        edited[:, taken], target[:, taken] * (1 - strength) + donor[:, taken] * strength
    )


@given(seeds, region_sets)
@settings(max_examples=20, deadline=None)
def test_swap_with_itself_or_without_strength_is_no_edit(seed, regions):
    target, donor = two_faces(seed)
    assert torch.equal(swap(target, target, regions), target)
    assert torch.equal(swap(target, donor, regions, strength=0.0), target)
    assert torch.equal(swap(swap(target, donor, regions), target, regions), target)


@given(seeds, region_sets, region_sets)
@settings(max_examples=20, deadline=None)
def test_swaps_of_one_donor_compose(seed, first, second):
    target, donor = two_faces(seed)
    both = swap(swap(target, donor, first), donor, second)
    assert torch.equal(both, swap(target, donor, [*first, *second]))
    assert torch.equal(both, swap(swap(target, donor, second), donor, first))


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_swap_keeps_what_the_donor_lacks(seed):
    target, donor = two_faces(seed)
    presence = torch.ones(2, 12, dtype=torch.bool)
    presence[0, 7] = False
    edited = swap(target, donor, ["ears", "lip"], presence=presence)
    assert torch.equal(edited[0, 7], target[0, 7])
    assert torch.equal(edited[1, 7], donor[1, 7])
    assert torch.equal(edited[:, 1], donor[:, 1])


def test_swap_takes_style_vectors_of_one_donor_for_a_batch():
    vectors, donor = torch.zeros(3, 12, 5), torch.ones(1, 12, 5)
    assert swap(vectors, donor, ["hair"]).sum() == 15


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"regions": ["lips"]}, KeyError, "known: background, lip"),
        ({"strength": 1.5}, ValueError, "expected 0..1, got 1.5"),
        ({"donor": torch.zeros(1, 12, 4)}, ValueError, r"\(1, 12, 3\) and \(1, 12, 4\)"),
        ({"styles": torch.zeros(1, 19, 3)}, ValueError, "R=12"),
    ],
)
def test_swap_refuses_what_does_not_fit(change, error, words):
    arguments = {
        "styles": torch.zeros(1, 12, 3),
        "donor": torch.zeros(1, 12, 3),
        "regions": ["lip"],
    }
    arguments |= change
    with pytest.raises(error, match=words):
        swap(
            arguments["styles"],
            arguments["donor"],
            arguments["regions"],
            strength=arguments.get("strength", 1.0),
        )


def test_interpolate_runs_from_the_first_to_the_second():
    first, second = two_faces(0)
    assert torch.equal(interpolate(first, second, 0.0), first)
    assert torch.equal(interpolate(first, second, 1.0), second)
    torch.testing.assert_close(interpolate(first, second, 0.5), (first + second) / 2)
    with pytest.raises(ValueError, match="expected equal shapes"):
        interpolate(first, second[:, :3], 0.5)
    with pytest.raises(ValueError, match=r"expected 0\.\.1"):
        interpolate(first, second, -0.1)


@given(seeds, st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_blink_only_turns_eyes_into_skin(seed, amount):
    labels = labels_with_eyes(seed)
    closed = blink(labels, amount)
    changed = closed != labels
    assert (labels[changed] == EYES).all()
    assert (closed[changed] == SKIN).all()


@given(seeds, st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_blink_closes_from_open_to_closed_and_never_opens(seed, first, second):
    labels = labels_with_eyes(seed)
    assert np.array_equal(blink(labels, 0.0), labels)
    assert not (blink(labels, 1.0) == EYES).any()
    less, more = sorted((first, second))
    assert not ((blink(labels, more) == EYES) & (blink(labels, less) != EYES)).any()


def test_blink_lowers_the_upper_lid():
    labels = np.full((16, 16), SKIN, np.uint8)
    labels[4:12, 3:13] = EYES
    half = blink(labels, 0.5)
    assert (half[4:8, 3:13] == SKIN).all()
    assert (half[8:12, 3:13] == EYES).all()


def test_blink_refuses_what_is_no_label_map_or_amount():
    with pytest.raises(ValueError, match=r"\(2, 4, 4\)"):
        blink(np.zeros((2, 4, 4), np.uint8), 0.5)
    with pytest.raises(ValueError, match="got 2"):
        blink(np.zeros((4, 4), np.uint8), 2)


def test_blink_schedule_peaks_where_it_says():
    schedule = BlinkSchedule.parse(["0.3@2.0", "1@5"])
    assert schedule.amount_at(2.0) == pytest.approx(0.3)
    assert schedule.amount_at(5.0) == pytest.approx(1.0)
    assert schedule.amount_at(3.5) == 0
    assert schedule.amount_at(1.94) == pytest.approx(0.15)
    assert BlinkSchedule().amount_at(0) == 0


@given(st.floats(0, 1), st.floats(0.5, 100), st.floats(-0.5, 0.5))
@settings(max_examples=50, deadline=None)
def test_a_blink_is_smooth_and_lasts_a_third_of_a_second(amount, at, since):
    schedule = BlinkSchedule(((amount, at),))
    value = schedule.amount_at(at + since)
    assert 0 <= value <= amount
    assert value == 0 or -0.13 < since < 0.19
    assert abs(schedule.amount_at(at + since + 0.002) - value) <= 0.03


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.3", "AMOUNT@SECONDS"),
        ("much@2", "AMOUNT@SECONDS"),
        ("0.3@", "AMOUNT@SECONDS"),
        ("1.3@2", "amount in 0"),
        ("0.3@-1", "time of 0 s or later"),
        ("0.3@nan", "time of 0 s or later"),
    ],
)
def test_blink_schedule_refuses_other_texts(text, words):
    with pytest.raises(ValueError, match=words):
        BlinkSchedule.parse([text])


def test_soft_matte_is_hard_without_feather_and_soft_with():
    labels = np.zeros((32, 32), np.uint8)
    labels[:, 16:] = SKIN
    assert np.array_equal(soft_matte(labels, feather=0), (labels > 0).astype(np.float32))
    soft = soft_matte(labels, feather=2)
    assert (np.diff(soft[5]) >= -1e-6).all()
    assert 0.3 < soft[5, 15] < 0.5 < soft[5, 16] < 0.7


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_composite_shows_the_person_in_front(seed):
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (12, 10, 3), dtype=np.uint8)
    behind = random.integers(0, 256, (12, 10, 3), dtype=np.uint8)
    matte = random.choice([0.0, 1.0], size=(12, 10))
    result = composite(image, behind, matte)
    assert np.array_equal(result[matte == 1], image[matte == 1])
    assert np.array_equal(result[matte == 0], behind[matte == 0])
    with pytest.raises(ValueError, match=r"\(12, 10\), got \(3, 3\)"):
        composite(image, behind, np.zeros((3, 3)))


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_cover_fills_any_size_without_distortion(height, width, out_height, out_width):
    picture = np.full((height, width, 3), 77, np.uint8)
    covered = cover(picture, out_height, out_width)
    assert covered.shape == (out_height, out_width, 3)
    assert (covered == 77).all()
