"""Random changes of speech and masks that must not change the answer."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from segkit.contracts import SAMPLE_RATE

_MEL_PER_DB = 0.08
"""The mel front end maps 100 dB to 8 units."""

_EQ_EDGES_HZ = (60.0, 8000.0)
_EQ_BANDS = 8


def augment_mel(
    mel: Tensor, *, gain_db: float = 0.0, tilt_db: float = 0.0, noise_db: float = 0.0
) -> Tensor:
    """Change loudness, colour and floor of mel windows, each sample by its own draw.

    Args:
        mel: ``B 80 T`` in [-4, 4].
        gain_db: louder or softer by at most this.
        tilt_db: at most this between the lowest and the highest band, either way.
        noise_db: standard deviation of Gaussian noise on every cell.

    Returns:
        A new tensor of the same shape, in [-4, 4].
    """
    batch, num_bands = mel.shape[:2]
    gain = _uniform(batch, mel) * gain_db
    bands = torch.linspace(-0.5, 0.5, num_bands, device=mel.device)[:, None]
    tilt = _uniform(batch, mel) * tilt_db * bands
    changed = mel + _MEL_PER_DB * (gain + tilt)
    if noise_db:
        changed = changed + _MEL_PER_DB * noise_db * torch.randn_like(mel)
    return changed.clamp(-4, 4)


def augment_waveform(
    waveform: Tensor,
    *,
    gain_db: float = 0.0,
    noise_snr_db: float | None = None,
    equaliser_db: float = 0.0,
) -> Tensor:
    """Change loudness, noise and colour of speech, each sample by its own draw.

    Args:
        waveform: ``B N`` at 16 kHz.
        gain_db: louder or softer by at most this.
        noise_snr_db: loudest white noise, as signal to noise; each sample gets this or up to 30 dB
            less. None: no noise.
        equaliser_db: at most this up or down in each of 8 bands, smoothly joined.

    Returns:
        A new tensor of the same shape, in [-1, 1].
    """
    batch, num_samples = waveform.shape
    if equaliser_db:
        waveform = torch.fft.irfft(
            torch.fft.rfft(waveform) * _equaliser(waveform, equaliser_db), n=num_samples
        )
    if noise_snr_db is not None:
        snr_db = noise_snr_db + 30 * torch.rand(batch, 1, device=waveform.device)
        level = waveform.square().mean(1, keepdim=True).sqrt() * 10 ** (-snr_db / 20)
        waveform = waveform + level * torch.randn_like(waveform)
    gain = 10 ** (_uniform(batch, waveform)[..., 0] * gain_db / 20)
    return (waveform * gain).clamp(-1, 1)


def soften_masks(mask: Tensor, *, amount: float) -> Tensor:
    """Blur the borders of one-hot masks by a random amount, as a generator's softmax has them.

    Args:
        mask: ``B T R H W``, planes that sum to 1 at every pixel.
        amount: largest share of the blurred mask (3 x 3 mean); each sample draws its own from 0 to
            this.

    Returns:
        A new tensor of the same shape; the planes still sum to 1.
    """
    share = amount * torch.rand(len(mask), 1, 1, 1, 1, device=mask.device)
    blurred = functional.avg_pool2d(
        mask.flatten(1, 2), 3, stride=1, padding=1, count_include_pad=False
    )
    return torch.lerp(mask, blurred.view_as(mask), share)


def _uniform(batch: int, like: Tensor) -> Tensor:
    """Draw one number in [-1, 1] per sample: ``B 1 1``."""
    return torch.rand(batch, 1, 1, device=like.device) * 2 - 1


def _equaliser(waveform: Tensor, range_db: float) -> Tensor:
    """Draw a gain per frequency: ``B F``."""
    batch, num_samples = waveform.shape
    points_db = range_db * (torch.rand(batch, 1, _EQ_BANDS, device=waveform.device) * 2 - 1)
    hertz = torch.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE, device=waveform.device)
    low, high = _EQ_EDGES_HZ
    place = (hertz.clamp(low, high) / low).log() / math.log(high / low) * (_EQ_BANDS - 1)
    left = place.long().clamp(max=_EQ_BANDS - 2)
    gain_db = torch.lerp(points_db[:, 0, left], points_db[:, 0, left + 1], place - left)
    return 10 ** (gain_db / 20)
