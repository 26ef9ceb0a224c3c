"""Write H.264 video with its sound; the file appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from segkit.contracts import check_shape
from segkit.media import seconds
from segkit.pixels import from_rgb
from segkit.sound_track import copied_or_encoded, encoded_waveform

if TYPE_CHECKING:
    from av.container import OutputContainer

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_COPIED = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le"},
    "matroska": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "vorbis", "flac", "pcm_s16le"},
}
_BT709 = 1
_LIMITED = 1


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
        preset: speed of x264.
        force: replace an existing file.
        finish: called with the complete file before it takes its place; may replace it.

    Raises:
        FileExistsError: the path exists and ``force`` is off.
        FileNotFoundError: its folder, or ``audio_from``, does not exist.
        ValueError: an unknown container, a size or rate that is not positive, or two sound sources.
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
        self.path = Path(path)
        self.width, self.height = width, height
        self.fps = Fraction(fps).limit_denominator(100_000)
        self._check(width, height, audio_from, waveform, force=force)
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._finish = finish
        self._output: OutputContainer | None = None
        self._sound: Iterator[Any] = iter(())
        self._sound_ahead: Any = None
        self._last_tick = -1
        self._num_frames = 0
        try:
            self._open(audio_from, waveform, crf=crf, preset=preset)
        except BaseException:
            self.abort()
            raise

    def _check(
        self, width: int, height: int, audio_from: object, waveform: Tensor | None, *, force: bool
    ) -> None:
        if self.path.suffix.lower() not in _FORMATS:
            raise ValueError(f"{self.path}: expected a name ending in {', '.join(_FORMATS)}")
        if width < 1 or height < 1 or self.fps <= 0:
            raise ValueError(
                f"video: expected positive width, height, fps, got {width}, {height}, {self.fps}"
            )
        if audio_from is not None and waveform is not None:
            raise ValueError("video: give audio_from or waveform, not both")
        if waveform is not None:
            check_shape(waveform, "N", name="waveform")
        if self.path.exists() and not force:
            raise FileExistsError(
                f"{self.path} exists; choose another name, or replace it with --force (force=True)"
            )
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"folder {self.path.parent} does not exist; create it first")

    def _open(
        self, audio_from: str | Path | None, waveform: Tensor | None, *, crf: int, preset: str
    ) -> None:
        import av

        container = _FORMATS[self.path.suffix.lower()]
        options = {"movflags": "+faststart"} if container != "matroska" else {}
        self._output = av.open(str(self._part), "w", format=container, options=options)
        stream = self._output.add_stream(
            "libx264", rate=self.fps, options={"crf": str(crf), "preset": preset}
        )
        stream.width, stream.height = self.width, self.height
        self._pix_fmt = "yuv420p" if self.width % 2 == self.height % 2 == 0 else "yuv444p"
        stream.pix_fmt = self._pix_fmt
        # A fine grid that holds both the regular times of this rate and a variable rate's times.
        ticks_per_unit = -(-90_000 // self.fps.numerator)
        self._time_base = Fraction(1, self.fps.numerator * ticks_per_unit)
        stream.time_base = stream.codec_context.time_base = self._time_base
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        self._video = stream
        if audio_from is not None:
            self._sound = copied_or_encoded(self._output, audio_from, copied=_COPIED[container])
        elif waveform is not None:
            self._sound = encoded_waveform(self._output, waveform)
        # The first step adds the sound stream, before the header is written, and finds a bad file.
        self._sound_ahead = next(self._sound, None)

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
        self._last_tick = max(tick, self._last_tick + 1)
        assert self._output is not None, "the writer is closed"
        frame = from_rgb(image, self._pix_fmt)
        frame.pts, frame.time_base = self._last_tick, self._time_base
        self._output.mux(self._video.encode(frame))
        self._num_frames += 1
        self._mux_sound(until_s=float(self._last_tick * self._time_base))

    def _mux_sound(self, until_s: float) -> None:
        """Interleave: sound up to the time of the last picture."""
        assert self._output is not None
        while self._sound_ahead is not None:
            packet = self._sound_ahead
            if seconds(packet.pts, packet.time_base) > until_s:
                return
            self._output.mux(packet)
            self._sound_ahead = next(self._sound, None)

    def close(self) -> None:
        """Finish the file and put it in its place.

        Raises:
            ValueError: no frame was written; nothing is left behind.
        """
        if self._output is None:
            return
        try:
            if not self._num_frames:
                raise ValueError(f"{self.path}: no frame was written")
            self._output.mux(self._video.encode(None))
            self._mux_sound(until_s=float("inf"))
            self._output.close()
            if self._finish is not None:
                self._finish(self._part)
            os.replace(self._part, self.path)
            self._output = None
        finally:
            self.abort()

    def abort(self) -> None:
        """Give up: remove what was written so far; the wanted path is not touched."""
        output, self._output = self._output, None
        self._sound_ahead = None
        if isinstance(self._sound, Iterator) and hasattr(self._sound, "close"):
            self._sound.close()
        if output is not None:
            with contextlib.suppress(Exception):  # an unfinished file may not close; it goes anyway
                output.close()
        self._part.unlink(missing_ok=True)

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
