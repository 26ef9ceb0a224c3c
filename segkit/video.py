"""Read video of any rate and rotation as a stream of upright RGB frames; resample it in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from segkit.contracts import FPS
from segkit.media import (
    MediaError,
    audio_stream,
    decode_error,
    open_media,
    seconds,
    start_s,
    video_stream,
)
from segkit.pixels import ToRGB
from segkit.video_writer import VideoWriter

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

__all__ = ["Frame", "MediaError", "VideoReader", "VideoWriter", "at_fps"]

_MISSING_S = 0.5


class Frame(NamedTuple):
    """One picture of a film.

    Attributes:
        image: ``H W 3`` uint8 RGB, upright.
        time_s: when it appears, in seconds after the first picture.
    """

    image: np.ndarray
    time_s: float


class VideoReader:
    """A film as a stream of upright frames; memory does not grow with its length.

    Use as a context manager and iterate; each iteration starts at the beginning. Rotation stored by
    phones is applied. Time zero is the first picture, as in `segkit.audio.load_audio`.

    Args:
        path: any container and codec FFmpeg knows.

    Attributes:
        width: of the upright picture, in pixels.
        height: of the upright picture, in pixels.
        fps: mean rate, exact (30000/1001 stays that); frames may come at other times.
        duration_s: as the file declares it, in seconds.
        num_frames: as the file declares it, else duration times rate; an estimate.
        has_audio: whether there is a sound track.

    Raises:
        FileNotFoundError: there is no such file.
        MediaError: empty, truncated, damaged, without moving pictures, or not a media file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._container: InputContainer | None = open_media(path)
        try:
            self._read_header(self._container)
        except BaseException:
            self.close()
            raise

    def _read_header(self, container: InputContainer) -> None:
        stream = video_stream(container)
        if stream is None:
            raise MediaError(f"{self.path} holds no moving pictures; give a video file")
        first = next(self._decode(container), None)
        if first is None:
            raise MediaError(f"{self.path} holds no picture that can be decoded; export it again")
        self.rotation = int(first.rotation) % 360
        sides = (first.width, first.height)
        self.width, self.height = sides if self.rotation % 180 == 0 else sides[::-1]
        self.fps = Fraction(stream.average_rate or stream.guessed_rate or FPS)
        self.duration_s = seconds(stream.duration, stream.time_base)
        if not self.duration_s and container.duration:
            self.duration_s = container.duration / 1_000_000 - max(0.0, start_s(container))
        self.num_frames = stream.frames or max(1, round(self.duration_s * self.fps))
        self.has_audio = audio_stream(container) is not None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame with its time.

        Raises:
            MediaError: the file ends early or is damaged.
        """
        return self.frames()

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """Yield the frames from a number on; those before it are decoded, but not made RGB.

        Raises:
            MediaError: the file ends early or is damaged.
        """
        to_rgb = ToRGB()
        with open_media(self.path) as container:
            zero_s: float | None = None
            time_s = -1.0
            for number, frame in enumerate(self._decode(container)):
                stamp_s = None if frame.pts is None else seconds(frame.pts, frame.time_base)
                zero_s = stamp_s if zero_s is None else zero_s
                if stamp_s is None or zero_s is None or stamp_s - zero_s <= time_s:
                    # No usable time stamp: one mean frame after the last.
                    time_s = 0.0 if time_s < 0 else time_s + float(1 / self.fps)
                else:
                    time_s = stamp_s - zero_s
                if number < first:
                    continue
                image = np.rot90(to_rgb(frame), self.rotation // 90)
                yield Frame(np.ascontiguousarray(image), time_s)
            end_s = time_s + float(1 / self.fps)
        declared_s = self.duration_s if "mov" in container.format.name else 0.0
        if end_s < min(declared_s - _MISSING_S, 0.98 * declared_s):
            raise MediaError(
                f"{self.path} is truncated: it declares {declared_s:.2f} s, its pictures end at "
                f"{end_s:.2f} s; copy or export it again"
            )

    def _decode(self, container: InputContainer) -> Iterator[VideoFrame]:
        import av

        stream = video_stream(container)
        assert stream is not None
        stream.thread_type = "AUTO"
        time_s = 0.0
        try:
            for frame in container.decode(stream):
                time_s = seconds(frame.pts, frame.time_base)
                yield frame
        except av.error.FFmpegError as error:
            raise decode_error(self.path, "picture", time_s, error) from error


def at_fps(frames: Iterable[Frame], fps: float | Fraction = FPS) -> Iterator[np.ndarray]:
    """Resample frames in time, by their time stamps.

    Picture i shows the frame nearest to ``i / fps`` after the first one; while the film stands
    still for long, the frame that a viewer sees then. So no frame comes more than half a step
    early, and sound stays in sync whatever the rate. Streams: holds two frames.

    Args:
        frames: from `VideoReader`, in order of time.
        fps: wanted rate.

    Yields:
        ``round(duration * fps)`` pictures ``H W 3`` (at least one), the last frame lasting as long
        as a mean one.
    """
    step_s = 1 / float(fps)
    shown: Frame | None = None
    first_s, count, number = 0.0, 0, 0
    for coming in frames:
        count += 1
        if shown is None:
            first_s = coming.time_s
        else:
            while _stays(shown, coming, first_s + number * step_s, step_s):
                yield shown.image
                number += 1
        shown = coming
    if shown is None:
        return
    span_s = shown.time_s - first_s
    last_s = span_s / (count - 1) if count > 1 else step_s
    while number < max(1, round((span_s + last_s) / step_s)):
        yield shown.image
        number += 1


def _stays(shown: Frame, coming: Frame, time_s: float, step_s: float) -> bool:
    """Whether the frame shown so far, not the coming one, is the picture of ``time_s``."""
    ahead_s, behind_s = coming.time_s - time_s, time_s - shown.time_s
    tick_s = 1e-6  # time stamps are rounded; a tie goes to the earlier frame
    return ahead_s > 0 and (ahead_s >= behind_s - tick_s or ahead_s > step_s / 2 + tick_s)
