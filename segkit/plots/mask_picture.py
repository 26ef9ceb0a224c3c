"""The picture of masks over time: frames, true masks, and masks from speech (figure 4)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from segkit.contracts import SAMPLE_RATE
from segkit.plots.figures import INK, SOFT_INK
from segkit.plots.page import Page, hex_colour
from segkit.plots.spoken_masks import Moments
from segkit.regions import RegionScheme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In inches: side of a tile, height of a mouth, gap, captions, waveform, names on the left, rest.
_TILE, _MOUTH, _GAP, _CAPTION, _WAVE, _LEFT, _RIGHT = 1.18, 0.59, 0.04, 0.2, 0.36, 1.62, 0.1
_TITLE, _FOOT, _LEAST = 0.4, 0.78, 6.4
_IOU = "IoU: with it, lips and the inside of the mouth taken as one region."
_BLOCK = _TILE + _GAP + _MOUTH + _CAPTION


@dataclass(frozen=True, eq=False)
class SpokenRow:
    """Masks from one speech.

    Args:
        name: whose speech, as in "own" speech.
        masks: ``T M M`` labels.
        overlaps: ``T`` IoU with the true mouth.
        waveform: ``N``, the speech.
    """

    name: str
    masks: Tensor
    overlaps: np.ndarray
    waveform: Tensor


def mask_figure(
    moments: Moments,
    spoken: Sequence[SpokenRow],
    *,
    scheme: RegionScheme,
    title: str,
    truth_name: str = "true mask",
    note: str = "",
) -> Figure:
    """Draw a row of frames, a row of true masks, and under each waveform the masks it gives.

    Every row has the mouths enlarged below it.

    Args:
        moments: T frames and their masks.
        spoken: rows of masks from speech.
        scheme: colours and names.
        title: above all.
        truth_name: what the masks of ``moments`` are.
        note: last line of the small print.

    Raises:
        ImportError: matplotlib is not installed.
    """
    height = _TITLE + 2 * _BLOCK + len(spoken) * (_WAVE + _BLOCK + _GAP) + _FOOT - _CAPTION
    page = _Strips(moments, scheme, height=height)
    page.write(2 * _GAP, 0.12, title, size=11, align="left", place="top")
    top = _TITLE
    page.pictures(top, moments.images, name="frame", interpolation="bicubic")
    top += _BLOCK - _CAPTION + _GAP
    page.pictures(top, scheme.colourise(moments.labels.numpy()), name=truth_name)
    page.captions(top, [f"{time_s:.2f} s" for time_s in moments.times_s])
    top += _BLOCK
    for row in spoken:
        page.waveform(top, row.waveform.numpy(), name=f"{row.name} speech")
        top += _WAVE
        known = row.overlaps[np.isfinite(row.overlaps)]
        mean = f"\nmean IoU {known.mean():.2f}" if len(known) else ""
        images = scheme.colourise(row.masks.numpy())
        page.pictures(top, images, name=f"mask from\n{row.name} speech{mean}", outlined=True)
        page.captions(top, [f"IoU {value:.2f}" for value in row.overlaps])
        top += _BLOCK + _GAP
    shown = np.unique(np.concatenate([moments.labels, *(row.masks for row in spoken)]))
    page.legend(
        shown.tolist(), note=f"White line: mouth of the {truth_name}. {_IOU}\n{note}".strip()
    )
    return page.figure


def mouth_window(labels: np.ndarray, *, scheme: RegionScheme) -> tuple[int, int, int, int]:
    """Return the window, twice as wide as high, that holds the mouths of all label maps.

    Args:
        labels: ``T M M``.
        scheme: names of the labels.

    Returns:
        Top, bottom, left and right, ends excluded, within the map; its lower middle where no map
        shows a mouth.
    """
    side = labels.shape[-1]
    rows, columns = np.nonzero(np.isin(labels, scheme.mouth_labels).any(0))
    if not len(rows):
        rows, columns = np.array([side * 5 // 8, side * 3 // 4]), np.array([side // 3, side // 2])
    half = 0.65 * max((np.ptp(rows) + 1), (np.ptp(columns) + 1) / 2)
    half_height = int(np.clip(round(half), 2, side // 4))
    middle_row = int(np.clip((rows.min() + rows.max()) // 2, half_height, side - half_height))
    middle = int(np.clip((columns.min() + columns.max()) // 2, 2 * half_height,
                         side - 2 * half_height))  # fmt: skip
    return (
        middle_row - half_height,
        middle_row + half_height,
        middle - 2 * half_height,
        middle + 2 * half_height,
    )


class _Strips(Page):
    """A page with a column for each moment."""

    def __init__(self, moments: Moments, scheme: RegionScheme, *, height: float) -> None:
        self.moments, self.scheme = moments, scheme
        self.count = len(moments.times_s)
        super().__init__(max(_LEFT + self.count * (_TILE + _GAP) + _RIGHT, _LEAST), height)
        self.window = mouth_window(moments.labels.numpy(), scheme=scheme)
        self.mouths = np.isin(moments.labels.numpy(), scheme.mouth_labels)

    def left(self, column: int) -> float:
        """Return where a column begins."""
        return _LEFT + column * (_TILE + _GAP)

    def pictures(
        self,
        top: float,
        images: np.ndarray,
        *,
        name: str,
        interpolation: str = "nearest",
        outlined: bool = False,
    ) -> None:
        """Show one picture per column with its mouth below, and their name on the left."""
        from matplotlib.patheffects import withStroke

        first, last, left, right = self.window
        step = images.shape[1] / self.moments.labels.shape[-1]
        for column, image in enumerate(images):
            tile = self.axes(self.left(column), top, _TILE, _TILE)
            tile.imshow(image, interpolation=interpolation, aspect="auto")
            near = self.axes(self.left(column), top + _TILE + _GAP, _TILE, _MOUTH)
            near.imshow(image, interpolation=interpolation, aspect="auto")
            if outlined and self.mouths[column].any():
                line = near.contour(self.mouths[column], [0.5], colors="white", linewidths=0.9)
                line.set(path_effects=[withStroke(linewidth=2.0, foreground=INK)])
            near.set_xlim(left * step - 0.5, right * step - 0.5)
            near.set_ylim(last * step - 0.5, first * step - 0.5)
        middle = top + (_TILE + _GAP + _MOUTH) / 2
        self.write(_LEFT - 0.12, middle, name, align="right", spacing=1.5)

    def captions(self, top: float, texts: Sequence[str]) -> None:
        """Write one line per column under the pictures that begin at ``top``."""
        place = top + _TILE + _GAP + _MOUTH + 0.04
        for column, text in enumerate(texts):
            middle = self.left(column) + _TILE / 2
            self.write(middle, place, text, size=8, place="top", colour=SOFT_INK)

    def waveform(self, top: float, samples: np.ndarray, *, name: str) -> None:
        """Draw speech so that every column stands at its own time."""
        times_s = self.moments.times_s
        centres = [self.left(column) + _TILE / 2 for column in range(self.count)]
        begin, end = self.left(0), self.left(self.count - 1) + _TILE
        rate = (times_s[-1] - times_s[0]) / (centres[-1] - centres[0]) if self.count > 1 else 1.0
        limits = times_s[0] + rate * (np.array([begin, end]) - centres[0])
        axes = self.axes(begin, top + 0.02, end - begin, _WAVE - 0.06)
        axes.fill_between(*_envelope(samples, limits, 900), color="#8d93a8", linewidth=0)
        for time_s in times_s:
            axes.axvline(time_s, color="#de3e58", linewidth=0.9)
        axes.set_xlim(*limits)
        peak = max(float(np.abs(samples).max()), 1e-3)
        axes.set_ylim(-peak, peak)
        self.write(_LEFT - 0.12, top + _WAVE / 2, name, align="right", colour=SOFT_INK)

    def legend(self, labels: Sequence[int], *, note: str) -> None:
        """Name the colours of the regions that are seen, and the rest in small print."""
        from matplotlib.patches import Patch

        patches = [
            Patch(
                facecolor=hex_colour(self.scheme.colours[label]), label=self.scheme.regions[label]
            )
            for label in labels
        ]
        self.figure.legend(
            handles=patches, loc="lower center", ncols=-(-len(patches) // self._legend_rows()),
            frameon=False, fontsize=8, handlelength=1.0, handleheight=1.0, columnspacing=1.2,
            labelcolor=INK, bbox_to_anchor=(0.5, 0.33 / self.height),
        )  # fmt: skip
        place = self.height - 0.06
        self.write(self.width / 2, place, note, size=7.5, place="bottom", colour=SOFT_INK)

    def _legend_rows(self) -> int:
        return 1 if self.count > 5 else 2


def _envelope(
    samples: np.ndarray, limits: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times, least and greatest sample of ``count`` equal stretches; 0 outside the sound."""
    edges = np.linspace(limits[0], limits[1], count + 1)
    places = (edges * SAMPLE_RATE).round().astype(int)
    low, high = np.zeros(count), np.zeros(count)
    for number, (start, stop) in enumerate(itertools.pairwise(places)):
        piece = samples[max(start, 0) : max(stop, 0)]
        if len(piece):
            low[number], high[number] = piece.min(), piece.max()
    return (edges[:-1] + edges[1:]) / 2, low, high
