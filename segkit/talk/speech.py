"""The speech of a clip, embedded once: a vector per 25 fps frame, and how silent it is there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from segkit.contracts import FPS, SAMPLES_PER_FRAME, check_shape, encode_audio
from segkit.talk.pauses import silence_gate

_CHUNK_FRAMES = 150
"""Frames embedded at once, so that an hour of speech needs no more memory than 6 s."""

_HEARD_AHEAD = 10
"""Frames: more than a local encoder hears ahead."""

_EASED_FRAMES = 3
"""In which the mouth closes after the last sound."""


class Speech:
    """Embedded speech, ready to be asked for any moment.

    Args:
        vectors: ``T D``, one per 25 fps frame.
        silence: ``T`` in [0, 1], 1 in pauses.
        silent_vector: ``D``, the embedding of digital silence.
        delay_s: how much later than the mouth the sound comes.
    """

    def __init__(
        self, vectors: Tensor, silence: Tensor, silent_vector: Tensor, *, delay_s: float = 0.0
    ) -> None:
        self.vectors = vectors
        self.silence = silence
        self.silent_vector = silent_vector
        self.delay_s = delay_s

    def at(self, times_s: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Return the embedding and the silence of some moments.

        Between two frames of 25 fps both are interpolated, so that a 30 or 60 fps video moves
        smoothly; at a multiple of 40 ms they are exact. After the end there is silence, eased in
        over three frames. But where the sound comes late, that of a film's last frames is cut off:
        these take the last that is heard, since nothing tells that a mouth closed there.

        Args:
            times_s: B times of pictures, in seconds from the start of the speech.

        Returns:
            ``B D`` and ``B``.
        """
        place = (torch.tensor(times_s, dtype=torch.float64) + self.delay_s) * FPS
        nearest = place.round()
        # Container clocks tick in 1/90000 s or so: such a rounding is no reason to mix two frames.
        place = torch.where((place - nearest).abs() < 0.02, nearest, place)
        last_heard = len(self.vectors) - 1
        after = (place - last_heard - max(self.delay_s, 0) * FPS).clamp_min(0)
        place = torch.where(place > last_heard, last_heard + after, place)
        left = place.floor().long().clamp_min(0)
        share = (place - left).clamp(0, 1).to(self.vectors)
        vectors, silence = self._ended
        last = len(vectors) - 1
        first, second = left.clamp_max(last), (left + 1).clamp_max(last)
        return (
            torch.lerp(vectors[first], vectors[second], share[:, None]),
            torch.lerp(silence[first], silence[second], share),
        )

    @cached_property
    def _ended(self) -> tuple[Tensor, Tensor]:
        """Vectors and silence, and behind them how both go over into silence."""
        ease = torch.arange(1, _EASED_FRAMES + 1).to(self.silence) / _EASED_FRAMES
        fading = torch.lerp(self.vectors[-1], self.silent_vector, ease[:, None])
        closing = torch.lerp(self.silence[-1], ease.new_ones(()), ease)
        return torch.cat([self.vectors, fading]), torch.cat([self.silence, closing])


@torch.no_grad()
def embed_speech(encoder: nn.Module, waveform: Tensor, *, delay_s: float = 0.0) -> Speech:
    """Embed a whole waveform in chunks.

    Args:
        encoder: an audio encoder, in evaluation mode.
        waveform: ``N`` at 16 kHz, on the encoder's device.
        delay_s: how much later than the mouth the sound shall come.

    Returns:
        The speech, covering every started frame.
    """
    check_shape(waveform, "N", name="waveform", remedy="average the channels first")
    num_frames = max(1, -(-len(waveform) // SAMPLES_PER_FRAME))
    # Beyond the end of features there is nothing, beyond the end of a voice there is silence.
    ended = nn.functional.pad(waveform, (0, _HEARD_AHEAD * SAMPLES_PER_FRAME))
    features = listened(encoder, ended)
    vectors = waveform.new_empty(0)
    for first in range(0, num_frames, _CHUNK_FRAMES):
        stop = min(first + _CHUNK_FRAMES, num_frames)
        chunk = encode_audio(encoder, ended[None], stop - first, first, features)[0]
        if not first:
            # Taken whole and early: pieces amid what the encoder frees would keep all of it.
            vectors = chunk.new_empty(num_frames, chunk.shape[1])
        vectors[first:stop] = chunk
    silence = waveform.new_zeros(10 * SAMPLES_PER_FRAME)
    quiet = encode_audio(encoder, silence[None], 1, 5, listened(encoder, silence))[0, 0]
    gate = silence_gate(ended)[:num_frames]
    return Speech(vectors, gate, quiet, delay_s=delay_s)


def listened(encoder: nn.Module, waveform: Tensor) -> Tensor | None:
    """Return the features ``1 F C`` of a clip's speech ``N``, if the encoder works on any."""
    return encoder.listen(waveform)[None] if hasattr(encoder, "listen") else None  # type: ignore[operator]
