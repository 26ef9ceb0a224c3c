"""A figure that is laid out in inches from its upper left corner."""

from __future__ import annotations

from typing import Any

import numpy as np

from segkit.plots.figures import INK, new_figure


class Page:
    """A white page to put pictures and words on.

    Args:
        width: in inches.
        height: in inches.

    Raises:
        ImportError: matplotlib is not installed.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = new_figure(width, height)

    def axes(self, left: float, top: float, width: float, height: float) -> Any:
        """Add axes without ticks or frame."""
        place = np.array([left, self.height - top - height, width, height])
        axes = self.figure.add_axes(tuple(place / ([self.width, self.height] * 2)))
        axes.set_axis_off()
        return axes

    def write(
        self,
        left: float,
        top: float,
        text: str,
        *,
        size: float = 9.0,
        align: str = "center",
        place: str = "center",
        colour: str = INK,
        spacing: float = 1.2,
    ) -> None:
        """Write text.

        Args:
            left: of the anchor.
            top: of the anchor.
            text: one line or more.
            size: in points.
            align: which part of the text stands at the anchor: left, center or right.
            place: which part of the text stands at the anchor: top, center or bottom.
            colour: of the letters.
            spacing: of the lines.
        """
        self.figure.text(
            left / self.width, 1 - top / self.height, text, fontsize=size, ha=align, va=place,
            color=colour, linespacing=spacing,
        )  # fmt: skip


def hex_colour(rgb: tuple[int, int, int]) -> str:
    """Return a colour 0..255 as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*rgb)
