"""What is put behind the person: a picture, a colour, a film, or a blur of what was there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from segkit.edits import Background, blurred_background, cover
from segkit.talk.sources import read_picture
from segkit.video import Frame, VideoReader


class Backdrop(Protocol):
    """A background, frame by frame."""

    def at(self, time_s: float, frame: np.ndarray, matte: np.ndarray) -> np.ndarray:
        """Return the background of a frame.

        Args:
            time_s: of the frame; times never go back.
            frame: uint8 RGB ``H W 3``, the source.
            matte: opacity of the person ``H W``.

        Returns:
            uint8 RGB ``H W 3``.
        """


class Still:
    """The same picture behind every frame.

    Args:
        picture: uint8 RGB of any size.
    """

    def __init__(self, picture: np.ndarray) -> None:
        self._picture = picture

    def at(self, time_s: float, frame: np.ndarray, matte: np.ndarray) -> np.ndarray:
        """Return the picture, cut to the frame's size once."""
        del time_s, matte
        self._picture = cover(self._picture, *frame.shape[:2])
        return self._picture


class Blur:
    """The source's own background, out of focus.

    Args:
        sigma: in pixels; None fits it to the frame.
    """

    def __init__(self, sigma: float | None) -> None:
        self._sigma = sigma

    def at(self, time_s: float, frame: np.ndarray, matte: np.ndarray) -> np.ndarray:
        """Return the blurred background of this very frame."""
        del time_s
        return blurred_background(frame, matte, sigma=self._sigma)


class Film:
    """A film played in a loop, read as it goes: memory does not grow with its length.

    Args:
        path: of the film.

    Raises:
        FileNotFoundError: no such file.
        MediaError: not a readable film.
    """

    def __init__(self, path: Path) -> None:
        with VideoReader(path) as reader:
            self._step_s = float(1 / reader.fps)
        self._path = path
        self._frames = self._endless()
        self._shown = self._next = next(self._frames)
        self._cut: np.ndarray | None = None

    def at(self, time_s: float, frame: np.ndarray, matte: np.ndarray) -> np.ndarray:
        """Return the film's last frame that has begun by then."""
        del matte
        while self._next.time_s <= time_s + 1e-6:
            self._shown, self._cut = self._next, None
            self._next = next(self._frames)
        if self._cut is None:
            self._cut = cover(self._shown.image, *frame.shape[:2])
        return self._cut

    def _endless(self) -> Iterator[Frame]:
        start_s = last_s = 0.0
        while True:
            with VideoReader(self._path) as reader:
                for image, time_s in reader:
                    last_s = start_s + time_s
                    yield Frame(image, last_s)
            start_s = last_s + self._step_s


def open_backdrop(background: Background | None) -> Backdrop | None:
    """Open what a plan asks for; None for the source's own background.

    Raises:
        FileNotFoundError: a file that is not there.
        MediaError: a file that cannot be read.
    """
    if background is None:
        return None
    if background.image is not None:
        return Still(read_picture(background.image))
    if background.video is not None:
        return Film(background.video)
    if background.colour is not None:
        return Still(np.array([[background.colour]], np.uint8))
    return Blur(background.blur or None)
