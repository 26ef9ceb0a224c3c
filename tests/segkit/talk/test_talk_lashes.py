"""A closed eye has its lashes at the lower lid, in the colour that they had."""

import numpy as np

from segkit.edits import blink
from segkit.regions import SCHEME_12
from segkit.talk.lashes import with_lashes

SIDE = 128
EYES, SKIN = SCHEME_12.index("eyes"), SCHEME_12.index("skin")
TONE, LASH = (210, 170, 150), (50, 30, 60)


def open_eyes():
    """Labels and picture of two eyes with dark upper lids."""
    labels = np.full((SIDE, SIDE), SKIN, np.uint8)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for middle in (40, 88):
        labels[((rows - 54) / 6) ** 2 + ((columns - middle) / 12) ** 2 <= 1] = EYES
    crop = np.full((SIDE, SIDE, 3), TONE, np.uint8)
    eye = labels == EYES
    crop[eye] = (240, 240, 240)
    crop[np.roll(eye, -2, 0) & ~eye & (rows < 54)] = LASH
    return labels, crop


def test_a_closed_eye_shows_its_lashes_along_the_lower_lid():
    labels, crop = open_eyes()
    skin = np.full_like(crop, TONE)
    made = with_lashes(skin, crop, labels, blink(labels, 1.0)).astype(int)
    darkness = np.abs(made - TONE).sum(-1)
    for left in (40, 88):
        row = int(darkness[:, left].argmax())
        assert 58 <= row <= 61  # the eye ends at row 60
        assert np.abs(made[row, left] - LASH).max() < 45
        # It follows the lid: higher towards the corners, and ends there.
        assert int(darkness[:, left - 9].argmax()) < row
        assert darkness[:, left - 20].max() == 0
    assert darkness[:48].max() == 0
    assert darkness[68:].max() == 0


def test_the_line_sinks_with_the_lid():
    labels, crop = open_eyes()
    skin = np.full_like(crop, TONE)
    rows = []
    for amount in (0.3, 0.5, 0.7, 1.0):
        made = with_lashes(skin, crop, labels, blink(labels, amount)).astype(int)
        rows.append(int(np.abs(made - TONE).sum(-1)[:, 40].argmax()))
    assert rows == sorted(rows)
    assert rows[0] < 54 < rows[-1]


def test_open_eyes_and_faces_without_eyes_are_left_alone():
    labels, crop = open_eyes()
    picture = np.random.default_rng(0).integers(0, 256, crop.shape, dtype=np.uint8)
    assert with_lashes(picture, crop, labels, labels) is picture
    blind = np.full_like(labels, SKIN)
    assert with_lashes(picture, crop, blind, blind) is picture
    # An eye of a single column is no curve, and no reason to fail.
    labels[:] = SKIN
    labels[50:54, 30] = EYES
    assert with_lashes(picture, crop, labels, blink(labels, 1.0)).shape == picture.shape
