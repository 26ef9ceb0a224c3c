"""The picture of style codes: one t-SNE plane, coloured by region and by person (figure 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.plots.figures import INK, SOFT_INK
from segkit.plots.page import Page, hex_colour
from segkit.plots.style_codes import StyleCodes
from segkit.plots.style_record import shown
from segkit.regions import RegionScheme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NAMES = 24
"""More people than this are coloured but not named."""

# Columns of the names of people, and the letters that fit into one.
_COLUMNS, _LONGEST = 5, 13

# In inches: above the panels, their side, and a line of names.
_HEAD, _SIDE, _LINE_HEIGHT = 0.7, 5.22, 0.18

# Ten colours that stay apart for most colour-blind eyes, in an order of growing likeness.
_PEOPLE = (
    "#4269d0", "#efb118", "#ff725c", "#3ca951", "#a463f2",
    "#6cc5b0", "#97512b", "#ff8ab7", "#9498a0", "#1b1b2f",
)  # fmt: skip
_MARKERS = "oX^sD"

# Shares of the plane: how far a cluster reaches around its middle, and the size of letters.
_REACH, _LETTER, _LINE = 0.06, 0.016, 0.03


def style_figure(
    points: np.ndarray,
    codes: StyleCodes,
    *,
    scheme: RegionScheme,
    people: Sequence[str],
    title: str,
    numbers: dict[str, dict[str, float | None]],
    note: str = "",
) -> Figure:
    """Draw both panels.

    Args:
        points: ``n 2``, from `plane`.
        codes: the same n codes.
        scheme: names and colours of the regions.
        people: names of the persons, by their number.
        title: what the codes are.
        numbers: row -> number -> value, from `style_numbers`; said above the panels.
        note: small print below.

    Raises:
        ImportError: matplotlib is not installed.
    """
    named = len(people) <= _MOST_NAMES
    num_rows = max(2, -(-len(people) // _COLUMNS) if named else 2)
    page = Page(11.0, _HEAD + _SIDE + _LINE_HEIGHT * num_rows + 0.5)
    page.write(0.22, 0.22, title, size=12, align="left")
    left, right = (page.axes(place, _HEAD, _SIDE, _SIDE) for place in (0.22, 0.34 + _SIDE))
    regions = [int(region) for region in np.unique(codes.regions)]
    for region in regions:
        inside = codes.regions == region
        _scatter(left, points[inside], hex_colour(scheme.colours[region]), scheme.regions[region])
    for number, name in enumerate(people):
        _scatter(right, points[codes.people == number], *_look_of(number, name))
    for panel in (left, right):
        _name_clusters(panel, points, codes, scheme)
    _head(left, "a", "by region", _said(numbers["region"]))
    _head(right, "b", "by person", _said(numbers["person"]) + ", mean over regions")
    _legend(left, num_columns=6)
    if named:
        _legend(right, num_columns=_COLUMNS)
    page.write(page.width / 2, page.height - 0.16, note, size=7.5, colour=SOFT_INK)
    return page.figure


def _scatter(panel: Any, points: np.ndarray, colour: str, name: str, marker: str = "o") -> None:
    panel.scatter(
        *points.T, s=16, color=colour, label=name, marker=marker,
        edgecolors=INK, linewidths=0.3, alpha=0.9,
    )  # fmt: skip


def _look_of(number: int, name: str) -> tuple[str, str, str]:
    """Return colour, name and marker of a person; ten colours, then the next marker."""
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 2]}.."
    return _PEOPLE[number % len(_PEOPLE)], short, _MARKERS[number // len(_PEOPLE) % len(_MARKERS)]


def _name_clusters(panel: Any, points: np.ndarray, codes: StyleCodes, scheme: RegionScheme) -> None:
    """Write each region's name beside the place where most of its points are."""
    from matplotlib.patheffects import withStroke

    extent = np.ptp(points, axis=0).max()
    for region in np.unique(codes.regions):
        name, own = scheme.regions[region], points[codes.regions == region]
        near = np.linalg.norm(own[:, None] - own[None], axis=2) < _REACH * extent
        around = own[near[near.sum(1).argmax()]]
        box = np.array([_LETTER * len(name), _LINE]) * extent
        panel.text(
            *_free_place(around, points, box), name, ha="center", va="center", fontsize=8,
            color=INK, path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip


def _free_place(around: np.ndarray, points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the middle of the box above, below, left or right of a cluster that hides least."""
    low, high = around.min(0), around.max(0)
    middle = (low + high) / 2
    above, right = (high[1] + 0.9 * box[1]), (high[0] + 0.6 * box[0])
    below, left = (low[1] - 0.9 * box[1]), (low[0] - 0.6 * box[0])
    places = np.array(
        [(middle[0], above), (middle[0], below), (right, middle[1]), (left, middle[1])]
    )
    hidden = (np.abs(points[None] - places[:, None]) < 0.55 * box).all(2).sum(1)
    return places[hidden.argmin()]


def _head(panel: Any, letter: str, what: str, said: str) -> None:
    panel.set_axis_on()
    panel.set_xticks([])
    panel.set_yticks([])
    panel.margins(0.05)
    panel.set_aspect("equal", adjustable="datalim")
    for spine in panel.spines.values():
        spine.set_color("#c9c9cf")
    panel.text(0, 1.012, f"({letter}) {what}", transform=panel.transAxes, fontsize=10.5, color=INK)
    panel.text(1, 1.012, said, transform=panel.transAxes, fontsize=8.5, color=SOFT_INK, ha="right")


def _legend(panel: Any, *, num_columns: int) -> None:
    panel.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.015), ncols=num_columns, frameon=False,
        fontsize=8, handletextpad=0.1, columnspacing=1.0, markerscale=1.5, labelcolor=INK,
    )  # fmt: skip


def _said(numbers: dict[str, float | None]) -> str:
    return (
        f"silhouette {shown(numbers['silhouette'])}, 1-NN purity {shown(numbers['purity'])} "
        f"(chance {shown(numbers['chance'])})"
    )
