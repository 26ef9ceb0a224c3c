"""The loader's benchmark: what it counts is right, and what a loader gives covers tiny steps."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import loader
from benchmarks.training_steps import tsg
from segkit.clips import write_clip, write_manifest


@pytest.fixture
def clips(tmp_path):
    masks = np.random.default_rng(0).integers(12, size=(25, 64, 64), dtype=np.uint8)
    frames = np.repeat(20 * masks[..., None], 3, -1)
    entry = write_clip(
        tmp_path, "a", frames=frames, masks=masks, waveform=torch.zeros(640 * 25), person_id="a",
        split="train",
    )  # fmt: skip
    write_manifest(tmp_path, [entry])
    return tmp_path


def test_work_is_counted_without_numbers_as_with_them():
    step = tsg(1, size=64, width=0.1)
    torch.manual_seed(0)
    model, batch = step.build().train(), step.batch()
    with FlopCounterMode(display=False) as counter:
        step.loss(model, batch).backward()
    assert loader.work_of(step) == counter.get_total_flops()


def test_a_quick_run_gives_both_trainings_twice_what_they_take(clips, capsys):
    threads = torch.get_num_threads()
    loader.main(data=clips, workers=2, quick=True)
    torch.set_num_threads(threads)
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["TSG", "SGI"]
    assert all(float(row[-1].removesuffix("x")) >= 2 for row in rows)
