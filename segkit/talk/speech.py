"""The speech of a clip, embedded once: a vector per 25 fps frame, and how silent it is there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.contracts import FPS, SAMPLES_PER_FRAME, check_shape, encode_audio

_CHUNK_FRAMES = 500
"""Frames embedded at once, so that an hour of speech needs no more memory than 20 s."""

# Paper: silence is not treated; ours: closed where it is below both levels for a second, eased in
# over two frames. In shorter pauses real mouths stay parted (seen in four clips: 60 to 90 % as open
# as in speech); what they do there is the audio encoder's to say.
_BELOW_LOUD_DB = 35.0
_FLOOR_DBFS = -55.0
_MIN_SILENT_FRAMES = 25


class Speech:
    """Embedded speech, ready to be asked for any moment.

    Args:
        vectors: ``T D``, one per 25 fps frame.
        silence: ``T`` in [0, 1], 1 in pauses.
        silent_vector: ``D``, the embedding of digital silence.
    """

    def __init__(self, vectors: Tensor, silence: Tensor, silent_vector: Tensor) -> None:
        self.vectors = vectors
        self.silence = silence
        self.silent_vector = silent_vector

    def at(self, times_s: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Return the embedding and the silence of some moments.

        Between two frames of 25 fps both are interpolated, so that a 30 or 60 fps video moves
        smoothly; at a multiple of 40 ms they are exact. After the end there is silence.

        Args:
            times_s: B times in seconds from the start of the speech.

        Returns:
            ``B D`` and ``B``.
        """
        place = torch.tensor(times_s, dtype=torch.float64) * FPS
        nearest = place.round()
        # Container clocks tick in 1/90000 s or so: such a rounding is no reason to mix two frames.
        place = torch.where((place - nearest).abs() < 0.02, nearest, place)
        left = place.floor().long().clamp_min(0)
        share = (place - left).clamp(0, 1).to(self.vectors)
        vectors = torch.cat([self.vectors, self.silent_vector[None]])
        silence = torch.cat([self.silence, self.silence.new_ones(1)])
        last = len(vectors) - 1
        first, second = left.clamp_max(last), (left + 1).clamp_max(last)
        return (
            torch.lerp(vectors[first], vectors[second], share[:, None]),
            torch.lerp(silence[first], silence[second], share),
        )


@torch.no_grad()
def embed_speech(encoder: nn.Module, waveform: Tensor) -> Speech:
    """Embed a whole waveform in chunks.

    Args:
        encoder: an audio encoder, in evaluation mode.
        waveform: ``N`` at 16 kHz, on the encoder's device.

    Returns:
        The speech, covering every started frame.
    """
    check_shape(waveform, "N", name="waveform", remedy="average the channels first")
    num_frames = max(1, -(-len(waveform) // SAMPLES_PER_FRAME))
    features = listened(encoder, waveform)
    chunks = [
        encode_audio(
            encoder, waveform[None], min(_CHUNK_FRAMES, num_frames - first), first, features
        )[0]
        for first in range(0, num_frames, _CHUNK_FRAMES)
    ]
    silence = waveform.new_zeros(10 * SAMPLES_PER_FRAME)
    quiet = encode_audio(encoder, silence[None], 1, 5, listened(encoder, silence))[0, 0]
    return Speech(torch.cat(chunks), silence_gate(waveform), quiet)


def listened(encoder: nn.Module, waveform: Tensor) -> Tensor | None:
    """Return the features ``1 F C`` of a clip's speech ``N``, if the encoder works on any."""
    return encoder.listen(waveform)[None] if hasattr(encoder, "listen") else None  # type: ignore[operator]


def silence_gate(waveform: Tensor) -> Tensor:
    """Find the pauses of speech by its energy.

    Args:
        waveform: ``N`` at 16 kHz in [-1, 1].

    Returns:
        ``T`` in [0, 1] per started 25 fps frame: 0 in speech, 1 in pauses of at least 1 s, eased
        at their borders.
    """
    missing = -len(waveform) % SAMPLES_PER_FRAME
    frames = nn.functional.pad(waveform, (0, missing)).view(-1, SAMPLES_PER_FRAME)
    level_db = 10 * frames.double().square().mean(1).clamp_min(1e-12).log10()
    if not len(level_db):
        return waveform.new_zeros(0)
    threshold = max(float(level_db.quantile(0.95)) - _BELOW_LOUD_DB, _FLOOR_DBFS)
    quiet = (level_db < threshold).float()
    # Erode and dilate: only runs of the minimal length survive.
    kernel = _MIN_SILENT_FRAMES
    padded = nn.functional.pad(quiet[None, None], (kernel - 1, kernel - 1), value=1.0)
    eroded = -nn.functional.max_pool1d(-padded, kernel, 1)
    long_enough = nn.functional.max_pool1d(eroded, kernel, 1)[0, 0]
    eased = nn.functional.pad((long_enough * quiet)[None, None], (2, 2), mode="replicate")
    weights = torch.tensor([[[1.0, 2.0, 3.0, 2.0, 1.0]]], device=waveform.device) / 9
    return nn.functional.conv1d(eased, weights)[0, 0].to(waveform.dtype)
