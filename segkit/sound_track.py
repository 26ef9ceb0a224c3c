"""The sound track of a written video: packets copied from a file, or encoded as AAC."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from segkit.contracts import SAMPLE_RATE
from segkit.media import audio_stream, decode_error, open_media, seconds, start_s

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet

_LEAD_S = 0.1
"""Packets this long before zero are kept: a decoder needs one to warm up."""


def copied_or_encoded(
    output: OutputContainer, path: str | Path, *, copied: set[str], until_s: float | None = None
) -> Iterator[Packet]:
    """Yield the sound of a file as packets of a new stream of ``output``.

    Args:
        output: opened for writing; gets its sound stream at the first step.
        path: file with sound; one without gives no packets.
        copied: codecs that the output's container takes as they are.
        until_s: where the sound ends at the latest; a copied one at the end of a packet.

    Yields:
        Packets in order of time; zero is the first picture of the file, or its first sample.

    Raises:
        FileNotFoundError: there is no such file.
        MediaError: it cannot be read.
    """
    with open_media(path) as container:
        stream = audio_stream(container)
        if stream is None:
            return
        codec = stream.codec_context.codec.canonical_name  # "mp3", not "mp3float"
        packets = (_copy if codec in copied else _encode)(output, container, path)
        for packet in packets:
            if until_s is not None and seconds(packet.pts, packet.time_base) >= until_s:
                return
            yield packet


def encoded_waveform(output: OutputContainer, waveform: Tensor) -> Iterator[Packet]:
    """Yield a 16 kHz waveform ``N`` as AAC packets of a new stream of ``output``."""
    import av

    stream = _add_aac(output, rate=SAMPLE_RATE, layout="mono", num_channels=1)
    samples = waveform.detach().cpu().float().clamp(-1, 1).numpy()
    for start in range(0, len(samples), SAMPLE_RATE):
        piece = np.ascontiguousarray(samples[None, start : start + SAMPLE_RATE])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _copy(output: OutputContainer, container: InputContainer, path: str | Path) -> Iterator[Packet]:
    import av

    source = audio_stream(container)
    assert source is not None
    target = output.add_stream_from_template(source)
    zero_s = start_s(container)
    try:
        for packet in container.demux(source):
            if packet.pts is None or packet.time_base is None:
                continue  # the mark of the end
            zero = round(zero_s / packet.time_base)
            begin_s = seconds(packet.pts - zero, packet.time_base)
            if begin_s + seconds(packet.duration, packet.time_base) < -_LEAD_S:
                continue
            packet.pts -= zero
            packet.dts = packet.pts
            packet.stream = target
            yield packet
    except av.error.FFmpegError as error:
        raise decode_error(path, "sound", 0.0, error) from error


def _encode(
    output: OutputContainer, container: InputContainer, path: str | Path
) -> Iterator[Packet]:
    import av

    source = audio_stream(container)
    assert source is not None
    rates = av.Codec("aac", "w").audio_rates or [source.rate]
    rate = source.rate if source.rate in rates else 48_000
    num_channels = source.channels
    layout = source.layout.name if num_channels > 2 else ("mono", "stereo")[num_channels - 1]
    target = _add_aac(output, rate=rate, layout=layout, num_channels=num_channels)
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    begin_s = seconds(source.start_time, source.time_base) - start_s(container)
    position = round(begin_s * rate)
    try:
        for frame in itertools.chain(container.decode(source), [None]):
            if frame is not None:
                frame.pts = None  # the resampler counts by itself
            for out in resampler.resample(frame):
                out.pts, out.time_base = position, Fraction(1, rate)
                position += out.samples
                yield from target.encode(out)
        yield from target.encode(None)
    except av.error.FFmpegError as error:
        raise decode_error(path, "sound", position / rate, error) from error


def _add_aac(output: OutputContainer, *, rate: int, layout: str, num_channels: int) -> AudioStream:
    bit_rate = num_channels * min(96_000, 4 * rate)
    return output.add_stream("aac", rate=rate, layout=layout, bit_rate=bit_rate)
