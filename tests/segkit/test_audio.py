"""The waveform, mel and window functions against scipy, torchaudio, stored values and laws."""

import os
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.audio import MelFrontEnd, load_audio, mel_windows, num_frames_of, save_wav
from segkit.media import MediaError

SHARED = Path(os.environ.get("SEGKIT_SHARED", Path(__file__).parents[2].parent / "shared"))


def tone(seconds: float, *, rate: int = 16_000, hz: float = 440.0) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(
        "float32"
    )


def write_sound(
    path: Path, samples: np.ndarray, *, rate: int, codec: str, layout: str = "mono", skip: int = 0
) -> None:
    """Encode ``channels N`` with PyAV; ``skip`` samples are left out of the time line after 1 s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, samples.shape[1], 1000):
            piece = np.ascontiguousarray(samples[:, start : start + 1000])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + (skip if start >= rate else 0)
            if codec.startswith("pcm"):
                frame = av.AudioResampler(format="s16", layout=layout, rate=rate).resample(frame)[0]
                frame.pts = start + (skip if start >= rate else 0)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def mel_in_numpy(waveform: np.ndarray) -> np.ndarray:
    """The same front end written out in float64 numpy, with torchaudio's filters."""
    import torchaudio.functional

    emphasised = scipy.signal.lfilter([1, -0.97], [1], waveform.astype(np.float64))
    padded = np.pad(emphasised, 400, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 800)[::200]
    magnitude = np.abs(np.fft.rfft(frames * scipy.signal.get_window("hann", 800), axis=-1))
    bank = torchaudio.functional.melscale_fbanks(
        401, 55.0, 7600.0, 80, 16_000, norm="slaney", mel_scale="slaney"
    ).double()
    decibels = 20 * np.log10(np.maximum(1e-5, magnitude @ bank.numpy())) - 20
    return np.clip(8 * (decibels + 100) / 100 - 4, -4, 4).T


class TestMelFrontEnd:
    def test_matches_the_stored_values_of_the_reference(self) -> None:
        path = SHARED / "parity" / "audio_frontends.npz"
        if not path.exists():
            pytest.skip(f"{path} is not there")
        stored = np.load(path)
        mel = MelFrontEnd()(torch.from_numpy(stored["wav_f32"])[None])[0].numpy()
        np.testing.assert_allclose(mel, stored["wav2lip_mel_reflect"], atol=1e-4)
        np.testing.assert_allclose(MelFrontEnd().bank.numpy(), stored["mel_basis"], atol=1e-8)

    def test_matches_scipy_and_torchaudio(self) -> None:
        rng = np.random.default_rng(0)
        waveform = np.concatenate([tone(0.5), np.zeros(4000), rng.normal(0, 0.1, 7123)])
        mel = MelFrontEnd()(torch.from_numpy(waveform)[None])[0].numpy()
        np.testing.assert_allclose(mel, mel_in_numpy(waveform), atol=1e-4)

    @given(num_samples=st.integers(1, 1300))
    @settings(max_examples=30, deadline=None)
    def test_any_length_gives_one_column_per_12_5_ms(self, num_samples: int) -> None:
        generator = torch.Generator().manual_seed(num_samples)
        waveform = torch.randn(2, num_samples, generator=generator)
        front_end = MelFrontEnd()
        mel = front_end(waveform)
        assert mel.shape == (2, 80, 1 + num_samples // 200)
        assert mel.abs().max() <= 4  # also refuses NaN
        torch.testing.assert_close(front_end(waveform[1:])[0], mel[1])

    def test_silence_is_the_floor(self) -> None:
        assert MelFrontEnd()(torch.zeros(1, 5000)).unique().tolist() == [-4.0]

    def test_stays_exact_under_autocast_and_has_no_weights(self) -> None:
        front_end, waveform = MelFrontEnd(), torch.from_numpy(tone(0.3))[None]
        with torch.autocast("cpu", torch.bfloat16):
            mel = front_end(waveform)
        assert torch.equal(mel, front_end(waveform))
        assert not front_end.state_dict()

    @pytest.mark.parametrize("shape", [(16,), (1, 1, 16), (1, 0)])
    def test_refuses_other_shapes(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="waveform: expected"):
            MelFrontEnd()(torch.zeros(shape))


class TestMelWindows:
    @given(first=st.integers(-40, 60), num_frames=st.integers(0, 30), num_steps=st.integers(1, 90))
    @settings(max_examples=60, deadline=None)
    def test_equals_a_plain_loop(self, first: int, num_frames: int, num_steps: int) -> None:
        mel = torch.randn(1, 3, num_steps, generator=torch.Generator().manual_seed(num_steps))
        windows = mel_windows(mel, num_frames, first)
        assert windows.shape == (1, num_frames, 3, 16)
        for place in range(num_frames):
            start = int(3.2 * (first + place - 2))
            for step in range(16):
                inside = 0 <= start + step < num_steps
                wanted = mel[0, :, start + step] if inside else torch.full((3,), -4.0)
                assert torch.equal(windows[0, place, :, step], wanted)

    def test_centre_is_within_half_a_frame_of_the_picture(self) -> None:
        # Column i is centred on 12.5 i ms; a window's centre lies between its columns 7 and 8.
        ramp = torch.arange(400.0).expand(1, 80, -1)
        centre_s = mel_windows(ramp, 50, first=10)[0, :, 0].mean(-1) * 0.0125
        frame_s = (torch.arange(10, 60) + 0.5) / 25
        assert (centre_s - frame_s).abs().max() < 0.5 / 25

    def test_five_frames_are_sixteen_columns(self) -> None:
        mel = torch.randn(1, 80, 400)
        assert torch.equal(mel_windows(mel, 1, 25)[..., 1:], mel_windows(mel, 1, 20 + 5)[..., 1:])
        later = torch.cat([torch.zeros(1, 80, 16), mel], -1)
        assert torch.equal(mel_windows(later, 20, 15), mel_windows(mel, 20, 10))

    def test_three_seconds_are_seventy_five_frames(self) -> None:
        assert num_frames_of(48_000) == 75
        assert num_frames_of(48_639) == 75
        assert num_frames_of(639) == 0


class TestLoadAudio:
    def test_wav_comes_back_bit_for_bit(self, tmp_path: Path) -> None:
        samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
        waveform = torch.from_numpy(samples.astype(np.float32) / 32768)
        save_wav(tmp_path / "a.wav", waveform)
        assert torch.equal(load_audio(tmp_path / "a.wav"), waveform)
        with wave.open(str(tmp_path / "a.wav")) as file:
            assert file.getparams()[:4] == (1, 2, 16_000, 5000)
        assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]

    def test_save_wav_clips_and_refuses_two_axes(self, tmp_path: Path) -> None:
        save_wav(tmp_path / "a.wav", torch.tensor([2.0, -2.0]))
        assert load_audio(tmp_path / "a.wav").tolist() == [32767 / 32768, -1.0]
        with pytest.raises(ValueError, match="waveform: expected shape"):
            save_wav(tmp_path / "b.wav", torch.zeros(2, 100))

    @pytest.mark.parametrize(
        ("name", "codec", "rate"),
        [("a.m4a", "aac", 44_100), ("a.mp4", "aac", 16_000), ("a.mp3", "libmp3lame", 44_100),
         ("a.mkv", "aac", 48_000), ("a.flac", "flac", 22_050)],
    )  # fmt: skip
    def test_any_container_keeps_length_and_place(
        self, tmp_path: Path, name: str, codec: str, rate: int
    ) -> None:
        sound = tone(2.0, rate=rate) * np.linspace(0, 1, 2 * rate, dtype="float32")
        layout = "stereo" if codec == "aac" else "mono"
        channels = 2 if layout == "stereo" else 1
        if codec == "flac":
            with av.open(str(tmp_path / name), "w") as container:
                stream = container.add_stream("flac", rate=rate, layout="mono")
                frame = av.AudioFrame.from_ndarray(
                    (sound[None] * 32767).astype(np.int16), format="s16", layout="mono"
                )
                frame.sample_rate = rate
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
        else:
            write_sound(
                tmp_path / name, np.stack([sound] * channels), rate=rate, codec=codec, layout=layout
            )
        loaded = load_audio(tmp_path / name).numpy()
        wanted = tone(2.0) * np.linspace(0, 1, 32_000, dtype="float32")
        if name.endswith((".m4a", ".mp4", ".flac")):  # the padding of the encoder is cut off
            assert abs(len(loaded) - 32_000) <= 1
        num = min(len(loaded), len(wanted))
        assert num > 31_900
        assert np.sqrt(np.mean((loaded[:num] - wanted[:num]) ** 2)) < 0.01

    def test_channels_are_averaged(self, tmp_path: Path) -> None:
        stereo = np.stack([tone(0.5), np.zeros(8000, "float32")])
        write_sound(tmp_path / "a.wav", stereo, rate=16_000, codec="pcm_s16le", layout="stereo")
        np.testing.assert_allclose(load_audio(tmp_path / "a.wav"), tone(0.5) / 2, atol=1e-3)

    def test_a_hole_becomes_silence(self, tmp_path: Path) -> None:
        sound = tone(2.0)
        write_sound(tmp_path / "a.mkv", sound[None], rate=16_000, codec="pcm_s16le", skip=8000)
        loaded = load_audio(tmp_path / "a.mkv").numpy()
        assert abs(len(loaded) - 40_000) <= 64
        assert np.abs(loaded[16_100:23_900]).max() == 0
        np.testing.assert_allclose(loaded[24_100:39_000], sound[16_100:31_000], atol=2e-3)

    def test_time_zero_is_the_first_picture(self, tmp_path: Path) -> None:
        path = tmp_path / "late.mkv"
        sound = tone(1.0) * np.linspace(0, 1, 16_000, dtype="float32")
        with av.open(str(path), "w") as container:
            video = container.add_stream("libx264", rate=25)
            video.width = video.height = 32
            voice = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(
                (sound[None] * 32767).astype(np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts = 16_000, 0
            container.mux(voice.encode(frame))
            for number in range(10):
                picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
                picture.pts, picture.time_base = number + 5, Fraction(1, 25)  # begins at 0.2 s
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
        loaded = load_audio(path).numpy()
        assert len(loaded) == 16_000 - 3200
        np.testing.assert_allclose(loaded, sound[3200:], atol=1e-4)

    def test_bad_files_say_what_is_wrong(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"a\.wav not found; check the path"):
            load_audio(tmp_path / "a.wav")
        with pytest.raises(MediaError, match="is a folder"):
            load_audio(tmp_path)
        (tmp_path / "empty.wav").touch()
        with pytest.raises(MediaError, match=r"is empty \(0 bytes\)"):
            load_audio(tmp_path / "empty.wav")
        (tmp_path / "text.wav").write_text("no sound at all\n" * 40)
        with pytest.raises(MediaError, match="not a readable audio or video file"):
            load_audio(tmp_path / "text.wav")

    def test_truncated_files_are_refused(self, tmp_path: Path) -> None:
        write_sound(tmp_path / "a.m4a", tone(3.0)[None], rate=16_000, codec="aac")
        whole = (tmp_path / "a.m4a").read_bytes()
        (tmp_path / "cut.m4a").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(MediaError, match="truncated"):
            load_audio(tmp_path / "cut.m4a")
        save_wav(tmp_path / "a.wav", torch.from_numpy(tone(3.0)))
        (tmp_path / "cut.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:30_000])
        with pytest.raises(MediaError, match="truncated"):
            load_audio(tmp_path / "cut.wav")

    def test_real_clips(self) -> None:
        path = SHARED / "clips" / "hdtf_1.mp4"
        if not path.exists():
            pytest.skip(f"{path} is not there")
        assert len(load_audio(path)) == 128_000  # 8 s; a decoder alone gives more
        with pytest.raises(MediaError, match="no audio stream"):
            load_audio(SHARED / "clips" / "drawn_face_no_audio.mp4")
