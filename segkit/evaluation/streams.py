"""Two videos side by side, in chunks of frames, with their sound."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from segkit.evaluation.pairs import Pair
from segkit.video import MediaError, VideoReader

CHUNK_FRAMES = 64
"""Frames held at once; memory does not grow with the length of a clip."""

_FPS_TOLERANCE = 0.005
"""Rates within half a percent are one: containers round 30000/1001 in their own ways."""


class PairStream:
    """The frames of a pair, in step.

    Args:
        pair: the two videos.
        on_length_mismatch: ``"error"``, or ``"trim"`` the longer one.

    Attributes:
        head: what does not grow with time: ``sample_id``, ``fps``, ``size``, ``audio``.
        num_frames: about how many there will be.
        trimmed: frames left out at the end of the longer video, once the stream has ended.

    Raises:
        MediaError: a video that cannot be read.
        ValueError: different rates or sizes.
    """

    def __init__(
        self,
        pair: Pair,
        *,
        on_length_mismatch: Literal["error", "trim"] = "error",
    ) -> None:
        self.pair = pair
        self.on_length_mismatch = on_length_mismatch
        self.trimmed = 0
        with VideoReader(pair.pred) as pred, VideoReader(pair.real) as real:
            sizes = [(reader.height, reader.width) for reader in (pred, real)]
            if sizes[0] != sizes[1]:
                raise ValueError(
                    f"{pair.name}: the frames differ in size: {pair.pred} has "
                    f"{sizes[0][1]} x {sizes[0][0]}, {pair.real} {sizes[1][1]} x {sizes[1][0]}; "
                    "give both at one size"
                )
            rates = [float(reader.fps) for reader in (pred, real)]
            if abs(rates[0] / rates[1] - 1) > _FPS_TOLERANCE:
                raise ValueError(
                    f"{pair.name}: the rates differ: {pair.pred} has {rates[0]:g} fps, "
                    f"{pair.real} {rates[1]:g}; give both at one rate"
                )
            self.num_frames = min(pred.num_frames, real.num_frames)
            has_audio = pred.has_audio
        self.head: dict[str, Any] = {
            "sample_id": pair.name,
            "fps": rates[1],
            "size": sizes[1],
            "audio": _samples(pair) if has_audio else None,
        }

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield chunks of at most `CHUNK_FRAMES` frames, in order.

        Raises:
            ValueError: different lengths, unless they are trimmed.
        """
        with VideoReader(self.pair.pred) as pred, VideoReader(self.pair.real) as real:
            frames = itertools.zip_longest(
                (frame.image for frame in pred), (frame.image for frame in real)
            )
            held: list[tuple[np.ndarray, np.ndarray]] = []
            counts = [0, 0]
            for images in frames:
                counts = [n + (image is not None) for n, image in zip(counts, images, strict=True)]
                if counts[0] == counts[1]:
                    held.append(images)
                if len(held) == CHUNK_FRAMES:
                    yield self._chunk(held)
                    held = []
            self._check_lengths(counts)
            if held:
                yield self._chunk(held)

    def _check_lengths(self, counts: list[int]) -> None:
        self.trimmed = abs(counts[0] - counts[1])
        if self.trimmed and self.on_length_mismatch == "error":
            raise ValueError(
                f"{self.pair.name}: the lengths differ: {self.pair.pred} has {counts[0]} frames, "
                f"{self.pair.real} {counts[1]}; cut them alike, or trim the longer one "
                "(--on-length-mismatch trim)"
            )

    @staticmethod
    def _chunk(held: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
        return {
            f"{side}_frames": np.stack(images).transpose(0, 3, 1, 2)
            for side, images in zip(("pred", "gt"), zip(*held, strict=True), strict=True)
        }


def _samples(pair: Pair) -> np.ndarray | None:
    """Return the predicted video's sound as int16 at 16 kHz; None if it cannot be read."""
    from segkit.audio import load_audio

    try:
        waveform = load_audio(pair.pred)
    except MediaError:
        return None
    return (waveform * 32768).round().clamp(-32768, 32767).short().numpy()
