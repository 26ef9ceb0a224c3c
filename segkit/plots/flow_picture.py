"""The picture of the flow of data, from speech and a face to a talking frame (figure 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from segkit.plots.figures import INK, SOFT_INK
from segkit.plots.flow_material import BLINK, FlowMaterial
from segkit.plots.page import Page
from segkit.regions import RegionScheme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT, _TILE = 12.6, 6.82, 1.12
# Fill and edge of what hears and moves, of what paints, and of edits.
_TSG, _SGI, _EDIT = ("#e8eefb", "#4269d0"), ("#fdeee0", "#d9772b"), ("#ffffff", "#3ca951")
_HIDDEN = (203, 203, 208)
_SHOWN_VALUES = 40
"""Values of each region's first code that the picture of the codes has room for."""


def flow_figure(material: FlowMaterial, *, scheme: RegionScheme) -> Figure:
    """Draw the flow through both networks, with what really flowed in every place.

    Args:
        material: from `flow_material`.
        scheme: colours and names of the regions.

    Raises:
        ImportError: matplotlib is not installed.

    Source: figure 2.
    """
    page = _Flow()
    _draw_tsg(page, material, scheme)
    _draw_sgi(page, material, scheme)
    _draw_output(page, material)
    return page.figure


def _draw_tsg(page: _Flow, material: FlowMaterial, scheme: RegionScheme) -> None:
    """Speech and masks to the talking mask, and its edit."""
    page.band(0.1, 0.1, 9.02, 3.26, "(a) TSG: speech moves the mask", _TSG)
    page.sound(0.3, 0.47, material)
    page.box(1.95, 0.57, 1.2, 0.85, "audio\nencoder", _TSG)
    page.arrow((1.62, 0.99), (1.95, 0.99))
    pose, reference = (scheme.colourise(material.labels) for _ in range(2))
    pose[pose.shape[0] // 2 :] = _HIDDEN
    page.frame(0.22, 1.74, 2.56, 1.56)
    page.tile(0.3, 1.82, pose, "pose mask,\nlower half hidden")
    page.tile(1.58, 1.82, reference, "reference mask,\nshape of the face")
    page.box(3.72, 1.25, 1.2, 1.15, "mask\ndecoder", _TSG)
    page.arrow((3.15, 0.99), (3.72, 1.55))
    page.arrow((2.78, 2.4), (3.72, 2.05))
    page.tile(5.3, 1.26, scheme.colourise(material.spoken), "talking mask")
    page.arrow((4.92, 1.82), (5.3, 1.82))
    page.box(6.72, 1.5, 0.82, 0.64, f"edit\nblink {BLINK:g}", _EDIT, dashed=True)
    page.arrow((6.42, 1.82), (6.72, 1.82))
    page.tile(7.85, 1.26, scheme.colourise(material.edited), "edited mask")
    page.arrow((7.54, 1.82), (7.85, 1.82))


def _draw_sgi(page: _Flow, material: FlowMaterial, scheme: RegionScheme) -> None:
    """The face and its mask to style codes, and a swap."""
    page.band(0.1, 3.46, 9.02, 3.26, "(b) SGI: the mask paints the face", _SGI)
    page.tile(0.3, 3.86, material.image, "")
    mask = scheme.colourise(material.labels)
    page.tile(0.3, 3.92 + _TILE, mask, "reference image\nand its mask")
    page.box(1.95, 4.58, 1.2, 0.85, "region\nencoder", _SGI)
    page.arrow((1.42, 5.0), (1.95, 5.0))
    named = "style codes,\none row per region"
    page.codes(3.9, 4.19, material.codes, material.presence, scheme, named)
    page.arrow((3.15, 5.0), (3.62, 5.0))
    page.box(5.66, 4.68, 0.86, 0.64, f"swap\n{material.region}", _EDIT, dashed=True)
    page.arrow((5.3, 5.0), (5.66, 5.0))
    page.tile(5.66, 5.54, material.donor, "another face's code", side=0.86)
    page.arrow((6.09, 5.54), (6.09, 5.32))
    swapped, label = "swapped codes", scheme.index(material.region)
    page.codes(7.1, 4.19, material.swapped, material.presence, scheme, swapped, marked=label)
    page.arrow((6.52, 5.0), (6.82, 5.0))


def _draw_output(page: _Flow, material: FlowMaterial) -> None:
    """Mask and codes to frames."""
    page.box(9.45, 2.76, 1.3, 1.3, "mask-guided\ngenerator", _SGI)
    page.arrow((8.97, 1.82), (10.1, 2.76), bend="angle,angleA=0,angleB=90,rad=4")
    page.arrow((8.5, 5.0), (10.1, 4.06), bend="angle,angleA=0,angleB=90,rad=4")
    page.tile(11.2, 2.0, material.frame, "frame", side=1.28, above=True)
    page.tile(11.2, 3.54, material.edited_frame, "frame with edit\nand swap", side=1.28)
    page.arrow((10.75, 3.2), (11.2, 2.75))
    page.arrow((10.75, 3.6), (11.2, 4.05))


class _Flow(Page):
    """A page with tiles, boxes and arrows."""

    def __init__(self) -> None:
        super().__init__(_WIDTH, _HEIGHT)
        self.ground = self.axes(0, 0, _WIDTH, _HEIGHT)
        self.ground.set_xlim(0, _WIDTH)
        self.ground.set_ylim(_HEIGHT, 0)

    def band(
        self, left: float, top: float, width: float, height: float, title: str,
        colours: tuple[str, str],
    ) -> None:  # fmt: skip
        """Lay a tinted band under one of the networks."""
        self._round(left, top, width, height, colours[0] + "70", "none", radius=0.12)
        self.write(left + 0.14, top + 0.2, title, size=11, align="left", colour=colours[1])

    def frame(self, left: float, top: float, width: float, height: float) -> None:
        """Draw a thin frame around what goes together."""
        self._round(left, top, width, height, "#ffffff90", _TSG[1] + "70", radius=0.06)

    def box(
        self, left: float, top: float, width: float, height: float, name: str,
        colours: tuple[str, str], *, dashed: bool = False,
    ) -> None:  # fmt: skip
        """Draw a network, or an edit."""
        self._round(left, top, width, height, *colours, radius=0.1, dashed=dashed)
        self.write(left + width / 2, top + height / 2, name, size=9.5)

    def arrow(
        self, start: tuple[float, float], end: tuple[float, float], *, bend: str = "arc3"
    ) -> None:
        """Draw an arrow."""
        from matplotlib.patches import FancyArrowPatch

        self.ground.add_patch(
            FancyArrowPatch(
                start, end, arrowstyle="-|>", mutation_scale=11, color=INK, linewidth=1.2,
                shrinkA=1.5, shrinkB=1.5, connectionstyle=bend,
            )
        )  # fmt: skip

    def tile(
        self, left: float, top: float, image: np.ndarray, name: str, *, side: float = _TILE,
        above: bool = False,
    ) -> None:  # fmt: skip
        """Show a picture with its name below or above."""
        axes = self.axes(left, top, side, side)
        flat = len(np.unique(image.reshape(-1, 3), axis=0)) < 64
        axes.imshow(image, interpolation="nearest" if flat else "bicubic")
        self._name(left + side / 2, top, side, name, above=above)

    def sound(self, left: float, top: float, material: FlowMaterial) -> None:
        """Show two seconds of speech, and the 0.2 s that the encoder hears of them now."""
        wave = self.axes(left, top, 1.32, 0.4)
        wave.plot(material.waveform, color=INK, linewidth=0.35)
        wave.margins(0.01)
        mel = self.axes(left, top + 0.44, 1.32, 0.6)
        mel.imshow(material.mel, origin="lower", aspect="auto", cmap="magma")
        self.write(left + 0.66, top + 1.15, "speech, log-mel of 0.2 s", size=8, colour=SOFT_INK)

    def codes(
        self, left: float, top: float, codes: np.ndarray, presence: np.ndarray,
        scheme: RegionScheme, name: str, *, marked: int | None = None,
    ) -> None:  # fmt: skip
        """Show the first values of each region's first code, with the region's colour beside."""
        from matplotlib.patches import Rectangle

        width, height = 1.4, 1.62
        values = np.where(presence[:, None], codes[:, 0, :_SHOWN_VALUES], np.nan)
        limit = float(np.nanquantile(np.abs(values), 0.97))
        axes = self.axes(left, top, width, height)
        # Seen where a region is absent.
        axes.axhspan(-0.5, len(values) - 0.5, color="#dcdce2", zorder=-1)
        axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        axes.hlines(np.arange(len(values) - 1) + 0.5, -0.5, values.shape[1] - 0.5, "white", lw=1.2)
        if marked is not None:
            axes.add_patch(
                Rectangle(
                    (-0.5, marked - 0.5), values.shape[1], 1, fill=False, edgecolor=_EDIT[1],
                    linewidth=1.8, clip_on=False,
                )
            )  # fmt: skip
        chips = self.axes(left - 0.2, top, 0.14, height)
        chips.imshow(np.array(scheme.colours, np.uint8)[:, None], aspect="auto")
        chips.hlines(np.arange(len(values) - 1) + 0.5, -0.5, 0.5, "white", lw=1.2)
        self._name(left + width / 2 - 0.1, top, height, name, above=False)

    def _name(self, middle: float, top: float, height: float, name: str, *, above: bool) -> None:
        place, where = (top - 0.06, "bottom") if above else (top + height + 0.05, "top")
        self.write(middle, place, name, size=8, place=where, colour=SOFT_INK)

    def _round(
        self, left: float, top: float, width: float, height: float, fill: str, edge: str, *,
        radius: float, dashed: bool = False,
    ) -> None:  # fmt: skip
        from matplotlib.patches import FancyBboxPatch

        self.ground.add_patch(
            FancyBboxPatch(
                (left + radius, top + radius), width - 2 * radius, height - 2 * radius,
                boxstyle=f"round,pad={radius}", facecolor=fill, edgecolor=edge, linewidth=1.3,
                linestyle="--" if dashed else "-",
            )
        )  # fmt: skip
