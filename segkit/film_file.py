"""A film file in the making: its container and its sound; it appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from segkit.contracts import check_shape
from segkit.media import seconds
from segkit.sound_track import copied_or_encoded, encoded_waveform

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_COPIED = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le"},
    "matroska": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "vorbis", "flac", "pcm_s16le"},
}


class FilmFile:
    """A container that pictures are muxed into, and the sound beside them.

    Everything goes to ``.<name>.part`` beside the wanted file, which takes its place in ``close``.
    Add the picture's stream to ``output``, call ``add_sound``, then mux.

    Args:
        path: .mp4, .m4v, .mov or .mkv.
        audio_from: file whose sound becomes the track; see `VideoWriter`.
        waveform: ``N`` at 16 kHz in [-1, 1]; instead of ``audio_from``.
        audio_until_s: where the sound of ``audio_from`` ends at the latest.
        force: replace an existing file.
        finish: called with the complete file before it takes its place; may replace it.

    Raises:
        FileExistsError: the path exists and ``force`` is off.
        FileNotFoundError: its folder does not exist.
        ValueError: an unknown container, or two sound sources.
    """

    def __init__(
        self,
        path: Path,
        *,
        audio_from: str | Path | None = None,
        waveform: Tensor | None = None,
        audio_until_s: float | None = None,
        force: bool = False,
        finish: Callable[[Path], None] | None = None,
    ) -> None:
        import av

        self.path = path
        self._check(audio_from, waveform, force=force)
        self._part = path.with_name(f".{path.name}.part")
        self._finish = finish
        self._audio_from, self._waveform, self._until_s = audio_from, waveform, audio_until_s
        self._sound: Iterator[Packet] = iter(())
        self._sound_ahead: Packet | None = None
        self._format = _FORMATS[path.suffix.lower()]
        options = {"movflags": "+faststart"} if self._format != "matroska" else {}
        self._output: OutputContainer | None = av.open(
            str(self._part), "w", format=self._format, options=options
        )

    @property
    def output(self) -> OutputContainer:
        """The container, until it is closed."""
        assert self._output is not None, "the film is closed"
        return self._output

    def _check(self, audio_from: object, waveform: Tensor | None, *, force: bool) -> None:
        check_container(self.path)
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

    def add_sound(self) -> None:
        """Add the sound's stream, which must come before the first packet.

        Raises:
            FileNotFoundError: no such file.
            MediaError: its sound cannot be read.
        """
        if self._audio_from is not None:
            self._sound = copied_or_encoded(
                self.output,
                self._audio_from,
                copied=_COPIED[self._format],
                until_s=self._until_s,
            )
        elif self._waveform is not None:
            self._sound = encoded_waveform(self.output, self._waveform)
        # The first step adds the stream, before the header is written, and finds a bad file.
        self._sound_ahead = next(self._sound, None)

    def mux(self, packets: Any, *, until_s: float) -> None:
        """Append packets of the picture, and the sound up to a time."""
        self.output.mux(packets)
        while self._sound_ahead is not None:
            packet = self._sound_ahead
            if seconds(packet.pts, packet.time_base) > until_s:
                return
            self.output.mux(packet)
            self._sound_ahead = next(self._sound, None)

    def close(self, packets: Any = ()) -> None:
        """Append the last packets and all sound, and put the file in its place."""
        try:
            self.mux(packets, until_s=float("inf"))
            self.output.close()
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
        if hasattr(self._sound, "close"):
            self._sound.close()
        if output is not None:
            with contextlib.suppress(Exception):  # an unfinished file may not close; it goes anyway
                output.close()
        self._part.unlink(missing_ok=True)


def check_container(path: Path) -> None:
    """Refuse a name that tells no container.

    Raises:
        ValueError: the ending is none of those known.
    """
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(f"{path}: expected a name ending in {', '.join(_FORMATS)}")


def tick_s(fps: Fraction) -> Fraction:
    """Return the step of a time grid that holds a rate's own times, and any other to 1/90000 s."""
    return Fraction(1, fps.numerator * -(-90_000 // fps.numerator))


def exact_rate(fps: float | Fraction) -> Fraction:
    """Return a rate as a fraction that a container can hold."""
    return Fraction(fps).limit_denominator(100_000)
