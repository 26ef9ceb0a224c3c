"""Bounds on media, against files of known length and size."""

import numpy as np
import pytest
import soundfile
from PIL import Image

from segkit.media import MediaError
from segkit.serve.probe import check_film, check_picture, check_sound
from segkit.video_writer import VideoWriter


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with VideoWriter(path, width=64, height=48, fps=25) as writer:
        for number in range(50):
            writer.write(np.full((48, 64, 3), number, np.uint8))
    return path


def test_a_film_may_be_as_long_and_as_large_as_allowed(film):
    check_film(film, most_s=2.0, most_megapixels=0.0031)
    with pytest.raises(MediaError, match=r"longer than 1\.5 s"):
        check_film(film, most_s=1.5, most_megapixels=1)
    with pytest.raises(MediaError, match="64 x 48 pixels are too many"):
        check_film(film, most_s=9, most_megapixels=0.003)


def test_a_sound_is_counted_by_its_packets_not_by_its_header(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(16_000 * 3, np.float32), 16_000)
    check_sound(path, most_s=3.01)
    with pytest.raises(MediaError, match="longer than 2 s"):
        check_sound(path, most_s=2)
    content = bytearray(path.read_bytes())
    # The total number of samples: 36 bits of STREAMINFO, which begins after "fLaC" and 4 bytes.
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0x3E, 0x80])
    path.write_bytes(bytes(content))
    with pytest.raises(MediaError, match="longer than 2 s"):
        check_sound(path, most_s=2)


def test_a_picture_is_measured_without_being_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (6_000, 6_000)).save(path)
    assert path.stat().st_size < 100_000
    with pytest.raises(MediaError, match=r"too many|no readable picture"):
        check_picture(path, most_megapixels=8)
