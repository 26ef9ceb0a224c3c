"""Bounds on media that strangers send, checked before anything is decoded."""

from __future__ import annotations

from pathlib import Path

from segkit.media import MediaError, audio_stream, open_media, seconds, video_stream

_MOST_FPS = 121
"""Frames per second from which a film of the longest duration has too many frames."""


def check_film(path: Path, *, most_s: float, most_megapixels: float) -> None:
    """Refuse a film that is too long or too large; headers are not believed, packets are counted.

    Raises:
        MediaError: too long, too large, or not readable.
    """
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaError("the film holds no moving pictures; give a video file")
        width, height = stream.codec_context.width, stream.codec_context.height
        _check_size(width, height, most_megapixels)
        num_frames, last_s = 0, 0.0
        for packet in container.demux(stream):
            if packet.size:
                num_frames += 1
                last_s = max(last_s, seconds(packet.pts, packet.time_base))
            first_s = seconds(stream.start_time, stream.time_base)
            if last_s - first_s > most_s or num_frames > most_s * _MOST_FPS:
                raise MediaError(f"the film is longer than {most_s:g} s; cut it first")


def check_sound(path: Path, *, most_s: float) -> None:
    """Refuse a sound track that is too long.

    Raises:
        MediaError: too long, or not readable.
    """
    with open_media(path) as container:
        stream = audio_stream(container)
        if stream is None:
            raise MediaError("the voice file holds no sound; give a wav, mp3, m4a or similar")
        total_s = 0.0
        for packet in container.demux(stream):
            if packet.duration is not None:
                total_s += seconds(packet.duration, packet.time_base)
            if total_s > most_s:
                raise MediaError(f"the voice is longer than {most_s:g} s; cut it first")


def check_picture(path: Path, *, most_megapixels: float) -> None:
    """Refuse a picture that is too large; only its header is read.

    Raises:
        MediaError: too large, or not readable.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            width, height = opened.size
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path.name} is no readable picture; give a jpg or png") from error
    _check_size(width, height, most_megapixels)


def _check_size(width: int, height: int, most_megapixels: float) -> None:
    if width * height > most_megapixels * 1e6:
        raise MediaError(
            f"{width} x {height} pixels are too many: at most {most_megapixels:g} megapixels "
            "are accepted here; shrink it first"
        )
