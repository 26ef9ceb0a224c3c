"""Persons from file names, and splits that keep them apart."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.people import person_of_file, split_people


@pytest.mark.parametrize(
    ("file", "person"),
    [
        ("RD_Radio10_000.mp4", "RD_Radio"),
        ("WDA_BarackObama_017.mp4", "WDA_BarackObama"),
        ("sub/anna-2.mp4", "anna"),
        ("anna.take.03.mov", "anna.take"),
        ("s7/00017.mp4", "s7"),
        ("train/s7/00017.mp4", "train/s7"),
        ("00017.mp4", "00017"),
    ],
)
def test_person_of_file(file: str, person: str) -> None:
    assert person_of_file(Path("data") / file, Path("data")) == person


NAMES = st.lists(st.text("abc ", min_size=1, max_size=3), min_size=1, max_size=30)


@settings(max_examples=15)
@given(NAMES, st.floats(0.01, 0.99))
def test_every_person_has_one_split_and_both_are_used(names: list[str], fraction: float) -> None:
    splits = split_people(names, val_fraction=fraction)
    assert set(splits) == set(names)
    assert splits == split_people(reversed(names), val_fraction=fraction)
    wanted = {"train", "val"} if len(splits) > 1 else {"train"}
    assert set(splits.values()) == wanted


def test_the_share_is_kept_and_more_people_move_nobody() -> None:
    names = [f"person {number}" for number in range(2000)]
    few, many = (split_people(names[:n], val_fraction=0.1) for n in (500, 2000))
    assert sum(split == "val" for split in many.values()) / 2000 == pytest.approx(0.1, abs=0.02)
    assert all(many[name] == split for name, split in few.items())
    assert set(split_people(names, val_fraction=0).values()) == {"train"}
    with pytest.raises(ValueError, match="val_fraction"):
        split_people(names, val_fraction=1.0)
