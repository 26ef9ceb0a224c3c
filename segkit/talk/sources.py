"""What talks: a film or a still picture, streamed once, back and forth, in a loop, or frozen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from segkit.contracts import FPS
from segkit.media import open_media, seconds, video_stream
from segkit.pictures import read_picture
from segkit.pixels import ToRGB
from segkit.video import MediaError, VideoReader

ON_SHORT_VIDEO = ("pingpong", "loop", "freeze", "stop")
"""What to do when the speech is longer than the film."""

ON_LONG_VIDEO = ("trim", "keep")
"""What to do when the film is longer than the speech."""

_STRETCH_BYTES = 200_000_000
"""Memory of the frames held at once while a film plays backwards."""


class Played(NamedTuple):
    """One frame of the output.

    Attributes:
        image: uint8 RGB ``H W 3``.
        time_s: when it appears in the output.
        number: which frame of the source it is.
    """

    image: np.ndarray
    time_s: float
    number: int


class PictureSource:
    """A still picture, shown at 25 fps for as long as the speech lasts.

    Args:
        path: of the picture.

    Raises:
        FileNotFoundError: no such file.
        MediaError: not a readable picture.
    """

    has_audio = False

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.image = read_picture(path)
        self.height, self.width = self.image.shape[:2]
        self.fps = Fraction(FPS)
        self.times_s = [0.0]

    def first_pass(self, end_s: float | None = None) -> Iterator[np.ndarray]:
        """Yield the one frame."""
        del end_s
        yield self.image

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the one frame."""
        yield self.image

    def num_played(self, duration_s: float | None, on_short_video: str) -> int:
        """Return how many frames ``play`` will yield."""
        del on_short_video
        return max(1, round((duration_s or 0) * FPS))

    def play(
        self, duration_s: float | None, on_short_video: str, *, first: int = 0
    ) -> Iterator[Played]:
        """Yield the picture again and again, from the ``first`` frame of the output on."""
        for number in range(first, self.num_played(duration_s, on_short_video)):
            yield Played(self.image, number / FPS, 0)


class FilmSource:
    """A film, read again for every pass so that memory does not grow with its length.

    Args:
        path: of the video file.

    Raises:
        FileNotFoundError: no such file.
        MediaError: not a readable video.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with VideoReader(path) as reader:
            self.width, self.height, self.fps = reader.width, reader.height, reader.fps
            self.has_audio = reader.has_audio
            self.duration_s = float(reader.duration_s)
        self.times_s: list[float] = []

    @property
    def period_s(self) -> float:
        """Length of what the first pass saw, its last frame included."""
        return self.times_s[-1] + float(1 / self.fps)

    def first_pass(self, end_s: float | None = None) -> Iterator[np.ndarray]:
        """Yield the frames, noting their times, which ``play`` needs.

        Args:
            end_s: stop at this time.
        """
        self.times_s = []
        with VideoReader(self.path) as reader:
            for frame in reader:
                if end_s is not None and frame.time_s >= end_s and self.times_s:
                    return
                self.times_s.append(frame.time_s)
                yield frame.image

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the frames from the beginning, noting nothing."""
        with VideoReader(self.path) as reader:
            for frame in reader:
                yield frame.image

    def num_played(self, duration_s: float | None, on_short_video: str) -> int:
        """Return how many frames ``play`` will yield; needs the first pass."""
        return sum(1 for _ in self._order(duration_s, on_short_video))

    def play(
        self, duration_s: float | None, on_short_video: str, *, first: int = 0
    ) -> Iterator[Played]:
        """Yield the output's frames.

        Args:
            duration_s: length of the output; None plays the film once.
            on_short_video: one of ``ON_SHORT_VIDEO``.
            first: number of the output's frame to begin with.
        """
        order = list(itertools.islice(self._order(duration_s, on_short_video), first, None))
        place = 0
        while place < len(order):
            # A run of frames in file order is streamed; anything else is read in short stretches.
            stop = place + 1
            while stop < len(order) and order[stop][0] == order[stop - 1][0] + 1:
                stop += 1
            begins = order[place][0] == 0 or place == 0
            if begins and (stop - place > 1 or len(order) == 1):
                yield from self._forwards(order[place:stop])
            else:
                stop = place + 1
                while stop < min(len(order), place + self._stretch_frames) and order[stop][0]:
                    stop += 1
                yield from self._stretch(order[place:stop])
            place = stop

    def _order(self, duration_s: float | None, on_short_video: str) -> Iterator[tuple[int, float]]:
        """Yield (frame of the source, output time)."""
        count = len(self.times_s)
        step_s = float(1 / self.fps)
        wanted_s = self.period_s if duration_s is None else duration_s
        if on_short_video == "stop":
            wanted_s = min(wanted_s, self.period_s)
        lap, start_s = 0, 0.0
        while start_s < wanted_s - 1e-6:
            backwards = on_short_video == "pingpong" and lap % 2 == 1
            if on_short_video == "freeze" and lap > 0:
                while start_s < wanted_s - 1e-6:
                    yield count - 1, start_s
                    start_s += step_s
                return
            # The turning frames show once: no frame stands still for two.
            indices = range(count - 2, 0, -1) if backwards and count > 2 else range(count)
            first_s = self.times_s[indices[0]]
            for index in indices:
                time_s = start_s + abs(self.times_s[index] - first_s)
                if time_s >= wanted_s - 1e-6:
                    return
                yield index, time_s
            start_s += abs(self.times_s[indices[-1]] - first_s) + step_s
            lap += 1

    @property
    def _stretch_frames(self) -> int:
        return max(4, min(64, _STRETCH_BYTES // (self.width * self.height * 3)))

    def _forwards(self, order: list[tuple[int, float]]) -> Iterator[Played]:
        with VideoReader(self.path) as reader:
            frames = reader.frames(order[0][0])
            for (index, time_s), frame in zip(order, frames, strict=False):
                yield Played(frame.image, time_s, index)

    def _stretch(self, order: list[tuple[int, float]]) -> Iterator[Played]:
        wanted = {index for index, _ in order}
        found = self._by_seeking(wanted) or self._by_counting(wanted)
        for index, time_s in order:
            yield Played(found[index], time_s, index)

    def _by_seeking(self, wanted: set[int]) -> dict[int, np.ndarray] | None:
        """Decode from the key frame before the frames; None where time stamps are no guide."""
        first, last = min(wanted), max(wanted)
        place = {round(self.times_s[index] * 1000): index for index in wanted}
        found: dict[int, np.ndarray] = {}
        to_rgb = ToRGB()
        with VideoReader(self.path) as reader, open_media(self.path) as container:
            stream = video_stream(container)
            assert stream is not None
            assert stream.time_base is not None
            begin = stream.start_time or 0
            container.seek(begin + int(self.times_s[first] / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.pts is None:
                    return None
                time_s = seconds(frame.pts - begin, frame.time_base)
                index = place.get(round(time_s * 1000))
                if index is not None:
                    found[index] = np.ascontiguousarray(
                        np.rot90(to_rgb(frame), reader.rotation // 90)
                    )
                if time_s >= self.times_s[last] - 1e-6:
                    break
        return found if found.keys() == wanted else None

    def _by_counting(self, wanted: set[int]) -> dict[int, np.ndarray]:
        found: dict[int, np.ndarray] = {}
        with VideoReader(self.path) as reader:
            for index, frame in enumerate(reader):
                if index in wanted:
                    found[index] = frame.image
                if len(found) == len(wanted):
                    return found
        raise MediaError(f"{self.path} changed while it was being read; try again")
