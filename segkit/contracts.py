"""What each component family promises, and the one voice for shape errors.

Letters: B batch, T frames, N samples, R regions, C channels, H W, L style layers, D width.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

SAMPLE_RATE = 16_000
"""Samples per second of every waveform inside the toolkit."""

FPS = 25
"""Frames per second of every clip inside the toolkit (paper section 3.2)."""

SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
"""640 samples of speech belong to one frame."""


@runtime_checkable
class Parser(Protocol):
    """Image ``B 3 H W`` in [-1, 1] -> logits ``B R H W``."""

    def __call__(self, image: Tensor) -> Tensor:
        """Apply the component."""
        ...


@runtime_checkable
class AudioEncoder(Protocol):
    """Waveform ``B N`` (16 kHz, [-1, 1]) -> ``B T D``.

    One vector for each of the frames ``first .. first + num_frames - 1`` of 25 fps.

    An encoder of long reach also has ``listen(waveform N) -> features F C``, which is called once
    per clip, says how many belong to a frame (``features_per_frame``: 2 for phonemes, 1 for
    AV-HuBERT), and takes ``features=``: ``B F C`` of the same stretch as the waveform.
    """

    out_dim: int

    def __call__(self, waveform: Tensor, num_frames: int, first: int = 0) -> Tensor:
        """Apply the component."""
        ...


@runtime_checkable
class MaskDecoder(Protocol):
    """Pose (lower half zero) and reference ``B R H W``, audio ``B D`` -> logits ``B R H W``."""

    def __call__(self, pose: Tensor, reference: Tensor, audio: Tensor) -> Tensor:
        """Apply the component."""
        ...


@runtime_checkable
class RegionEncoder(Protocol):
    """Image ``B 3 H W`` in [-1, 1], mask ``B R H W`` -> style codes ``B R L D``.

    An absent region gets a finite code.
    """

    def __call__(self, image: Tensor, mask: Tensor) -> Tensor:
        """Apply the component."""
        ...


@runtime_checkable
class Generator(Protocol):
    """Style codes ``B R L D``, mask ``B R H W`` -> image ``B 3 H W`` in [-1, 1]."""

    def __call__(self, styles: Tensor, mask: Tensor) -> Tensor:
        """Apply the component."""
        ...


@runtime_checkable
class Loss(Protocol):
    """``(prediction, target)`` -> unweighted scalar."""

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Apply the component."""
        ...


def encode_audio(
    encoder: Any,
    waveform: Tensor,
    num_frames: int,
    first: int = 0,
    features: Tensor | None = None,
) -> Tensor:
    """Call an audio encoder, with the clip's features if it is one that listens to whole clips.

    Args:
        encoder: an `AudioEncoder`.
        waveform: ``B N``.
        num_frames: T.
        first: index of the first frame wanted.
        features: ``B F C``; None if there are none.

    Returns:
        ``B T D``.
    """
    if features is None or not hasattr(encoder, "listen"):
        return encoder(waveform, num_frames, first)
    return encoder(waveform, num_frames, first, features=features)


def check_shape(tensor: Tensor, pattern: str, *, name: str, remedy: str = "") -> dict[str, int]:
    """Compare a tensor's shape with a pattern and return the size of each letter.

    Args:
        tensor: any tensor.
        pattern: one word per axis: a letter (``B``), a number (``3``) or a letter with its size
            (``R=12``).
            A letter used twice must have one size.
        name: the argument's name, for the message.
        remedy: what to do about it, appended to the message.

    Returns:
        Letter -> size.

    Raises:
        ValueError: ``mask: expected shape (B, R=12, H, W), got (4, 19, 256, 256)``.

    Example:
        >>> import torch
        >>> check_shape(torch.zeros(2, 12, 8, 8), "B R=12 H W", name="mask")["B"]
        2
    """
    words = pattern.split()
    sizes: dict[str, int] = {}
    fits = tensor.ndim == len(words)
    for word, size in zip(words, tensor.shape, strict=False):
        letter, _, wanted = word.partition("=")
        if letter.isdigit():
            wanted = letter
        known = int(wanted) if wanted else sizes.get(letter)
        fits = fits and (known is None or known == size)
        sizes[letter] = size
    if not fits:
        tail = f"; {remedy}" if remedy else ""
        raise ValueError(
            f"{name}: expected shape ({', '.join(words)}), got {tuple(tensor.shape)}{tail}"
        )
    return sizes
