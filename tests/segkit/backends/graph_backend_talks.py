"""A talk by another backend shows what torch shows, and is another talk to go on with.

`tests/segkit/backends/test_backends.py` runs this file in a process of its own.
"""

from __future__ import annotations

import numpy as np

from segkit.talk.pipeline import talk
from segkit.video import VideoReader


def test_a_talk_by_openvino_shows_the_same(picture, hum, tmp_path):
    shown = []
    for backend in ("torch", "openvino"):
        out = tmp_path / f"{backend}.mp4"
        talk(image=picture, audio=hum, out=out, backend=backend, device="cpu", progress=False,
             crf=0)  # fmt: skip
        with VideoReader(out) as reader:
            shown.append(np.stack([frame.image for frame in reader]).astype(int))
    assert shown[0].shape == shown[1].shape
    # A pixel of a label map may turn with the last bit of a logit.
    assert (abs(shown[0] - shown[1]) > 2).mean() < 1e-3
