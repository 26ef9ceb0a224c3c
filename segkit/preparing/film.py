"""A stretch of a video at 25 fps with its sound, and the parts of it that become clips."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from segkit.audio import load_audio, num_frames_of
from segkit.contracts import FPS, SAMPLES_PER_FRAME
from segkit.media import MediaError
from segkit.preparing.footage import Footage
from segkit.video import VideoReader, at_fps
from segkit.windows import cut

if TYPE_CHECKING:
    from segkit.faces import FaceTrack


class Take(NamedTuple):
    """The part of a shot that becomes a clip.

    Attributes:
        clip_id: of the clip.
        start: first frame of the shot, from the film's first one.
        track: of the face over the shot.
        first: first frame to keep, from the shot's first one.
        stop: one past the last.
    """

    clip_id: str
    start: int
    track: FaceTrack
    first: int
    stop: int

    @property
    def num_frames(self) -> int:
        """T, how many frames are kept."""
        return self.stop - self.first


class Film:
    """A stretch of a video at 25 fps, and its sound.

    Args:
        footage: the stretch.

    Attributes:
        first: its first frame in the video.
        num_frames: of the stretch, as the file declares them.
        num_heard: frames of the stretch for which there is sound.

    Raises:
        MediaError: a file that cannot be read, has no sound, or ends before the stretch.
    """

    def __init__(self, footage: Footage) -> None:
        self.footage = footage
        self._waveform = load_audio(footage.video)
        with VideoReader(footage.video) as reader:
            total = max(1, round(reader.duration_s * FPS))
        self.first, self.stop = 0, None
        if footage.span_s is not None:
            self.first, self.stop = (round(time_s * FPS) for time_s in footage.span_s)
            if self.first >= total:
                raise MediaError(
                    f"{footage.video}: wanted is {footage.span_s[0]:g} s and later, the film ends "
                    f"at {total / FPS:g} s; is it another film?"
                )
        self.num_frames = (total if self.stop is None else min(total, self.stop)) - self.first
        heard = num_frames_of(len(self._waveform))
        self.num_heard = (heard if self.stop is None else min(heard, self.stop)) - self.first

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the frames ``H W 3`` uint8, decoding the video from its beginning."""
        with VideoReader(self.footage.video) as reader:
            yield from itertools.islice(at_fps(reader), self.first, self.stop)

    def forward(self) -> Forward:
        """Start handing out stretches of it."""
        return Forward(self.frames())

    def sound(self, take: Take, *, later: int = 0) -> Tensor:
        """Return the sound of a take, or what comes some frames later."""
        first = self.first + take.start + take.first + later
        return cut(self._waveform, first * SAMPLES_PER_FRAME, take.num_frames * SAMPLES_PER_FRAME)


class Forward:
    """Hands out stretches of a film in order of time, decoding it once.

    Args:
        frames: of the film.
    """

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self._frames, self._at = iter(frames), 0

    def stretch(self, first: int, stop: int) -> Iterator[np.ndarray]:
        """Yield frames ``first`` to ``stop``, passing over what is unread before them."""
        while self._at < stop:
            frame = next(self._frames, None)
            if frame is None:
                return
            self._at += 1
            if self._at > first:
                yield frame
