"""Mouth motion and lip geometry: laws of articulation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.contracts import FPS
from segkit.synthetic.articulation import closures, mouth_motion
from segkit.synthetic.identity import sample_identity
from segkit.synthetic.mouth import mouth_shape
from segkit.synthetic.visemes import APERTURE, BILABIALS, JAW, LABIODENTALS, ROUND, TUCK
from segkit.synthetic.voice import Phone

SYMBOLS = [
    "p",
    "b",
    "m",
    "f",
    "v",
    "ɑː",
    "i",
    "uː",
    "s",
    "t",
    "ˈaɪ",
    "w",
    "ð",
    "l",
    "",
    "k",
    "ə",
    "ʃ",
]


@st.composite
def utterances(draw):
    phones, time_s = [], draw(st.floats(0, 0.3))
    for symbol in draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=25)):
        length_s = draw(st.floats(0.05, 0.25))
        phones.append(Phone(symbol, time_s, time_s + length_s))
        time_s += length_s
    return phones


@settings(max_examples=60, deadline=None)
@given(utterances())
def test_motion_is_bounded_and_bilabials_shut_the_lips(phones):
    num_frames = int(phones[-1].end_s * FPS) + 20
    motion = mouth_motion(phones, num_frames)
    assert motion.min() >= 0
    assert motion.max() <= 1.2
    times_s = (np.arange(num_frames) + 0.5) / FPS
    for start_s, end_s in closures(phones, BILABIALS):
        inside = (times_s >= start_s) & (times_s <= end_s)
        assert motion[inside, APERTURE].max(initial=0) <= 0.005
        near = np.abs(times_s - (start_s + end_s) / 2).argmin()
        # However short the sound: one frame shows it.
        if start_s > 0 and near < num_frames:
            assert motion[max(0, near - 1) : near + 2, APERTURE].min() < 0.03
    assert motion[-1, APERTURE] < 0.02


def test_sounds_look_as_they_should():
    def middle(symbol):
        phones = [Phone("t", 0.3, 0.36), Phone(symbol, 0.36, 0.66), Phone("t", 0.66, 0.72)]
        return mouth_motion(phones, 30)[int(0.51 * FPS)]

    assert middle("ɑː")[APERTURE] > 0.75
    assert middle("ɑː")[JAW] > 0.75
    assert (
        middle("ɑː")[APERTURE]
        > middle("ɛ")[APERTURE]
        > middle("i")[APERTURE]
        > middle("m")[APERTURE]
    )
    assert middle("uː")[ROUND] > 0.8
    assert middle("i")[ROUND] < 0.1
    assert middle("f")[TUCK] > 0.95
    assert middle("m")[APERTURE] < 0.005


def test_lips_round_before_the_rounded_vowel():
    neutral = [Phone("s", 0.2, 0.4), Phone("ə", 0.4, 0.7)]
    rounded = [Phone("s", 0.2, 0.4), Phone("uː", 0.4, 0.7)]
    frame = int(0.36 * FPS)
    assert mouth_motion(rounded, 25)[frame, ROUND] > mouth_motion(neutral, 25)[frame, ROUND] + 0.15


def test_frames_are_sampled_at_their_middles():
    phones = [Phone("p", 0.3, 0.34), Phone("ɑː", 0.34, 0.7), Phone("m", 0.7, 0.8)]
    whole = mouth_motion(phones, 30)
    shifted = mouth_motion(phones, 20, first_s=10 / FPS)
    np.testing.assert_allclose(shifted, whole[10:], atol=1e-12)


def test_the_speaker_scales_the_motion():
    phones = [Phone("t", 0.2, 0.3), Phone("ɑː", 0.3, 0.6)]
    small, large = (mouth_motion(phones, 25, amplitude=a)[:, APERTURE] for a in (0.8, 1.1))
    np.testing.assert_allclose(small * 1.1 / 0.8, large, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_lip_contours_never_cross(seed, parameters):
    shape = mouth_shape(sample_identity(seed), np.array(parameters))
    heights = [
        c[:, 1]
        for c in (shape.upper_outer, shape.upper_inner, shape.lower_inner, shape.lower_outer)
    ]
    for above, below in pairwise(heights):
        assert (below - above >= -1e-9).all()
    assert shape.half_width > 0.04


@pytest.mark.parametrize("seed", range(5))
def test_a_resting_mouth_is_shut_and_an_open_jaw_opens_it(seed):
    identity = sample_identity(seed)
    rest = mouth_shape(identity, np.zeros(8))
    assert rest.opening == 0
    opening = [
        mouth_shape(identity, np.array([a, a, 0, 0, 0, 0, 0, 0.0])).opening for a in (0.2, 0.5, 1.0)
    ]
    assert opening[0] < opening[1] < opening[2]
    assert 0.06 < opening[2] < 0.11
    assert closures([Phone("f", 0, 0.1)], LABIODENTALS)
