"""The shells: means, streams, several processes, and the traps of collecting."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from segkit_metrics.base import (
    DistributionMetric,
    Mean,
    MissingWeightsError,
    VideoMetric,
    find_weights,
)


class Brightness(VideoMetric):
    name, unit, higher_is_better, default_prefix = "brightness", "level", True, "bright"
    needs = ("pred_frames",)

    def definition(self):
        return "mean level"

    def begin(self, clip):
        super().begin(clip)
        self.levels = []

    def add(self, chunk):
        self.levels += list(chunk["pred_frames"].mean((1, 2, 3)))

    def finish(self):
        levels = np.array(self.levels)
        return {"level": np.where(levels == 0, np.nan, levels), "dark": int((levels == 0).sum())}


class Total:
    def __init__(self):
        self.sum = self.n = 0

    def add(self, values):
        self.sum, self.n = self.sum + values.sum(), self.n + len(values)

    def merge(self, other):
        self.sum, self.n = self.sum + other.sum, self.n + other.n


class Shift(DistributionMetric):
    name, unit, higher_is_better, default_prefix = "shift", "level", False, "shift"

    def definition(self):
        return "difference of mean levels"

    def accumulators(self):
        return {"pred": Total(), "gt": Total()}

    def add(self, chunk):
        for side, total in self.clip.items():
            total.add(chunk[f"{side}_frames"].mean((1, 2, 3)))

    def compare(self, total):
        return {"shift": abs(total["pred"].sum / total["pred"].n - total["gt"].sum / total["gt"].n)}


LEVELS = [[10], [20, 40], [60, 60, 60], [0], [100] * 4, [0, 30], [70]]


def clips():
    for number, levels in enumerate(LEVELS):
        frames = np.ones((len(levels), 3, 4, 4), np.uint8)
        frames *= np.array(levels, np.uint8)[:, None, None, None]
        yield {"sample_id": f"clip {number}", "pred_frames": frames, "gt_frames": frames // 2}


def measured(metric, samples):
    for sample in samples:
        metric.process(None, [sample])
    return metric.evaluate(len(list(samples)))


def test_frames_and_videos_weigh_as_asked_and_what_is_missing_weighs_nothing():
    everything = list(clips())
    lit = [value for levels in LEVELS for value in levels if value]
    report = measured(Brightness(), everything)
    assert report == {
        "bright/level": pytest.approx(np.mean(lit)),
        "bright/dark": 2,
        "bright/n": len(lit),
        "bright/n_clips": 7,
    }
    by_video = [np.mean([v for v in levels if v]) for levels in LEVELS if any(levels)]
    report = measured(Brightness(reduce="video"), everything)
    assert report["bright/level"] == pytest.approx(np.mean(by_video))
    assert report["bright/n"] == 6


def test_one_row_is_kept_for_each_clip_and_shown_after_evaluation():
    metric = Brightness()
    metric.chunk_frames = 2
    metric.process(None, list(clips()))
    assert len(metric.results) == len(LEVELS)
    metric.evaluate(7)
    assert metric.results == []
    rows = metric.rows()
    assert rows[2] == {"sample_id": "clip 2", "trimmed": 0, "level": 60.0, "dark": 0}
    assert math.isnan(rows[3]["level"])


def test_nothing_measured_is_not_a_number_and_warned_of():
    metric = Brightness()
    metric.process(None, [list(clips())[3]])
    with pytest.warns(UserWarning, match="bright/level: nothing could be measured in 1 clips"):
        assert math.isnan(metric.evaluate(1)["bright/level"])


def test_measure_returns_the_values_of_a_clip_and_keeps_nothing():
    metric = Brightness()
    assert metric.measure(list(clips())[1])["level"].tolist() == [20, 40]
    assert metric.results == []


def test_a_clip_that_does_not_end_does_not_count():
    one, two, *_ = clips()
    metric = Shift()
    metric.begin({"sample_id": "broken"})
    metric.add(two)
    report = measured(metric, [one])
    assert report == {"shift/shift": 5.0, "shift/n_clips": 1}


def test_a_clip_may_come_in_chunks_of_any_length():
    clip = list(clips())[4]
    metric = Shift()
    metric.begin({"sample_id": "c"})
    for first, last in ((0, 3), (3, 4)):
        part = {key: clip[key][first:last] for key in ("pred_frames", "gt_frames")}
        metric.add(metric.check({"sample_id": "c", **part}))
    metric.end()
    assert metric.evaluate(1) == {"shift/shift": 50.0, "shift/n_clips": 1}
    assert metric.rows() == [{"sample_id": "c", "trimmed": 0}]


def test_trimmed_frames_are_told():
    sample = list(clips())[2]
    sample["gt_frames"] = sample["gt_frames"][:2]
    assert measured(Shift(on_length_mismatch="trim"), [sample])["shift/trimmed"] == 1


def test_infinite_values_enter_no_mean_unless_there_is_nothing_else():
    assert Mean.of(np.array([np.inf, 2.0, 4.0, np.nan])) == Mean(6.0, 2, 1)
    assert Mean.of(np.inf).value == np.inf
    assert math.isnan(Mean.of(np.nan).value)
    means = [Mean.of(np.array([1.0, np.inf])), Mean.of(np.inf)]
    for reduce in ("frame", "video"):
        assert Mean.merge(means, reduce).value == 1
        assert Mean.merge(means[1:], reduce).value == np.inf


def test_a_clip_measured_twice_or_missing_is_refused():
    one, two, *_ = clips()
    for metric in (Brightness(), Shift()):
        metric.process(None, [one, two, one])
        with pytest.raises(ValueError, match="more than once: 'clip 0'; set round_up=False"):
            metric.evaluate(2)
    metric = Brightness()
    metric.process(None, [one])
    with pytest.raises(ValueError, match="expected the 7 clips of the data set, measured 1"):
        metric.evaluate(7)


def test_weights_that_are_not_there_say_which_and_where_from(tmp_path):
    known = dict(name="net.pt", sha256="ab" * 32, source="example.org")
    with pytest.raises(
        MissingWeightsError, match=r"no path was given; expected net\.pt \(sha256 a"
    ):
        find_weights(None, **known)
    path = tmp_path / "net.pt"
    with pytest.raises(FileNotFoundError, match=r"not found; expected net\.pt .*from example\.org"):
        find_weights(path, **known)
    path.write_bytes(b"x")
    with pytest.raises(ValueError, match="expected sha256 abab"):
        find_weights(path, **known)
    assert find_weights(path, **known, check=False) == path


def worker(rank, rendezvous):
    from torch import distributed

    distributed.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=int(rank), world_size=2
    )
    everything = list(clips())
    shares = [[0, 2, 4, 6], [1, 3, 5]]
    reports = []
    for metric in (Brightness(), Shift(), Brightness(reduce="video")):
        for _ in range(2):
            metric.process(None, [everything[index] for index in shares[int(rank)]])
            reports.append(metric.evaluate(7))
    # A sampler with round_up=True gives the last process clip 0 once more.
    shares[1].append(0)
    for metric in (Brightness(), Shift()):
        metric.process(None, [everything[index] for index in shares[int(rank)]])
        try:
            metric.evaluate(7)
        except ValueError as error:
            reports.append(str(error))
    print(json.dumps(reports))
    distributed.destroy_process_group()


def test_two_processes_give_what_one_gives_and_padding_is_caught(tmp_path, repository):
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(tmp_path / "meet")],
            stdout=subprocess.PIPE,
            env=environment,
            cwd=tmp_path,
        )
        for rank in range(2)
    ]
    found = [json.loads(process.communicate(timeout=120)[0]) for process in workers]
    everything = list(clips())
    metrics = (Brightness(), Shift(), Brightness(reduce="video"))
    expected = [report for m in metrics for report in [measured(m, everything)] * 2]
    for reports in found:
        assert [pytest.approx(report, rel=1e-12) for report in expected] == reports[:6]
        assert len(reports) == 8
        assert all("measured more than once: 'clip 0'" in message for message in reports[6:])
    assert not (tmp_path / ".dist_test").exists()


if __name__ == "__main__":
    worker(*sys.argv[1:])
