"""Speech features of published networks: AV-HuBERT's log filter bank and SyncNet's MFCC."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import SAMPLE_RATE, SAMPLES_PER_FRAME, check_shape

_NUM_BANDS = 26
_WINDOW, _HOP, _NUM_FFT = 400, 160, 512
_EMPHASIS = 0.97
_EMPTY = 2.220446049250313e-16
"""Stands for the energy of a silent band, whose logarithm would be infinite."""

_BLOCK = 4096
"""Windows transformed at once (41 s): memory does not grow with the length of the speech."""

STACKED = 4
"""Windows of 10 ms that make one row of a 25 fps frame."""

ROW_DIM = STACKED * _NUM_BANDS
"""Width of AV-HuBERT's input: 104."""


def htk_bank() -> Tensor:
    """Make 26 triangles between whole Fourier bins, evenly spaced on HTK's mel scale to 8 kHz.

    Returns:
        ``26 257`` float64. Edges lie on bins, as ``floor(513 hz / 16000)``: not what torchaudio's
        ``melscale_fbanks`` gives.

    Source: python_speech_features 0.6, which AV-HuBERT and SyncNet were trained with.
    """
    top_mel = 2595 * math.log10(1 + SAMPLE_RATE / 2 / 700)
    mels = torch.linspace(0, top_mel, _NUM_BANDS + 2, dtype=torch.float64)
    hz = 700 * (10 ** (mels / 2595) - 1)
    edges = torch.floor((_NUM_FFT + 1) * hz / SAMPLE_RATE)
    bins = torch.arange(_NUM_FFT // 2 + 1, dtype=torch.float64)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return torch.minimum(rising, falling).clamp_min(0)


class FilterBank(nn.Module):
    """Energies of 26 mel bands every 10 ms, in the scale of 16-bit samples.

    Pre-emphasis, windows of 25 ms without taper that begin at multiples of 10 ms, power of 512
    Fourier points. Samples are rounded to 16 bits first, as the published networks read them, so
    that speech decoded to floats gives what its wav file gives.

    Source: python_speech_features 0.6, ``fbank`` with its defaults.
    """

    bank: Tensor

    def __init__(self) -> None:
        super().__init__()
        # A constant, not a weight: kept out of checkpoints.
        self.register_buffer("bank", htk_bank().float(), persistent=False)

    @staticmethod
    def count(num_samples: int) -> int:
        """Return how many windows a waveform has; the last may reach over its end."""
        return 1 + max(0, -(-(num_samples - _WINDOW) // _HOP))

    def forward(
        self, waveform: Tensor, num_windows: int | None = None, first: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Analyse some windows of a waveform, exactly as in the analysis of all of it.

        Args:
            waveform: ``B N`` at 16 kHz in [-1, 1], N >= 1.
            num_windows: M, up to the last one when not given.
            first: number of the first window.

        Returns:
            Energies of the bands ``B M 26`` and of the whole window ``B M``, float32.

        Raises:
            ValueError: not two axes, no samples, or windows past the end.
        """
        total = _num_windows(waveform)
        num_windows = total - first if num_windows is None else num_windows
        if first < 0 or num_windows < 0 or first + num_windows > total:
            raise ValueError(
                f"windows: expected some of 0 .. {total - 1}, got {num_windows} from {first}"
            )
        with torch.autocast(waveform.device.type, enabled=False):  # logarithms need float32
            blocks = [
                self._block(waveform, start, min(_BLOCK, first + num_windows - start))
                for start in range(first, first + num_windows, _BLOCK)
            ]
        if not blocks:
            empty = self.bank.new_zeros(len(waveform), 0, _NUM_BANDS)
            return empty, empty[..., 0]
        bands, energy = zip(*blocks, strict=True)
        return torch.cat(bands, 1), torch.cat(energy, 1)

    def _block(self, waveform: Tensor, first: int, num_windows: int) -> tuple[Tensor, Tensor]:
        start, length = first * _HOP, (num_windows - 1) * _HOP + _WINDOW
        samples = waveform[:, max(start - 1, 0) : start + length].float()
        samples = (samples * 32768).round().clamp(-32768, 32767)
        if start == 0:
            samples = functional.pad(samples, (1, 0))
        emphasised = samples[:, 1:] - _EMPHASIS * samples[:, :-1]
        emphasised = functional.pad(emphasised, (0, length - emphasised.shape[1]))
        windows = emphasised.unfold(1, _WINDOW, _HOP)
        power = torch.fft.rfft(windows, _NUM_FFT).abs().square() / _NUM_FFT
        bands, energy = power @ self.bank.T, power.sum(-1)
        return _never_zero(bands), _never_zero(energy)


class AVHubertFeatures(nn.Module):
    """What AV-HuBERT hears: four log filter banks of 10 ms per 25 fps frame, normalised by row.

    Source: Shi et al. 2022 (AV-HuBERT), whose 26 bands are not the paper's 80 (section 4.1); these
    belong to the mel encoder and the SyncNet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bank = FilterBank()

    def forward(self, waveform: Tensor, num_frames: int | None = None, first: int = 0) -> Tensor:
        """Describe frames ``first .. first + num_frames - 1`` as part of the whole waveform.

        Args:
            waveform: ``B N`` at 16 kHz in [-1, 1], N >= 1.
            num_frames: T, every started frame when not given.
            first: number of the first frame, not negative.

        Returns:
            ``B T 104`` float32; frames past the end are 0.

        Raises:
            ValueError: not two axes, no samples, or negative numbers of frames.
        """
        total = _num_windows(waveform)
        if num_frames is None:
            num_frames = max(0, -(-waveform.shape[1] // SAMPLES_PER_FRAME) - first)
        if num_frames < 0 or first < 0:
            raise ValueError(
                f"frames: expected num_frames >= 0 and first >= 0, got {num_frames} and {first}"
            )
        start = min(STACKED * first, total)
        stop = min(STACKED * (first + num_frames), total)
        bands, _ = self.bank(waveform, stop - start, start)
        missing = STACKED * num_frames - bands.shape[1]
        rows = functional.pad(bands.log(), (0, 0, 0, missing))
        rows = rows.reshape(len(waveform), num_frames, ROW_DIM)
        with torch.autocast(waveform.device.type, enabled=False):
            return functional.layer_norm(rows, (ROW_DIM,))


class SyncNetMFCC(nn.Module):
    """What the evaluation SyncNet hears: 13 cepstral coefficients every 10 ms.

    The first coefficient is the logarithm of the window's energy.

    Source: Chung and Zisserman 2016 (SyncNet v2); python_speech_features 0.6, ``mfcc`` with its
    defaults.
    """

    num_coefficients = 13
    cosines: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.bank = FilterBank()
        # Computed in float64: cosines computed in float32 would cost 3e-4 alone.
        order = torch.arange(self.num_coefficients, dtype=torch.float64)
        place = torch.arange(_NUM_BANDS, dtype=torch.float64) + 0.5
        cosines = torch.cos(math.pi / _NUM_BANDS * order[:, None] * place)
        cosines *= math.sqrt(2 / _NUM_BANDS)
        cosines[0] /= math.sqrt(2)
        lifter = 1 + 11 * torch.sin(math.pi * order / 22)
        self.register_buffer("cosines", (cosines * lifter[:, None]).float(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn waveforms into cepstral columns.

        Args:
            waveform: ``B N`` at 16 kHz in [-1, 1], N >= 1.

        Returns:
            ``B 13 M`` float32, 100 columns per second; frame k of a film begins at column 4 k.

        Raises:
            ValueError: not two axes, or no samples.
        """
        bands, energy = self.bank(waveform)
        with torch.autocast(waveform.device.type, enabled=False):
            columns = self.cosines @ bands.log().transpose(1, 2)
        columns[:, 0] = energy.log()
        return columns


def _num_windows(waveform: Tensor) -> int:
    num_samples = check_shape(waveform, "B N", name="waveform")["N"]
    if num_samples == 0:
        raise ValueError("waveform: expected at least one sample, got none")
    return FilterBank.count(num_samples)


def _never_zero(energy: Tensor) -> Tensor:
    return torch.where(energy == 0, _EMPTY, energy)
