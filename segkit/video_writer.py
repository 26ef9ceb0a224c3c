"""Write H.264 video with its sound; the file appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
from torch import Tensor

from segkit.film_file import FilmFile, exact_rate, tick_s
from segkit.pixels import from_rgb

_BT709 = 1
_LIMITED = 1

PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
"""How much work x264 does for a frame, from little to much."""


def check_quality(*, crf: int, preset: str) -> None:
    """Check the options of the encoder before any slow work.

    Raises:
        ValueError: a quality outside 0 to 51, or an unknown preset.
    """
    if not 0 <= crf <= 51:
        raise ValueError(f"crf: expected 0 (lossless) to 51, got {crf}")
    if preset not in PRESETS:
        raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, got {preset!r}")


class VideoWriter:
    """Write frames, and a sound track, to an H.264 file.

    Use as a context manager. Everything goes to ``.<name>.part`` beside the wanted file, which
    takes its place at the end; an exception or Ctrl-C inside the block removes it. Pictures of odd
    width or height keep their exact size as 4:4:4, since 4:2:0 has no odd sizes (browsers and
    phones play 4:2:0 everywhere, 4:4:4 only some).

    Args:
        path: .mp4, .m4v, .mov or .mkv.
        width: of the frames in pixels.
        height: of the frames in pixels.
        fps: rate, best an exact Fraction such as 30000/1001.
        audio_from: file whose sound becomes the track: copied bit for bit where the container
            allows, else AAC of the same rate and channels. Its times stay as they are relative to
            its first picture. A file without sound gives a silent film.
        waveform: ``N`` at 16 kHz in [-1, 1], the track as AAC; instead of ``audio_from``.
        crf: quality, 0 (lossless) to 51; 18 is visually lossless.
        preset: one of ``PRESETS``.
        force: replace an existing file.
        finish: called with the complete file before it takes its place; may replace it.

    Raises:
        FileExistsError: the path exists and ``force`` is off.
        FileNotFoundError: its folder, or ``audio_from``, does not exist.
        ValueError: an unknown container, a size or rate that is not positive, two sound sources,
            or an unknown quality or preset.
        MediaError: ``audio_from`` cannot be read.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        width: int,
        height: int,
        fps: float | Fraction,
        audio_from: str | Path | None = None,
        waveform: Tensor | None = None,
        crf: int = 18,
        preset: str = "medium",
        force: bool = False,
        finish: Callable[[Path], None] | None = None,
    ) -> None:
        check_quality(crf=crf, preset=preset)
        self.path = Path(path)
        self.width, self.height = width, height
        self.fps = exact_rate(fps)
        if width < 1 or height < 1 or self.fps <= 0:
            raise ValueError(
                f"video: expected positive width, height, fps, got {width}, {height}, {self.fps}"
            )
        self._last_tick = -1
        self._num_frames = 0
        self._closed = False
        self._file = FilmFile(
            self.path, audio_from=audio_from, waveform=waveform, force=force, finish=finish
        )
        try:
            self._add_pictures(crf=crf, preset=preset)
            self._file.add_sound()
        except BaseException:
            self.abort()
            raise

    def _add_pictures(self, *, crf: int, preset: str) -> None:
        stream = self._file.output.add_stream(
            "libx264", rate=self.fps, options={"crf": str(crf), "preset": preset}
        )
        stream.width, stream.height = self.width, self.height
        self._pix_fmt = "yuv420p" if self.width % 2 == self.height % 2 == 0 else "yuv444p"
        stream.pix_fmt = self._pix_fmt
        self._time_base = tick_s(self.fps)
        stream.time_base = stream.codec_context.time_base = self._time_base
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        self._video = stream

    def write(self, image: np.ndarray, time_s: float | None = None) -> None:
        """Append a frame.

        Args:
            image: ``H W 3`` uint8 RGB of the writer's size.
            time_s: when it appears, growing from frame to frame; by default one step of ``fps``
                after the last.

        Raises:
            ValueError: another shape or type, or a time before the last frame's.
        """
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise ValueError(
                f"frame {self._num_frames}: expected ({self.height}, {self.width}, 3) uint8, "
                f"got {image.shape} {image.dtype}"
            )
        tick = round(
            (self._num_frames / self.fps if time_s is None else Fraction(time_s)) / self._time_base
        )
        if time_s is not None and tick < self._last_tick:
            raise ValueError(
                f"frame {self._num_frames}: time {time_s} s lies before the last frame's"
            )
        assert not self._closed, "the writer is closed"
        self._last_tick = max(tick, self._last_tick + 1)
        frame = from_rgb(image, self._pix_fmt)
        frame.pts, frame.time_base = self._last_tick, self._time_base
        until_s = float(self._last_tick * self._time_base)
        self._file.mux(self._video.encode(frame), until_s=until_s)
        self._num_frames += 1

    def close(self) -> None:
        """Finish the file and put it in its place.

        Raises:
            ValueError: no frame was written; nothing is left behind.
        """
        if self._closed:
            return
        self._closed = True
        if not self._num_frames:
            self._file.abort()
            raise ValueError(f"{self.path}: no frame was written")
        try:
            self._file.close(self._video.encode(None))
        finally:
            self.abort()

    def abort(self) -> None:
        """Give up: remove what was written so far; the wanted path is not touched."""
        self._closed = True
        self._file.abort()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
