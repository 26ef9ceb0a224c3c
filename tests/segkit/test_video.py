"""Reading video: any rate, rotation and damage; resampling in time against a brute-force search."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.media import MediaError
from segkit.video import Frame, VideoReader, at_fps

SHARED = Path(os.environ.get("SEGKIT_SHARED", Path(__file__).parents[2].parent / "shared"))


def numbered(number: int, *, width: int = 32, height: int = 16) -> np.ndarray:
    """A grey picture whose level tells its number below 40, brighter in the top left corner."""
    image = np.full((height, width, 3), 20 + 4 * (number % 40), np.uint8)
    image[: height // 2, : width // 2] += 60
    return image


def number_of(image: np.ndarray) -> int:
    return round((float(image.min(initial=255)) - 20) / 4)


def film(
    path: Path,
    times: list[Fraction],
    *,
    rotation: int = 0,
    faststart: bool = False,
    rate: Fraction | int = 30,
) -> Path:
    """Encode one numbered picture per time, without loss worth speaking of."""
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(
            "libx264", rate=rate, options={"crf": "1", "preset": "ultrafast"}
        )
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90_000)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = round(time * 90_000), Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def regular(num: int, rate: Fraction | int) -> list[Fraction]:
    return [number / Fraction(rate) for number in range(num)]


class TestVideoReader:
    @pytest.mark.parametrize("rate", [Fraction(25), Fraction(30), Fraction(30_000, 1001)])
    def test_regular_film(self, tmp_path: Path, rate: Fraction) -> None:
        path = film(tmp_path / "a.mp4", regular(20, rate), rate=rate)
        with VideoReader(path) as reader:
            assert (reader.width, reader.height) == (32, 16)
            assert reader.fps == rate
            assert reader.num_frames == 20
            assert reader.duration_s == pytest.approx(20 / rate, abs=1e-3)
            assert not reader.has_audio
            frames = list(reader)
            again = [frame.time_s for frame in reader]
        assert [number_of(frame.image) for frame in frames] == list(range(20))
        assert all(frame.image.shape == (16, 32, 3) for frame in frames)
        assert [frame.time_s for frame in frames] == pytest.approx([n / rate for n in range(20)])
        assert again == [frame.time_s for frame in frames]

    def test_variable_rate_and_late_start(self, tmp_path: Path) -> None:
        times = [Fraction(ms, 1000) for ms in (70, 103, 137, 301, 340, 800, 833)]
        with VideoReader(film(tmp_path / "a.mp4", times)) as reader:
            frames = list(reader)
        wanted = [float(time - times[0]) for time in times]
        assert [frame.time_s for frame in frames] == pytest.approx(wanted, abs=1e-4)

    @pytest.mark.skipif(
        not hasattr(av.VideoStream, "set_display_rotation"),
        reason="PyAV cannot write rotation",
    )
    @pytest.mark.parametrize("rotation", [90, 180, 270])
    def test_rotation_is_applied(self, tmp_path: Path, rotation: int) -> None:
        plain = next(iter(VideoReader(film(tmp_path / "a.mp4", regular(3, 25))))).image
        path = film(tmp_path / "b.mp4", regular(3, 25), rotation=rotation)
        with VideoReader(path) as reader:
            turned = next(iter(reader)).image
            assert turned.shape == (reader.height, reader.width, 3)
        np.testing.assert_array_equal(turned, np.rot90(plain, rotation // 90))

    def test_colours_follow_the_tags(self, tmp_path: Path) -> None:
        colour = np.array([200, 60, 120])
        for name, space, matrix in (("a", 1, "ITU709"), ("b", 6, "ITU601")):
            path = tmp_path / f"{name}.mp4"
            with av.open(str(path), "w") as container:
                stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
                stream.width = stream.height = 32
                stream.codec_context.colorspace = space
                image = np.broadcast_to(colour.astype(np.uint8), (32, 32, 3))
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                frame = frame.reformat(format="yuv420p", dst_colorspace=matrix)
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            read = next(iter(VideoReader(path))).image
            assert np.abs(read.mean((0, 1)) - colour).max() < 2.5

    def test_bad_files_say_what_is_wrong(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"a\.mp4 not found; check the path"):
            VideoReader(tmp_path / "a.mp4")
        (tmp_path / "empty.mp4").touch()
        with pytest.raises(MediaError, match=r"is empty \(0 bytes\)"):
            VideoReader(tmp_path / "empty.mp4")
        (tmp_path / "text.mp4").write_text("not a film\n" * 99)
        with pytest.raises(MediaError, match="not a readable audio or video file"):
            VideoReader(tmp_path / "text.mp4")
        with av.open(str(tmp_path / "sound.m4a"), "w") as container:
            stream = container.add_stream("aac", rate=16_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 16_000), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate = 16_000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with pytest.raises(MediaError, match="no moving pictures; give a video"):
            VideoReader(tmp_path / "sound.m4a")

    def test_truncated_films_are_refused_at_once(self, tmp_path: Path) -> None:
        film(tmp_path / "end.mp4", regular(60, 25))
        film(tmp_path / "start.mp4", regular(60, 25), faststart=True)
        for name in ("end", "start"):
            whole = (tmp_path / f"{name}.mp4").read_bytes()
            cut = tmp_path / f"{name}_cut.mp4"
            cut.write_bytes(whole[: int(0.8 * len(whole))])
            with pytest.raises(MediaError, match="truncated"):
                VideoReader(cut)

    def test_real_clips(self) -> None:
        path = SHARED / "clips" / "square_700_vfr.mp4"
        if not path.exists():
            pytest.skip(f"{path} is not there")
        with VideoReader(path) as reader:
            assert (reader.fps, reader.has_audio) == (Fraction(1350, 61), True)
            num = sum(1 for _ in at_fps(reader))
        assert num == pytest.approx(25 * reader.duration_s, abs=1)


def frames_at(times: list[float]) -> Iterator[Frame]:
    for number, time in enumerate(times):
        yield Frame(np.array(number), time)


def shown(times: list[float], fps: float | Fraction = 25) -> list[int]:
    return [int(image) for image in at_fps(frames_at(times), fps)]


class TestAtFps:
    @given(st.lists(st.floats(0.004, 0.3), min_size=1, max_size=40), st.sampled_from([24, 25, 30]))
    def test_equals_a_search_over_all_frames(self, steps: list[float], fps: int) -> None:
        times = np.cumsum([0.0, *steps])
        numbers = shown(list(times), fps)
        assert len(numbers) == max(1, round(times[-1] * (1 + 1 / len(steps)) * fps))
        for place, number in enumerate(numbers):
            now = place / fps
            # Frames that come more than half a step later are not there yet.
            there = np.flatnonzero(times <= now + 0.5 / fps + 2e-6)
            best = np.abs(times[there] - now).min()
            assert abs(times[number] - now) <= best + 2e-6
        assert numbers == sorted(numbers)

    def test_same_rate_is_the_identity_despite_rounded_times(self) -> None:
        times = [round(n / 25 * 1000) / 1000 + 0.0005 * (n % 2) for n in range(200)]
        assert shown(times) == list(range(200))

    @pytest.mark.parametrize("rate", [12, 24, Fraction(30_000, 1001), 30, 50, 60, 120])
    def test_any_rate_keeps_the_length(self, rate: Fraction | int) -> None:
        numbers = shown([float(n / Fraction(rate)) for n in range(4 * 120)])
        assert len(numbers) == round(4 * 120 / float(rate) * 25)
        lag = np.array(numbers) / float(rate) - np.arange(len(numbers)) / 25
        assert np.abs(lag[:-25]).max() <= max(0.5 / float(rate), 0.02) + 1e-6 or rate == 12

    def test_a_still_picture_is_not_replaced_before_its_time(self) -> None:
        numbers = shown([0.0, 0.04, 1.0, 1.04])
        assert numbers[:25] == [0] + [1] * 24
        assert numbers[25:27] == [2, 3]

    def test_one_frame_and_none(self) -> None:
        assert shown([0.0]) == [0]
        assert shown([]) == []

    def test_streams(self) -> None:
        taken = 0

        def counted() -> Iterator[Frame]:
            nonlocal taken
            for frame in frames_at([n / 25 for n in range(1000)]):
                taken += 1
                yield frame

        pictures = at_fps(counted())
        for _ in range(10):
            next(pictures)
        assert taken <= 11
