"""How a recording sounds: tone, echo, noise and level, added without moving speech in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segkit.contracts import SAMPLE_RATE

_SPEECH_RMS = 0.08


@dataclass(frozen=True)
class Room:
    """A recording situation.

    Args:
        tilt_db: gain at 4 kHz relative to 250 Hz.
        echo_s: time in which the echo fades by 60 dB; 0 for none.
        echo_level: energy of the echo relative to the direct sound.
        snr_db: speech to noise.
        noise_slope: 0 white, 1 pink, 2 brown.
        gain_db: level.
    """

    tilt_db: float = 0.0
    echo_s: float = 0.0
    echo_level: float = 0.0
    snr_db: float = 60.0
    noise_slope: float = 1.0
    gain_db: float = 0.0


def sample_room(rng: np.random.Generator) -> Room:
    """Draw a recording situation; one in four is clean."""
    if rng.random() < 0.25:
        return Room(gain_db=float(rng.uniform(-6, 3)))
    echoes = rng.random() < 0.6
    return Room(
        tilt_db=float(rng.normal(0, 4)),
        echo_s=float(rng.uniform(0.08, 0.35)) if echoes else 0.0,
        echo_level=float(rng.uniform(0.02, 0.20)) if echoes else 0.0,
        snr_db=float(rng.uniform(14, 45)),
        noise_slope=float(rng.uniform(0, 1.6)),
        gain_db=float(rng.uniform(-12, 4)),
    )


def record(waveform: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    """Let clean speech sound in a room.

    Args:
        waveform: float ``N`` at 16 kHz.
        room: the situation.
        rng: source of echo and noise.

    Returns:
        float32 ``N`` in [-1, 1]; the direct sound stays where it was.
    """
    num_samples = len(waveform)
    padded = 2 * num_samples
    spectrum = np.fft.rfft(waveform.astype(np.float64), padded)
    hertz = np.fft.rfftfreq(padded, 1 / SAMPLE_RATE)
    octaves = np.log2(np.clip(hertz, 60, 8000) / 1000)
    spectrum *= 10 ** (room.tilt_db / 4 * octaves / 20)
    if room.echo_s > 0:
        times_s = np.arange(int(room.echo_s * SAMPLE_RATE)) / SAMPLE_RATE
        tail = rng.standard_normal(len(times_s)) * 10 ** (-3 * times_s / room.echo_s)
        tail[: int(0.002 * SAMPLE_RATE)] = 0
        tail *= np.sqrt(room.echo_level / max((tail**2).sum(), 1e-12))
        tail[0] = 1
        spectrum *= np.fft.rfft(tail, padded)
    speech = np.fft.irfft(spectrum, padded)[:num_samples]
    speech *= _SPEECH_RMS / max(float(np.sqrt(np.mean(speech**2))), 1e-6)
    noise = np.fft.rfft(rng.standard_normal(num_samples))
    noise *= np.clip(np.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE), 40, None) ** (
        -room.noise_slope / 2
    )
    hiss = np.fft.irfft(noise, num_samples)
    hiss *= _SPEECH_RMS * 10 ** (-room.snr_db / 20) / max(float(np.sqrt(np.mean(hiss**2))), 1e-12)
    return np.clip((speech + hiss) * 10 ** (room.gain_db / 20), -1, 1).astype(np.float32)
