"""Convert pictures between RGB and the YUV of video files, with correct colours and rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av.filter import Graph
    from av.video.frame import VideoFrame

# Rounded properly, chroma interpolated: FFmpeg's fast default darkens every picture by one level.
_TO_RGB = "flags=bilinear+accurate_rnd+full_chroma_int"
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}
_UNSPECIFIED = 2
_FULL_RANGE = 2


class ToRGB:
    """Turn decoded frames into RGB arrays, by the colour matrix and range that each frame names."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._key: tuple[object, ...] = ()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Return the picture ``H W 3`` uint8 RGB, not yet rotated."""
        # Files without a matrix: players take BT.709 for HD and BT.601 below.
        hd = frame.width >= 1280 or frame.height > 576
        matrix = _MATRICES.get(int(frame.colorspace), "bt709" if hd else "smpte170m")
        full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
        span = "full" if full or frame.format.is_rgb else "limited"
        key = (frame.width, frame.height, frame.format.name, matrix, span)
        if key != self._key or self._graph is None:
            scale = f"{_TO_RGB}:in_color_matrix={matrix}:in_range={span}:out_range=full"
            self._graph, self._key = _graph(frame, scale, "rgb24"), key
        # The scaler was told matrix and range; tags unlike the buffer's would only cause warnings.
        if not frame.format.is_rgb:
            frame.colorspace, frame.color_range = _UNSPECIFIED, 0
        self._graph.push(frame)
        return self._graph.pull().to_ndarray()


def from_rgb(image: np.ndarray, pix_fmt: str) -> VideoFrame:
    """Turn an RGB array into a frame for an encoder, in BT.709 of limited range.

    Args:
        image: ``H W 3`` uint8.
        pix_fmt: FFmpeg's name of the wanted layout, such as ``"yuv420p"``.
    """
    import av

    # Not through a filter as in `ToRGB`: x264 encodes a filter's frames differently from
    # run to run where the width is no multiple of 16, though their pixels are the same.
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return frame.reformat(
        format=pix_fmt, interpolation="BICUBIC", dst_colorspace="ITU709", dst_color_range="MPEG"
    )


def _graph(frame: VideoFrame, scale: str, pix_fmt: str) -> Graph:
    """Build buffer -> scale -> format -> sink for frames like this one."""
    from fractions import Fraction

    import av.filter

    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=Fraction(1, 90_000),
    )
    scaler = graph.add("scale", scale)
    layout = graph.add("format", f"pix_fmts={pix_fmt}")
    sink = graph.add("buffersink")
    for first, second in ((source, scaler), (scaler, layout), (layout, sink)):
        first.link_to(second)
    graph.configure()
    return graph
