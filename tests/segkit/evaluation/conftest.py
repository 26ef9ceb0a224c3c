"""Small videos, and metrics whose numbers can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segkit.evaluation.suite import Entry
from segkit.registry import METRICS
from segkit.video import VideoWriter
from segkit_metrics.base import MissingWeightsError, VideoMetric


@METRICS.register
class GreyDifference(VideoMetric):
    """Mean absolute difference of the frames' mean grey."""

    name, unit, higher_is_better, default_prefix = "grey", "levels", False, "Grey"

    def definition(self):
        """Say what it is."""
        return "difference of mean grey"

    def begin(self, clip):
        """Forget the last clip."""
        super().begin(clip)
        self.values = []

    def add(self, chunk):
        """Measure frames."""
        means = [chunk[key].astype(float).mean((1, 2, 3)) for key in ("pred_frames", "gt_frames")]
        self.values += np.abs(means[0] - means[1]).tolist()

    def finish(self):
        """Return one value per frame."""
        if len(self.values) < 3:
            raise ValueError(f"expected 3 frames or more, got {len(self.values)}")
        return {"mean": np.array(self.values)}


@METRICS.register
class NeedsWeights(GreyDifference):
    """A metric whose file is missing."""

    def __init__(self, *, weights):
        raise MissingWeightsError(f"{weights} not found; get it")


ENTRIES = (
    Entry("grey", "GreyDifference"),
    Entry("heavy", "NeedsWeights", weights={"weights": "syncnet_v2"}),
)


@pytest.fixture
def entries():
    """A suite of the two metrics above."""
    return ENTRIES


@pytest.fixture(scope="session")
def make_video():
    """Write a film whose frames are grey: ``make_video(path, levels, fps=, size=, sound=)``."""

    def make(path, levels, *, fps=25, size=(48, 32), sound=False):
        waveform = torch.zeros(round(len(levels) / fps * 16_000)) if sound else None
        options = dict(width=size[0], height=size[1], fps=fps, crf=1, preset="ultrafast")
        with VideoWriter(path, **options, waveform=waveform) as film:
            for level in levels:
                film.write(np.full((size[1], size[0], 3), level, np.uint8))
        return path

    return make
