"""The model that is shipped: on people it never saw, its mouth follows what they say."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from segkit.clips import ClipFolder
from segkit.synthetic import make_dataset
from segkit.talk.bundle import load_bundle

TOOL = Path(__file__).parents[2] / "tools" / "score_builtin.py"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    root = make_dataset(
        tmp_path_factory.mktemp("people") / "clips",
        num_clips=4, people=4, size=128, seed=20_26, seconds=3.0, num_processes=1, progress=False,
    )  # fmt: skip
    spec = importlib.util.spec_from_file_location("score_builtin", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    found, _, _ = tool.score(load_bundle(), ClipFolder(root).clips(None), every=3)
    return {name: np.nanmean(values, axis=0) for name, values in found.items()}


@pytest.mark.parametrize("other", ["frozen", "other speech"])
def test_own_speech_beats(rows, other):
    """Columns: IoU of lips, of the interior, of both; opening correlation; landmark distance."""
    own, rival = rows["own speech"], rows[other]
    assert (own[:4] > rival[:4] + 0.02).all()
    assert own[4] < 0.95 * rival[4]


def test_the_opening_follows(rows):
    assert rows["own speech"][3] > 0.6
    assert abs(rows["other speech"][3]) < 0.4
