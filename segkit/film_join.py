"""Join films that were encoded piece by piece into one, without encoding again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segkit.film_file import FilmFile, exact_rate, tick_s
from segkit.media import open_media, video_stream

if TYPE_CHECKING:
    from av.packet import Packet


def join_films(
    path: str | Path,
    pieces: Sequence[Path],
    *,
    times_s: Sequence[float],
    fps: float | Fraction,
    audio_from: str | Path | None = None,
    audio_until_s: float | None = None,
    force: bool = False,
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Copy the coded pictures of several films into one, one film in memory at a time.

    Each piece must begin with a picture that needs no other, and all must have been encoded in the
    same way, as `VideoWriter` does.

    Args:
        path: of the joined film: .mp4, .m4v, .mov or .mkv.
        pieces: films in order of time.
        times_s: when each picture of all pieces appears in the joined film, growing.
        fps: rate, best exact.
        audio_from: file whose sound becomes the track, see `VideoWriter`.
        audio_until_s: where that sound ends at the latest.
        force: replace an existing file.
        finish: called with the complete file before it takes its place; may replace it.

    Raises:
        ValueError: no pieces, or not as many pictures as times.
        FileExistsError: the path exists and ``force`` is off.
        MediaError: a file that cannot be read.
    """
    if not pieces:
        raise ValueError(f"{path}: no frame was written")
    step = tick_s(exact_rate(fps))
    ticks = _growing([round(Fraction(time_s) / step) for time_s in times_s])
    orders = [_display_order(piece) for piece in pieces]
    num_frames = sum(len(order) for order in orders)
    if num_frames != len(ticks):
        raise ValueError(f"{path}: expected as many times as pictures, {num_frames}, {len(ticks)}")
    frame_ticks = round(1 / exact_rate(fps) / step)
    decoded = _decoding_ticks(ticks, orders, frame_ticks=frame_ticks)
    film = FilmFile(
        Path(path),
        audio_from=audio_from,
        audio_until_s=audio_until_s,
        force=force,
        finish=finish,
    )
    try:
        with open_media(pieces[0]) as first:
            template = video_stream(first)
            assert template is not None
            target = film.output.add_stream_from_template(template)
            target.time_base = step
            target.codec_context.framerate = exact_rate(fps)  # a template does not bring its rate
        film.add_sound()
        done = 0
        for piece, order in zip(pieces, orders, strict=True):
            for number, packet in enumerate(_packets(piece)):
                packet.time_base = step
                packet.pts, packet.dts = ticks[done + order[number]], decoded[done + number]
                packet.duration = frame_ticks
                packet.stream = target
                film.mux(packet, until_s=float(packet.dts * step))
            done += len(order)
        film.close()
    finally:
        film.abort()


def _packets(piece: Path) -> Iterator[Packet]:
    with open_media(piece) as container:
        stream = video_stream(container)
        assert stream is not None
        yield from (packet for packet in container.demux(stream) if packet.size)


def _display_order(piece: Path) -> list[int]:
    """Return for every packet which picture of the piece it holds, counted in order of time."""
    times = np.array([packet.pts for packet in _packets(piece)])
    order = np.empty(len(times), int)
    order[times.argsort()] = np.arange(len(times))
    return [int(place) for place in order]


def _growing(ticks: list[int]) -> list[int]:
    """Move equal times apart by one tick."""
    for index in range(1, len(ticks)):
        ticks[index] = max(ticks[index], ticks[index - 1] + 1)
    return ticks


def _decoding_ticks(
    ticks: list[int], orders: Sequence[Sequence[int]], *, frame_ticks: int
) -> list[int]:
    """Return when each packet is to be decoded: growing, and never after its picture shows.

    The pieces' own times of decoding overlap where they meet, since an encoder counts its head
    start back from its first picture.
    """
    delay = max(number - place for order in orders for number, place in enumerate(order))
    head = [ticks[0] - frame_ticks * (delay - number) for number in range(delay)]
    return [*head, *ticks][: len(ticks)]
