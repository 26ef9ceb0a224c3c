"""What is told after a fit: the report's own numbers, and whether time was short."""

from pathlib import Path

import pytest

from segkit.cli.fit import summary
from segkit.serve.store import Job
from segkit.talk.fit_report import learned, still_learning
from segkit.web.notes import measures


def report(*curve, **more):
    images = {"steps": 121, "error": [0.15, 0.04], "psnr_lower": [13.74, 24.44]}
    masks = {"steps": 10, "loss": [1.3, 0.8], "mouth_iou": [0.446, 0.4572]}
    return {
        "size": 128, "frames": 30, "seconds": 33.0, "masks": masks,
        "images": {**images, "curve": [list(point) for point in curve]}, **more,
    }  # fmt: skip


FLAT = ((2, 18.7), (8, 23.9), (12, 24.2), (14, 24.3), (18, 24.44))


@pytest.mark.parametrize(
    ("curve", "short"),
    [
        (FLAT, False),
        (((2, 18.7), (12, 23.9), (18, 24.3)), True),
        (((0, 20.0), (0, 20.0)), False),  # so quick that every second is the first
        (((5, 20.0),), True),
        ((), True),
    ],
)
def test_time_was_short_where_the_last_third_still_gave_something(curve, short):
    assert still_learning(report(*curve)) is short


def test_the_command_and_the_page_tell_the_numbers_of_held_out_frames():
    told = summary(Path("me.safetensors"), report(*FLAT, sound_delay_s=0.12)).splitlines()
    assert told[0] == "me.safetensors: 128 px, from 30 frames in 33 s"
    assert "overlap those of held-out frames by 0.45 -> 0.46 (10 steps)" in told[1]
    assert "drawn at 13.7 -> 24.4 dB (121 steps)" in told[2]
    assert told[3] == "    after    2 s of drawing: 18.70 dB"
    assert told[-1] == "  the film's sound comes +120 ms after the mouth"
    assert summary(Path("me"), report()).endswith("more --minutes would help")

    job = Job("1", "", "fit", "done", {}, report=report())
    words = measures(job)
    assert "the model is chosen. Lips and mouth overlap" in words
    assert "13.7 → 24.4 dB (121 steps). It was still getting better" in words


def test_an_interrupt_leaves_out_what_was_not_begun():
    kept = report(*FLAT)
    del kept["images"]
    assert len(learned(kept)) == 1
    assert still_learning(kept)
