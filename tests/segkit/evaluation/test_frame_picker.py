"""Of a clip that passes by, the best, a typical and the worst frame are kept, and no others."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segkit.evaluation.picker import FramePicker, headline


def passed(values, *, higher=True, sizes=7):
    """Let frames pass whose level tells their number."""
    metric = SimpleNamespace(higher_is_better=higher, prefix="PSNR", key="psnr", last_values=None)
    picker = FramePicker(metric)
    for start in range(0, len(values), sizes):
        part = np.array(values[start : start + sizes], float)
        numbers = np.arange(start, start + len(part), dtype=np.uint8)
        frames = np.broadcast_to(numbers[:, None, None, None], (len(part), 3, 40, 40))
        metric.last_values = part
        picker.add({"gt_frames": frames, "pred_frames": frames})
    return picker


@given(st.lists(st.one_of(st.floats(-50, 50), st.just(float("nan"))), max_size=120), st.booleans())
def test_extremes_are_exact_and_frames_are_their_own(values, higher):
    chosen = passed(values, higher=higher).chosen()
    finite = [value for value in values if not np.isnan(value)]
    if not finite:
        assert chosen == {}
        return
    low, high = min(finite), max(finite)
    assert chosen["best"].value == (high if higher else low)
    numbers = [held.number for held in chosen.values()]
    assert len(set(numbers)) == len(numbers)
    for held in chosen.values():
        assert held.planes["real"][0, 0, 0] == held.number
        assert held.value == values[held.number]
    if len(set(finite)) > 1:
        assert chosen["worst"].value == (low if higher else high)


def test_the_typical_frame_is_near_the_median():
    values = list(np.random.default_rng(0).normal(size=240))
    held = passed(values).chosen()["median"]
    assert abs(held.value - np.median(values)) < 0.15


def test_pictures_are_written_below_the_report(tmp_path):
    shown = passed([3.0, 1.0, 2.0]).write(tmp_path, clip="../a b", fps=25)
    assert [frame.kind for frame in shown] == ["best", "median", "worst"]
    assert [frame.number for frame in shown] == [0, 2, 1]
    assert shown[1].time_s == 2 / 25
    assert all((tmp_path / frame.file).is_file() for frame in shown)
    assert all(frame.file.startswith("pictures/") and ".." not in frame.file for frame in shown)


def test_frames_are_chosen_by_the_mouth_if_it_is_measured():
    assert headline({"psnr": 1, "mouth-psnr": 1}) == "mouth-psnr"
    assert headline({"grey": 1}) is None


def test_masks_of_a_smaller_model_lie_over_the_whole_frame():
    metric = SimpleNamespace(higher_is_better=True, prefix="PSNR", key="psnr", last_values=[1.0])
    picker = FramePicker(metric)
    masks = np.arange(4, dtype=np.uint8).reshape(1, 2, 2)
    frames = np.zeros((1, 3, 4, 4), np.uint8)
    picker.add({"gt_frames": frames, "pred_frames": frames, "gt_masks": masks, "pred_masks": masks})
    shown = picker.chosen()["best"].planes["pred_labels"]
    assert shown.tolist() == np.kron(masks[0], np.ones((2, 2), np.uint8)).tolist()
