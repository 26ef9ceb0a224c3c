"""Laws of closing a mouth, and of turning it into another one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.edits import close_mouth, mouth_line, turn_mouth
from segkit.regions import SCHEME_12, SCHEMES

SKIN, HAIR = SCHEME_12.index("skin"), SCHEME_12.index("hair")
(LIP,), MOUTH = SCHEME_12.lip_labels, SCHEME_12.index("mouth")
SHAPE = (96, 128)

mouths = st.fixed_dictionaries(
    {
        "opening": st.floats(0, 12),
        "thick": st.floats(3, 9),
        "wide": st.floats(16, 40),
        "slope": st.floats(-0.2, 0.2),
    }
)
amounts = st.floats(0, 1)


def face(*, opening, thick, wide, slope, x=64, y=48, scheme=SCHEME_12):
    """Draw skin, a lip around, and an inside of some rows on each side of a slanted line."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    down = rows - y - slope * (columns - x)
    arch = 1 - np.abs(columns - x) / wide
    labels = np.full(SHAPE, scheme.index("skin"), np.uint8)
    labels[:, :4] = scheme.index("hair")
    lips = (np.abs(down) <= (opening + thick) * arch) & (arch > 0)
    labels[lips & (down < 0)] = scheme.lip_labels[0]
    labels[lips & (down >= 0)] = scheme.lip_labels[-1]
    labels[lips & (np.abs(down) < opening * arch)] = scheme.index("mouth")
    return labels


@given(mouths, amounts)
def test_closing_keeps_the_lips_of_every_column_and_all_around(mouth, amount):
    labels = face(**mouth)
    closed = close_mouth(labels, amount)
    changed = (closed != labels).any(0)
    assert np.array_equal((closed == LIP).sum(0), (labels == LIP).sum(0))
    assert not changed[~(labels == MOUTH).any(0)].any()
    assert np.isin(labels[closed != labels], (LIP, MOUTH)).all()
    assert np.array_equal(close_mouth(labels, 0), labels)


@given(mouths, st.integers(0, 5))
def test_a_closed_mouth_has_its_line_and_stays_as_it_is(mouth, line):
    labels = face(**mouth)
    closed = close_mouth(labels, 1, line=line)
    rows = (labels == MOUTH).sum(0)
    assert np.array_equal((closed == MOUTH).sum(0), np.minimum(rows, line))
    assert np.array_equal(close_mouth(closed, 1, line=line), closed)
    assert mouth_line(closed) <= line


@given(mouths, amounts, amounts)
def test_a_mouth_closes_steadily(mouth, first, second):
    less, more = sorted((first, second))
    labels = face(**mouth)
    left = [(close_mouth(labels, amount) == MOUTH).sum() for amount in (0, less, more, 1)]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0


@given(mouths)
def test_a_mouth_turned_into_itself_stays_wherever_that_lies(mouth):
    labels = face(**mouth)
    assert np.array_equal(turn_mouth(labels, labels, 1), labels)
    moved = face(**mouth, x=70, y=40)
    assert np.array_equal(turn_mouth(labels, moved, 1), labels)


@given(mouths, mouths, amounts)
def test_only_lips_mouth_and_skin_turn(mouth, other, amount):
    labels = face(**mouth)
    labels[60:] = HAIR  # hangs into what a larger mouth would cover
    turned = turn_mouth(labels, face(**other), amount)
    face_labels = (SKIN, LIP, MOUTH)
    changed = turned != labels
    assert np.isin(labels[changed], face_labels).all()
    assert np.isin(turned[changed], face_labels).all()
    assert np.array_equal(turn_mouth(labels, face(**other), 0), labels)


@given(mouths, mouths)
def test_a_mouth_turns_into_another_of_its_own_width(mouth, other):
    """The closed form: between the same corners lies the other mouth, whatever its scale."""
    same = {"wide": mouth["wide"], "slope": 0.0}
    labels, wanted = face(**{**mouth, **same}), face(**{**other, **same})
    turned = turn_mouth(labels, wanted.repeat(2, 0).repeat(2, 1), 1)
    for kinds in ((LIP, MOUTH), (MOUTH,)):
        shown, true = np.isin(turned, kinds), np.isin(wanted, kinds)
        outline = 2 * (true.any(0).sum() + true.any(1).sum())
        assert (shown ^ true).sum() <= outline / 2, kinds


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_an_open_mouth_turns_into_a_closed_one_in_every_scheme(name):
    scheme = SCHEMES[name]
    kind = {"thick": 6.0, "wide": 30.0, "slope": 0.0}
    labels = face(opening=8.0, **kind, scheme=scheme)
    target = close_mouth(face(opening=2.0, **kind, scheme=scheme), 1, line=1, scheme=scheme)
    inside = scheme.index("mouth")
    areas = [
        (turn_mouth(labels, target, amount, scheme=scheme) == inside).sum()
        for amount in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > 300
    assert areas[-1] <= 60
    turned = turn_mouth(labels, target, 1, scheme=scheme)
    assert np.array_equal(turned[:, 64], target[:, 64])
    assert (turned != target).sum() <= 20


def test_a_face_without_lips_stays_as_it_is():
    labels = face(opening=4.0, thick=5.0, wide=30.0, slope=0.0)
    bare = np.full(SHAPE, SKIN, np.uint8)
    assert np.array_equal(turn_mouth(bare, labels, 1), bare)
    assert np.array_equal(turn_mouth(labels, bare, 1), labels)
    assert np.array_equal(close_mouth(bare, 1), bare)
    assert mouth_line(bare) == 0
    dot = bare.copy()
    dot[5, 5] = LIP
    assert np.array_equal(turn_mouth(labels, dot, 1), labels)


@pytest.mark.parametrize("change", [close_mouth, lambda held, to: turn_mouth(held, held, to)])
def test_what_is_no_map_or_no_share_is_refused(change):
    with pytest.raises(ValueError, match=r"expected a map \(H, W\), got shape \(2, 3, 4\)"):
        change(np.zeros((2, 3, 4), np.uint8), 0.5)
    with pytest.raises(ValueError, match=r"amount: expected .*, got 1\.5"):
        change(np.zeros((3, 4), np.uint8), 1.5)


def test_a_line_below_nothing_is_refused():
    with pytest.raises(ValueError, match="line: expected 0 rows or more, got -1"):
        close_mouth(np.zeros((3, 4), np.uint8), 1, line=-1)
