"""Shape checks: what passes, what the message says."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segkit import contracts
from segkit.contracts import check_shape


def test_one_frame_is_a_whole_number_of_samples():
    assert contracts.SAMPLES_PER_FRAME * contracts.FPS == contracts.SAMPLE_RATE
    assert contracts.SAMPLES_PER_FRAME == 640


def test_letters_are_returned():
    sizes = check_shape(torch.zeros(2, 12, 8, 9), "B R=12 H W", name="mask")
    assert (sizes["B"], sizes["R"], sizes["H"], sizes["W"]) == (2, 12, 8, 9)


def test_the_message_says_wanted_got_and_remedy():
    with pytest.raises(ValueError, match="mask") as caught:
        check_shape(
            torch.zeros(4, 19, 6, 6),
            "B R=12 H W",
            name="mask",
            remedy="merge it with SCHEME_12.merge",
        )
    assert str(caught.value) == (
        "mask: expected shape (B, R=12, H, W), got (4, 19, 6, 6); merge it with SCHEME_12.merge"
    )


@pytest.mark.parametrize(
    ("shape", "pattern"),
    [
        ((2, 3, 4), "B 3 H W"),  # an axis is missing
        ((2, 4, 4, 4), "B 3 H W"),  # a number differs
        ((2, 3, 4, 5), "B 3 S S"),  # one letter, two sizes
        ((), "N"),
    ],
)
def test_refused(shape, pattern):
    with pytest.raises(ValueError, match="expected shape"):
        check_shape(torch.zeros(shape), pattern, name="image")


@given(st.lists(st.integers(0, 4), max_size=5))
def test_any_shape_fits_the_pattern_made_of_its_own_letters(shape):
    pattern = " ".join("ABCDE"[axis] for axis in range(len(shape)))
    assert check_shape(torch.zeros(shape), pattern, name="x") == dict(
        zip("ABCDE", shape, strict=False)
    )


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 3))
def test_one_wrong_size_is_refused(shape, axis):
    axis %= len(shape)
    words = [str(size + (position == axis)) for position, size in enumerate(shape)]
    with pytest.raises(ValueError, match="x: expected"):
        check_shape(torch.zeros(shape), " ".join(words), name="x")
