"""Cuts are seen where one picture replaces another, not where things move."""

import numpy as np
import skimage.data

from segkit.faces.cuts import CutSense


def test_a_cut_is_sensed_once() -> None:
    face = skimage.data.astronaut()[20:260, 100:340]
    grey = np.full_like(face, 220)
    sense = CutSense()
    pictures = [face, np.roll(face, 2, 1), grey, grey, face]
    assert [sense(picture) for picture in pictures] == [False, False, True, False, True]
