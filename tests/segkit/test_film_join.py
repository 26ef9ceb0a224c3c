"""Joining films copies their pictures: equal bits, the wanted times, one rate, the sound beside."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from segkit.audio import save_wav
from segkit.film_join import join_films
from segkit.video import VideoReader, VideoWriter

RATE = Fraction(30_000, 1001)


def picture(number):
    y, x = np.mgrid[:32, :48]
    planes = [40 + 3 * x + 4 * number, 200 - 4 * y, 90 + ((x * y + 9 * number) % 97)]
    return np.stack(planes, -1).clip(0, 255).astype(np.uint8)


@pytest.fixture
def pieces(tmp_path):
    """Three films of 13, 13 and 4 pictures, whose own times begin at 0."""
    paths = []
    for first in (0, 13, 26):
        paths.append(tmp_path / f"{first}.mp4")
        with VideoWriter(paths[-1], width=48, height=32, fps=RATE) as writer:
            for number in range(first, min(first + 13, 30)):
                writer.write(picture(number))
    return paths


def read(*paths):
    return [frame for path in paths for frame in VideoReader(path)]


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_pictures_are_copied_and_the_rate_is_kept(tmp_path, pieces, ending):
    out = tmp_path / f"out.{ending}"
    times_s = [float(number / RATE) for number in range(30)]
    join_films(out, pieces, times_s=times_s, fps=RATE)
    for made, wanted in zip(read(out), read(*pieces), strict=True):
        assert np.array_equal(made.image, wanted.image)
    with VideoReader(out) as reader:
        assert reader.fps == RATE
        assert [frame.time_s for frame in reader] == pytest.approx(times_s, abs=1e-3)


def test_uneven_times_may_leap_where_the_pieces_meet(tmp_path, pieces):
    steps = np.random.default_rng(0).choice([0.02, 0.04, 0.1, 0.5], 29)
    steps[12] = steps[13] = 0.9  # the first pictures of the second piece stand for long
    times_s = [0.0, *np.cumsum(steps).tolist()]
    out = tmp_path / "out.mp4"
    join_films(out, pieces, times_s=times_s, fps=RATE)
    assert [frame.time_s for frame in read(out)] == pytest.approx(times_s, abs=2e-5)
    with av.open(str(out)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    decoded = [packet.dts for packet in packets]
    assert decoded == sorted(set(decoded))
    assert all(packet.dts <= packet.pts for packet in packets)


def test_sound_is_added_and_may_end_early(tmp_path, pieces):
    save_wav(tmp_path / "voice.wav", 0.2 * torch.sin(torch.arange(16_000 * 3) * 0.1))
    sound_s = {}
    for until_s in (None, 1.0):
        out = tmp_path / f"out_{until_s}.mp4"
        join_films(
            out,
            pieces,
            times_s=[number / 25 for number in range(30)],
            fps=25,
            audio_from=tmp_path / "voice.wav",
            audio_until_s=until_s,
        )
        with av.open(str(out)) as container:
            stream = container.streams.audio[0]
            sound_s[until_s] = float(stream.duration * stream.time_base)
    assert sound_s[None] == pytest.approx(3.0, abs=0.1)
    assert sound_s[1.0] == pytest.approx(1.0, abs=0.1)


def test_wrong_calls_leave_nothing(tmp_path, pieces):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match="as many times as pictures"):
        join_films(tmp_path / "out.mp4", pieces, times_s=[0.0], fps=25)
    with pytest.raises(ValueError, match="no frame was written"):
        join_films(tmp_path / "out.mp4", [], times_s=[], fps=25)
    assert sorted(tmp_path.iterdir()) == before


def test_a_reader_may_begin_later(pieces):
    with VideoReader(pieces[0]) as reader:
        whole, rest = list(reader), list(reader.frames(5))
    assert [frame.time_s for frame in rest] == [frame.time_s for frame in whole[5:]]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(rest, whole[5:], strict=True))
