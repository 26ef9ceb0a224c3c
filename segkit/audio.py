"""Speech in: a file to a waveform, the waveform to mel columns, those to one window per frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from segkit.contracts import SAMPLE_RATE, SAMPLES_PER_FRAME, check_shape
from segkit.media import MediaError, audio_stream, decode_error, open_media, seconds, start_s

if TYPE_CHECKING:
    from av.container import InputContainer

MEL_SILENCE = -4.0
"""What the mel front end gives for digital silence; windows outside the audio hold it."""

WINDOW_STEPS = 16
"""Mel columns of one window: 0.2 s, five video frames."""

_GAP_S = 0.05
_UNSURE_FORMATS = ("mp3", "aac", "ac3", "eac3", "amr", "ogg")


def load_audio(path: str | Path) -> Tensor:
    """Read the sound of any media file as 16 kHz mono.

    Sample 0 belongs to the first picture when the file is a film, so sound and frames stay in step;
    sound before it is dropped, a later start and holes inside become silence. The padding an
    encoder adds behind the end is cut off.

    Args:
        path: wav, flac, m4a, mp3, mp4, mkv, ...

    Returns:
        ``N`` float32 in [-1, 1]; channels are averaged.

    Raises:
        FileNotFoundError: there is no such file.
        MediaError: empty, truncated, without an audio stream, or not a media file.
    """
    with open_media(path) as container:
        stream = audio_stream(container)
        if stream is None:
            raise MediaError(
                f"{path} has no audio stream; give a file with sound, or its speech "
                "by the option --audio where there is one"
            )
        declared_s = None
        if stream.duration is not None and container.format.name not in _UNSURE_FORMATS:
            declared_s = seconds(stream.duration, stream.time_base)
        pieces = list(_decode(container, path))
        zero_s = start_s(container)
        first_s = seconds(stream.start_time, stream.time_base)
    waveform = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if declared_s is not None:
        if (
            len(waveform) < (declared_s - 0.5) * SAMPLE_RATE
            and len(waveform) < 0.98 * declared_s * SAMPLE_RATE
        ):
            raise MediaError(
                f"{path} is truncated: it declares {declared_s:.2f} s of sound, "
                f"{len(waveform) / SAMPLE_RATE:.2f} s are there; copy or export it again"
            )
        waveform = waveform[: round(declared_s * SAMPLE_RATE)]
    shift = round((first_s - zero_s) * SAMPLE_RATE)
    waveform = np.pad(waveform, (shift, 0)) if shift > 0 else waveform[-shift:]
    if not len(waveform):
        raise MediaError(f"{path}: its audio stream holds no sound; give a file with sound")
    return torch.from_numpy(np.ascontiguousarray(waveform))


def _decode(container: InputContainer, path: str | Path) -> Iterator[np.ndarray]:
    """Yield 16 kHz mono pieces of the first audio stream, with silence for holes in its times."""
    import av

    stream = audio_stream(container)
    assert stream is not None
    # Channels are averaged below: FFmpeg's own mix of floating point channels is louder, and clips.
    resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE)
    heard_s: float | None = None  # where the sound so far ends on the time line
    try:
        for frame in container.decode(stream):
            time_s = None if frame.pts is None else seconds(frame.pts, frame.time_base)
            if heard_s is None:
                heard_s = time_s or 0.0
            if time_s is not None and time_s - heard_s > _GAP_S:
                yield from _resampled(resampler, None)
                yield np.zeros(round((time_s - heard_s) * SAMPLE_RATE), np.float32)
                resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE)
                heard_s = time_s
            heard_s += frame.samples / frame.sample_rate
            frame.pts = None  # the resampler counts by itself
            yield from _resampled(resampler, frame)
        yield from _resampled(resampler, None)
    except av.error.FFmpegError as error:
        raise decode_error(path, "sound", heard_s or 0.0, error) from error


def _resampled(resampler: object, frame: object) -> Iterator[np.ndarray]:
    for out in resampler.resample(frame):  # type: ignore[attr-defined]
        yield np.clip(out.to_ndarray().mean(0), -1, 1)


def save_wav(path: str | Path, waveform: Tensor) -> None:
    """Write a 16 kHz mono waveform as 16-bit PCM; the file appears whole or not at all.

    Args:
        path: of the wav file; an existing one is replaced.
        waveform: ``N`` in [-1, 1]; what lies outside is clipped.

    Raises:
        ValueError: not one axis.
    """
    import wave

    check_shape(waveform, "N", name="waveform", remedy="average the channels first")
    path = Path(path)
    # 32768, so that reading (int16 / 32768) gives back exactly what was written.
    samples = (
        (waveform.detach().cpu().double() * 32768).round().clamp(-32768, 32767).to(torch.int16)
    )
    part = path.with_name(f".{path.name}.part")
    try:
        with wave.open(str(part), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(samples.numpy().astype("<i2").tobytes())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def num_frames_of(num_samples: int) -> int:
    """Return how many whole 25 fps frames a 16 kHz waveform covers."""
    return num_samples // SAMPLES_PER_FRAME


def slaney_bank(*, num_mels: int, num_fft: int, low_hz: float, high_hz: float) -> Tensor:
    """Make triangular mel filters of equal area on Slaney's scale.

    The scale is linear below 1 kHz and logarithmic above.

    Args:
        num_mels: M, bands.
        num_fft: length of the Fourier transform.
        low_hz: lower edge of the first band.
        high_hz: upper edge of the last band.

    Returns:
        ``M F`` float64, F = num_fft // 2 + 1.

    Source: Slaney, Auditory Toolbox (1998).
    """
    hz_per_mel, knee_hz, log_step = 200 / 3, 1000.0, np.log(6.4) / 27
    knee_mel = knee_hz / hz_per_mel

    def to_mel(hz: float) -> float:
        return hz / hz_per_mel if hz < knee_hz else knee_mel + np.log(hz / knee_hz) / log_step

    mels = np.linspace(to_mel(low_hz), to_mel(high_hz), num_mels + 2)
    edges = np.where(
        mels < knee_mel, mels * hz_per_mel, knee_hz * np.exp(log_step * (mels - knee_mel))
    )
    bins = np.linspace(0, SAMPLE_RATE / 2, num_fft // 2 + 1)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return torch.from_numpy(np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left))


class MelFrontEnd(nn.Module):
    """Log-mel spectrogram of speech, 80 columns per second, in [-4, 4].

    Pre-emphasis, a centred 50 ms Hann window every 12.5 ms, magnitude, 80 Slaney bands of 55-7600
    Hz, decibels, clipped. Silence is -4.

    Source: paper section 4.1 (12.5 ms, 50 ms, 80 bands); the rest follows Wav2Lip's published front
    end.
    """

    num_mels = 80
    hop = SAMPLE_RATE // 80
    window = 800
    bank: Tensor
    hann: Tensor

    def __init__(self) -> None:
        super().__init__()
        bank = slaney_bank(num_mels=self.num_mels, num_fft=self.window, low_hz=55.0, high_hz=7600.0)
        # Constants, not weights: kept out of checkpoints.
        self.register_buffer("bank", bank.float(), persistent=False)
        self.register_buffer(
            "hann", torch.hann_window(self.window, dtype=torch.float64).float(), persistent=False
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn waveforms into mel columns.

        Args:
            waveform: ``B N`` at 16 kHz in [-1, 1], N >= 1.

        Returns:
            ``B 80 M`` float32 with M = 1 + N // 200.

        Raises:
            ValueError: not two axes, or no samples.
        """
        num_samples = check_shape(waveform, "B N", name="waveform")["N"]
        if num_samples == 0:
            raise ValueError("waveform: expected at least one sample, got none")
        with torch.autocast(waveform.device.type, enabled=False):  # decibels need float32
            waveform = waveform.float()
            emphasised = torch.cat([waveform[:, :1], waveform[:, 1:] - 0.97 * waveform[:, :-1]], 1)
            # Reflection needs more samples than it mirrors; a shorter sound is followed by silence.
            missing = max(0, self.window // 2 + 1 - num_samples)
            emphasised = nn.functional.pad(emphasised, (0, missing))
            spectrum = torch.stft(
                emphasised,
                self.window,
                self.hop,
                window=self.hann,
                center=True,
                pad_mode="reflect",
                return_complex=True,
            ).abs()[..., : 1 + num_samples // self.hop]
            decibels = 20 * (self.bank @ spectrum).clamp_min(1e-5).log10() - 20
            return (8 * (decibels + 100) / 100 - 4).clamp(-4, 4)


def mel_windows(mel: Tensor, num_frames: int, first: int = 0) -> Tensor:
    """Cut the 0.2 s of mel columns centred on each video frame.

    Frame k gets the 16 columns from ``int(3.2 (k - 2))``: its own time and two frames to either
    side. So the window of a SyncNet clip of frames k .. k+4 is the window of frame k+2. Outside the
    sound there is silence.

    Args:
        mel: ``B 80 M`` from `MelFrontEnd`.
        num_frames: T.
        first: number of the first frame; may be negative.

    Returns:
        ``B T 80 16``.

    Source: paper section 3.2 ("the centre is synchronized with the pose source"). Paper: rounding
    not given; ours: towards zero, in training and inference alike.
    """
    num_steps = check_shape(mel, "B M T", name="mel")["T"]
    frames = torch.arange(first - 2, first - 2 + num_frames, device=mel.device)
    starts = torch.div(
        16 * frames, 5, rounding_mode="trunc"
    )  # 3.2 columns per frame, without floating point
    index = starts[:, None] + torch.arange(WINDOW_STEPS, device=mel.device)
    inside = (index >= 0) & (index < num_steps)
    windows = mel[:, :, index.clamp(0, num_steps - 1)]
    return windows.masked_fill(~inside, MEL_SILENCE).transpose(1, 2)
