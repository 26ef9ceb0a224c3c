"""Writing video: size, colours, times and sound survive, and nothing is left behind by failure."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from segkit.audio import load_audio, save_wav
from segkit.media import MediaError
from segkit.video import VideoReader, VideoWriter


def picture(number: int, *, width: int = 48, height: int = 32) -> np.ndarray:
    """A smooth coloured picture that changes a little from frame to frame."""
    y, x = np.mgrid[:height, :width]
    red, green = 40 + 3 * x + number, 200 - 4 * y
    return np.stack([red, green, 90 + x + y - number], -1).clip(0, 255).astype(np.uint8)


def write(
    path: Path, *, num: int = 10, width: int = 48, height: int = 32, **options: object
) -> Path:
    options = {"fps": 25, "preset": "ultrafast", **options}
    with VideoWriter(path, width=width, height=height, **options) as writer:
        for number in range(num):
            writer.write(picture(number, width=width, height=height))
    return path


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def sine(seconds: float, rate: int = 16_000) -> torch.Tensor:
    return 0.3 * torch.sin(torch.arange(round(seconds * rate)) * 2 * torch.pi * 300 / rate)


def sound_file(path: Path, *, codec: str, rate: int, layout: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        channels = {"mono": 1, "stereo": 2}[layout]
        samples = np.repeat(sine(1.0, rate).numpy()[None], channels, 0)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for out in av.AudioResampler(format=stream.format, layout=layout, rate=rate).resample(
            frame
        ):
            container.mux(stream.encode(out))
        container.mux(stream.encode(None))
    return path


class TestPictures:
    @pytest.mark.parametrize(("width", "height"), [(48, 32), (49, 32), (48, 33), (49, 33)])
    def test_size_and_colours_survive(self, tmp_path: Path, width: int, height: int) -> None:
        with VideoReader(write(tmp_path / "a.mp4", width=width, height=height, crf=5)) as reader:
            assert (reader.width, reader.height) == (width, height)
            read = np.stack([frame.image for frame in reader]).astype(float)
        wanted = np.stack([picture(n, width=width, height=height) for n in range(10)])
        assert np.abs((read - wanted).mean((0, 1, 2))).max() < 0.3  # no shift of the colours
        assert 10 * np.log10(255**2 / np.mean((read - wanted) ** 2)) > 42

    @pytest.mark.parametrize(
        "fps", [12, 25, Fraction(24_000, 1001), Fraction(30_000, 1001), 50, 29.97]
    )
    @pytest.mark.parametrize("ending", ["mp4", "mkv"])
    def test_rate_survives(self, tmp_path: Path, fps: Fraction | float, ending: str) -> None:
        with VideoReader(write(tmp_path / f"a.{ending}", num=12, fps=fps)) as reader:
            exact = Fraction(fps).limit_denominator(1001) if ending == "mp4" else reader.fps
            assert reader.fps == exact
            assert float(reader.fps) == pytest.approx(float(fps), rel=1e-3)
            times = [frame.time_s for frame in reader]
        assert times == pytest.approx([n / float(fps) for n in range(12)], abs=1e-3)

    def test_given_times_survive(self, tmp_path: Path) -> None:
        times = [0.0, 0.033, 0.0667, 0.101, 0.4, 0.4333, 0.9]
        with VideoWriter(tmp_path / "a.mp4", width=48, height=32, fps=Fraction(1350, 61)) as writer:
            for number, time_s in enumerate(times):
                writer.write(picture(number), time_s)
            with pytest.raises(ValueError, match="lies before the last"):
                writer.write(picture(9), 0.5)
        with VideoReader(tmp_path / "a.mp4") as reader:
            assert [frame.time_s for frame in reader] == pytest.approx(times, abs=2e-5)

    def test_tags_say_bt709_of_limited_range(self, tmp_path: Path) -> None:
        with av.open(str(write(tmp_path / "a.mp4"))) as container:
            context = container.streams.video[0].codec_context
            assert (context.colorspace, context.color_range, context.pix_fmt) == (1, 1, "yuv420p")
            assert (context.color_primaries, context.color_trc) == (1, 1)

    def test_same_input_same_bytes(self, tmp_path: Path) -> None:
        first = write(tmp_path / "a.mp4", waveform=sine(0.4)).read_bytes()
        assert write(tmp_path / "b.mp4", waveform=sine(0.4)).read_bytes() == first


class TestSound:
    @pytest.mark.parametrize(
        ("source", "codec", "rate", "layout", "target"),
        [
            ("s.m4a", "aac", 44_100, "stereo", "o.mp4"),
            ("s.mp3", "libmp3lame", 22_050, "mono", "o.mp4"),
            ("s.wav", "pcm_s16le", 48_000, "stereo", "o.mov"),
            ("s.ogg", "libopus", 48_000, "mono", "o.mkv"),
        ],
    )
    def test_is_copied_bit_for_bit_where_possible(
        self, tmp_path: Path, source: str, codec: str, rate: int, layout: str, target: str
    ) -> None:
        voice = sound_file(tmp_path / source, codec=codec, rate=rate, layout=layout)
        path = write(tmp_path / target, num=25, audio_from=voice)
        assert b"".join(packets(path)) == b"".join(packets(voice))
        heard, wanted = load_audio(path), load_audio(voice)
        num = min(len(heard), len(wanted))
        assert num > 15_900
        torch.testing.assert_close(heard[:num], wanted[:num], atol=2e-3, rtol=0)

    @pytest.mark.parametrize(("rate", "layout"), [(44_100, "stereo"), (22_050, "mono")])
    def test_is_encoded_with_its_rate_and_channels_otherwise(
        self, tmp_path: Path, rate: int, layout: str
    ) -> None:
        voice = sound_file(tmp_path / "s.wav", codec="pcm_s16le", rate=rate, layout=layout)
        path = write(tmp_path / "o.mp4", num=25, audio_from=voice)
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            assert (stream.codec_context.name, stream.rate) == ("aac", rate)
            assert stream.layout.name == layout
        heard, wanted = load_audio(path), load_audio(voice)
        assert abs(len(heard) - len(wanted)) <= 1
        num = min(len(heard), len(wanted))
        # In place to the sample; the encoder smears the first block of a sudden start.
        assert (heard[1600:num] - wanted[1600:num]).abs().max() < 0.02

    def test_waveform_track(self, tmp_path: Path) -> None:
        path = write(tmp_path / "o.mp4", num=50, waveform=sine(2.0))
        heard = load_audio(path)
        assert abs(len(heard) - 32_000) <= 1
        assert (heard[:31_900] - sine(2.0)[:31_900]).pow(2).mean().sqrt() < 0.01

    def test_stays_in_step_when_the_source_starts_late(self, tmp_path: Path) -> None:
        source = tmp_path / "late.mkv"
        with av.open(str(source), "w") as container:
            video = container.add_stream("libx264", rate=25)
            video.width = video.height = 32
            voice = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
            samples = (sine(1.0) * torch.linspace(0, 1, 16_000) * 32767).short().numpy()
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 0
            container.mux(voice.encode(frame))
            for number in range(10):
                image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
                image.pts, image.time_base = number + 5, Fraction(1, 25)
                container.mux(video.encode(image))
            container.mux(video.encode(None))
        heard = load_audio(write(tmp_path / "o.mp4", num=10, audio_from=source))
        wanted = load_audio(source)
        assert len(wanted) == 12_800
        assert (heard[:12_000] - wanted[:12_000]).abs().max() < 0.03

    def test_a_silent_source_gives_a_silent_film(self, tmp_path: Path) -> None:
        silent = write(tmp_path / "silent.mp4")
        with VideoReader(write(tmp_path / "o.mp4", audio_from=silent)) as reader:
            assert not reader.has_audio


class TestNothingIsLost:
    def test_an_error_leaves_nothing(self, tmp_path: Path) -> None:
        def fail(error: BaseException) -> None:
            with VideoWriter(tmp_path / "a.mp4", width=48, height=32, fps=25) as writer:
                writer.write(picture(0))
                raise error

        for error in (RuntimeError("x"), KeyboardInterrupt()):
            with pytest.raises(type(error)):
                fail(error)
            assert not list(tmp_path.iterdir())

    def test_the_file_appears_only_when_finished(self, tmp_path: Path) -> None:
        with VideoWriter(tmp_path / "a.mp4", width=48, height=32, fps=25) as writer:
            for number in range(100):
                writer.write(picture(number))
            assert [path.name for path in tmp_path.iterdir()] == [".a.mp4.part"]
        assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]

    def test_an_existing_file_needs_force_and_survives_failure(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_text("precious")
        with pytest.raises(FileExistsError, match="--force"):
            write(tmp_path / "a.mp4")
        with (
            pytest.raises(ValueError, match="frame 0: expected"),
            VideoWriter(tmp_path / "a.mp4", width=8, height=8, fps=25, force=True) as writer,
        ):
            writer.write(picture(0))
        assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
        assert (tmp_path / "a.mp4").read_text() == "precious"
        with VideoReader(write(tmp_path / "a.mp4", force=True)) as reader:
            assert reader.num_frames == 10

    def test_bad_sound_is_found_before_any_work(self, tmp_path: Path) -> None:
        (tmp_path / "bad.wav").write_bytes(b"nothing" * 50)
        with pytest.raises(MediaError, match="not a readable"):
            write(tmp_path / "a.mp4", audio_from=tmp_path / "bad.wav")
        with pytest.raises(FileNotFoundError, match=r"none\.wav not found"):
            write(tmp_path / "a.mp4", audio_from=tmp_path / "none.wav")
        assert [path.name for path in tmp_path.iterdir()] == ["bad.wav"]

    def test_wrong_arguments_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"ending in \.mp4, \.m4v"):
            write(tmp_path / "a.gif")
        with pytest.raises(FileNotFoundError, match="create it first"):
            write(tmp_path / "none" / "a.mp4")
        with pytest.raises(ValueError, match="positive width"):
            write(tmp_path / "a.mp4", fps=0)
        with pytest.raises(ValueError, match="no frame was written"):
            write(tmp_path / "a.mp4", num=0)
        save_wav(tmp_path / "s.wav", sine(0.1))
        with pytest.raises(ValueError, match="not both"):
            write(tmp_path / "a.mp4", audio_from=tmp_path / "s.wav", waveform=sine(0.1))
        assert [path.name for path in tmp_path.iterdir()] == ["s.wav"]
