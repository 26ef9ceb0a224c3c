"""Contact sheets: where each picture lands, and which frames are shown."""

import numpy as np
import pytest

from segkit.cli.contact_sheet import contact_sheet, sample_frames
from segkit.video_writer import VideoWriter


def flat(value, height=8, width=8):
    return np.full((height, width, 3), value, np.uint8)


def test_pictures_stand_in_order_and_keep_their_shape():
    sheet = contact_sheet({"first": [flat(10), flat(90, 8, 16)], "second": [flat(200)]}, tile=40)
    # A square and a wide picture above one square; margins of 4, titles of 22.
    assert sheet.shape == (2 * (40 + 22) + 4, 4 + 40 + 4 + 80 + 4, 3)
    assert (sheet[22:62, 4:44] == 10).all()
    assert (sheet[22:62, 48:128] == 90).all()
    assert (sheet[62 + 22 : 62 + 62, 4:44] == 200).all()


def test_no_pictures():
    with pytest.raises(ValueError, match="at least one picture"):
        contact_sheet({"first": []})


def test_frames_are_spread_from_the_first_to_the_last(tmp_path):
    path = tmp_path / "ramp.mp4"
    with VideoWriter(path, width=32, height=32, fps=25, crf=1) as video:
        for number in range(21):
            video.write(flat(10 * number + 20, 32, 32))
    shown = [round((float(image.mean()) - 20) / 10) for image in sample_frames(path, count=5)]
    assert shown == [0, 5, 10, 15, 20]
    assert len(sample_frames(path, count=99)) == 21
