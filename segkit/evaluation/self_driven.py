"""Clips driven by their own speech: a method redraws what the data set knows the truth of.

A method may use the speech, one reference frame with a closed mouth, every frame's upper half and
what `segkit talk` leaves of the lower half (`GIVEN`). Sources differ in what
they show it; ours: the same to all methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from torch import Tensor

from segkit.clips import Clip
from segkit.contracts import FPS, SAMPLES_PER_FRAME
from segkit.regions import RegionScheme

GIVEN = "one reference frame, upper halves, and below what `segkit talk` leaves of a frame"
"""What every method sees: the latter is all outside of the face, and nose, ears, hair, glasses,
earrings and the edge of the jaw where the spoken mask agrees with the frame's on them."""

BATCH_FRAMES = 16
_SEARCHED_FRAMES = 500
"""The reference comes from the first 20 s."""


class Drawn(NamedTuple):
    """Some consecutive frames of a method.

    Attributes:
        frames: ``T H W 3`` uint8 RGB.
        masks: ``T S S`` uint8 labels that the method drew them from; None if it has none.
    """

    frames: np.ndarray
    masks: np.ndarray | None


class Shown(NamedTuple):
    """Some consecutive frames of the truth.

    Attributes:
        first: number of the first.
        images: ``T H W 3`` uint8 RGB.
        labels: ``T H W`` uint8.
    """

    first: int
    images: np.ndarray
    labels: np.ndarray


class SelfDriven:
    """A clip as methods see it.

    Args:
        clip: of a clip folder.
        scheme: of its masks.
        start: first frame that is measured; what comes before may be known to a method.
        most: frames that are measured at most.
    """

    def __init__(
        self, clip: Clip, *, scheme: RegionScheme, start: int = 0, most: int | None = None
    ) -> None:
        if not 0 <= start < clip.num_frames:
            raise ValueError(
                f"clip {clip.clip_id}: start: expected 0..{clip.num_frames - 1}, got {start}"
            )
        self.clip, self.scheme, self.start = clip, scheme, start
        self.stop = clip.num_frames if most is None else min(start + most, clip.num_frames)

    @property
    def name(self) -> str:
        """Name of the clip."""
        return self.clip.clip_id

    @property
    def num_frames(self) -> int:
        """Number of measured frames."""
        return self.stop - self.start

    @property
    def waveform(self) -> Tensor:
        """Speech of the whole clip, ``N`` at 16 kHz; frame k begins at sample 640 k."""
        return self.clip.waveform

    @cached_property
    def reference(self) -> Shown:
        """The frame whose lips are seen and whose mouth is open least.

        Taken from what comes before the measured frames, where there is anything.
        """
        known = range(self.start) if self.start else range(self.clip.num_frames)
        searched = known[:_SEARCHED_FRAMES]
        labels = self.clip.masks(searched)
        lips = np.isin(labels, self.scheme.lip_labels).sum((1, 2))
        inside = (labels == self.scheme.index("mouth")).sum((1, 2))
        # A frame without lips shows no face at all.
        closed = int(np.argmin(np.where(lips > 0, inside, labels[0].size)))
        number = searched[closed]
        return Shown(number, self.clip.frames([number]), labels[closed : closed + 1])

    def shown(self) -> Iterator[Shown]:
        """Yield the measured frames in order, a few at a time."""
        for first in range(self.start, self.stop, BATCH_FRAMES):
            numbers = range(first, min(first + BATCH_FRAMES, self.stop))
            yield Shown(first, self.clip.frames(numbers), self.clip.masks(numbers))


class Method(Protocol):
    """Something that makes faces talk.

    Attributes:
        name: in reports.
        has_masks: whether it draws from masks of its own.
    """

    name: str
    has_masks: bool

    def draw(self, clip: SelfDriven) -> Iterator[Drawn]:
        """Yield the measured frames of a clip in order, as many as there are."""
        ...


class DrawnClip:
    """A `ClipStream` of what a method draws, beside the truth.

    Args:
        clip: what is measured.
        method: draws it.

    Attributes:
        head: ``sample_id``, ``fps``, ``size`` and ``audio``.
        num_frames: how many there are.
        trimmed: always 0.
    """

    trimmed = 0

    def __init__(self, clip: SelfDriven, *, method: Method) -> None:
        self.clip, self.method = clip, method
        self.num_frames = clip.num_frames
        heard = slice(clip.start * SAMPLES_PER_FRAME, clip.stop * SAMPLES_PER_FRAME)
        samples = (clip.waveform[heard] * 32768).round().clamp(-32768, 32767)
        self.head: dict[str, Any] = {
            "sample_id": clip.name,
            "fps": float(FPS),
            "size": (clip.clip.size, clip.clip.size),
            "audio": samples.short().numpy(),
        }

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield chunks of a few frames.

        Raises:
            ValueError: the method drew another number of frames.
        """
        drawn = self.method.draw(self.clip)
        for truth in self.clip.shown():
            made = next(drawn, None)
            if made is None or len(made.frames) != len(truth.images):
                raise ValueError(
                    f"{self.clip.name}: {self.method.name} drew "
                    f"{0 if made is None else len(made.frames)} frames where {len(truth.images)} "
                    f"are measured, from frame {truth.first} on"
                )
            chunk = {
                "pred_frames": made.frames.transpose(0, 3, 1, 2),
                "gt_frames": truth.images.transpose(0, 3, 1, 2),
            }
            if made.masks is not None:
                chunk["pred_masks"] = made.masks
                chunk["gt_masks"] = resized_labels(truth.labels, made.masks.shape[-1])
            yield chunk


def resized_labels(labels: np.ndarray, side: int) -> np.ndarray:
    """Bring label maps ``T H W`` to another side without making new labels."""
    if labels.shape[-1] == side:
        return labels
    resize = [cv2.resize(m, (side, side), interpolation=cv2.INTER_NEAREST_EXACT) for m in labels]
    return np.stack(resize)
