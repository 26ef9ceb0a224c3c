"""A clip folder small enough for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.talking_ellipse import ellipse_folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips to train on and one held out, 32 frames each."""
    people = (("0", "train"), ("1", "train"), ("2", "val"))
    return ellipse_folder(tmp_path_factory.mktemp("clips"), people)
