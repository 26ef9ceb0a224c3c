"""Pauses of speech: where a voice-activity detector hears nobody for a second, the mouth closes."""

from __future__ import annotations

import functools
import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from segkit.contracts import SAMPLE_RATE, SAMPLES_PER_FRAME

logger = logging.getLogger("segkit.talk")

# Paper: silence is not treated; ours: closed where nobody speaks for a second, eased in over two
# frames. In shorter pauses real mouths stay parted (seen in four clips: 60 to 90 % as open as in
# speech); what they do there is the audio encoder's to say.
_MIN_SILENT_FRAMES = 25

# The detector is asked for 0.5 at the onset of speech and less at its end; ours: one low threshold,
# since a mouth that stays shut in speech is worse than one that moves a little in noise.
_SPOKEN = 0.3
_MARGIN_FRAMES = 2
"""A mouth opens before it is heard and closes after."""

_HOP = 512
"""Samples that the detector looks at in one step."""

_BELOW_LOUD_DB, _FLOOR_DBFS = 35.0, -55.0


def silence_gate(waveform: Tensor) -> Tensor:
    """Find the pauses of speech, whatever noise or music fills them.

    Args:
        waveform: ``N`` at 16 kHz in [-1, 1].

    Returns:
        ``T`` in [0, 1] per started 25 fps frame: 0 in speech, 1 in pauses of at least 1 s, eased
        at their borders.

    Source: Silero VAD (github.com/snakers4/silero-vad, MIT), the small network that decides.
    """
    if not len(waveform):
        return waveform.new_zeros(0)
    detector = _detector()
    quiet = quiet_by_level(waveform) if detector is None else _unvoiced(detector, waveform)
    return _long_runs(quiet).to(waveform)


def quiet_by_level(waveform: Tensor) -> Tensor:
    """Tell the frames that are quiet by themselves and beside the loud ones; noise hides pauses.

    Args:
        waveform: ``N`` at 16 kHz in [-1, 1].

    Returns:
        ``T`` float, 0 or 1.
    """
    missing = -len(waveform) % SAMPLES_PER_FRAME
    frames = nn.functional.pad(waveform, (0, missing)).view(-1, SAMPLES_PER_FRAME)
    level_db = 10 * frames.double().square().mean(1).clamp_min(1e-12).log10()
    threshold = max(float(level_db.quantile(0.95)) - _BELOW_LOUD_DB, _FLOOR_DBFS)
    return (level_db < threshold).float()


@functools.cache
def _detector() -> Any:
    """Load the detector; None, with a line in the log, where it is not installed."""
    threads = torch.get_num_threads()
    try:
        with warnings.catch_warnings():
            # TorchScript is on its way out; the package has the weights in other forms too.
            warnings.simplefilter("ignore", DeprecationWarning)
            from silero_vad import load_silero_vad

            return load_silero_vad()
    except ImportError:
        logger.warning(
            "pauses are found by loudness alone, which noise hides; better: pip install silero-vad"
        )
        return None
    finally:
        torch.set_num_threads(threads)  # importing the package sets one thread


@torch.no_grad()
def _unvoiced(detector: Any, waveform: Tensor) -> Tensor:
    """Tell the frames in which, and beside which, nobody speaks: ``T``, 0 or 1."""
    samples = waveform.detach().cpu().float()
    padded = nn.functional.pad(samples, (0, -len(samples) % _HOP))
    detector.reset_states()
    heard = torch.stack([detector(step, SAMPLE_RATE).squeeze() for step in padded.split(_HOP)])
    # Each frame takes the highest of the steps that it touches.
    num_frames = -(-len(waveform) // SAMPLES_PER_FRAME)
    steps = torch.arange(num_frames)[:, None] * SAMPLES_PER_FRAME // _HOP + torch.arange(3)
    last = ((torch.arange(num_frames) + 1) * SAMPLES_PER_FRAME - 1) // _HOP
    steps = steps.minimum(last[:, None]).clamp_max(len(heard) - 1)
    spoken = (heard[steps].amax(1) >= _SPOKEN).float()
    around = 2 * _MARGIN_FRAMES + 1
    return 1 - nn.functional.max_pool1d(spoken[None, None], around, 1, _MARGIN_FRAMES)[0, 0]


def _long_runs(quiet: Tensor) -> Tensor:
    """Keep runs of the minimal length, and ease their borders: ``T`` in [0, 1]."""
    # Erode and dilate: only runs of the minimal length survive. What lies beyond the clip is not
    # known, and a clip may begin within a word.
    kernel = _MIN_SILENT_FRAMES
    padded = nn.functional.pad(quiet[None, None], (kernel - 1, kernel - 1))
    eroded = -nn.functional.max_pool1d(-padded, kernel, 1)
    long_enough = nn.functional.max_pool1d(eroded, kernel, 1)[0, 0]
    eased = nn.functional.pad((long_enough * quiet)[None, None], (2, 2), mode="replicate")
    weights = quiet.new_tensor([[[1.0, 2.0, 3.0, 2.0, 1.0]]]) / 9
    return nn.functional.conv1d(eased, weights)[0, 0]
