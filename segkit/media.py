"""Open a media file through PyAV, with one voice for everything that can be wrong with it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream


class MediaError(ValueError):
    """A media file that cannot be used; the message says why and what to do."""


def open_media(path: str | Path) -> InputContainer:
    """Open an audio or video file for reading.

    Args:
        path: any container FFmpeg knows.

    Returns:
        A PyAV container; the caller closes it.

    Raises:
        FileNotFoundError: there is no such file.
        MediaError: a folder, an empty file, a truncated one, or no media file at all.
    """
    import av

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} not found; check the path of the audio or video file")
    if path.is_dir():
        raise MediaError(f"{path} is a folder; give one audio or video file")
    size = path.stat().st_size
    if size == 0:
        raise MediaError(f"{path} is empty (0 bytes); copy or export it again")
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(
            f"{path} ({size} bytes) is not a readable audio or video file: {_reason(error)}. "
            "It is damaged, truncated or of another kind; export it again, as mp4 or wav"
        ) from error
    try:
        _check_complete(container, path, size)
    except MediaError:
        container.close()
        raise
    return container


def video_stream(container: InputContainer) -> VideoStream | None:
    """Return the first moving picture of a container; a cover image is not one."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def audio_stream(container: InputContainer) -> AudioStream | None:
    """Return the first audio stream of a container."""
    return container.streams.audio[0] if container.streams.audio else None


def seconds(ticks: int | None, time_base: Fraction | None) -> float:
    """Turn a stream's time stamp into seconds; an unknown one is 0."""
    return float(ticks * time_base) if ticks is not None and time_base is not None else 0.0


def start_s(container: InputContainer) -> float:
    """Return the container time, in seconds, which the toolkit calls zero.

    That is the first picture of a film and the first sample of a sound file, so the waveform and
    the frames of one file agree even where its streams begin at different times.
    """
    stream = video_stream(container) or audio_stream(container)
    return 0.0 if stream is None else seconds(stream.start_time, stream.time_base)


def decode_error(path: str | Path, kind: str, time_s: float, error: Exception) -> MediaError:
    """Describe a decoder's failure in the middle of a file."""
    return MediaError(
        f"{path}: the {kind} cannot be decoded after {time_s:.2f} s: {_reason(error)}. "
        "The file is damaged or truncated; export it again, or cut it before that time"
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _check_complete(container: InputContainer, path: Path, size: int) -> None:
    """Refuse a file that promises more bytes than it has, as one cut off while copying does."""
    if not container.streams:
        raise MediaError(
            f"{path} holds no audio and no video; export it again, for example as mp4 or wav"
        )
    needed = 0
    if "mov" in container.format.name:
        for stream in container.streams:
            entries = getattr(stream, "index_entries", ())
            if len(entries):
                last = entries[len(entries) - 1]
                needed = max(needed, last.pos + last.size)
    elif container.format.name == "wav":
        needed = _wav_end(path)
    if needed > size:
        raise MediaError(
            f"{path} is truncated: its header promises {needed} bytes, the file has {size}; "
            "copy or export it again"
        )


def _wav_end(path: Path) -> int:
    """Return where the sound of a wav file should end; 0 if its header does not know."""
    with path.open("rb") as file:
        file.seek(12)  # "RIFF", size, "WAVE"
        while len(header := file.read(8)) == 8:
            length = int.from_bytes(header[4:], "little")
            if header[:4] == b"data":
                return file.tell() + length if length < 0x7FFF_FFFF else 0
            file.seek(length + length % 2, 1)
    return 0
