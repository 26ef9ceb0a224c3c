"""A painted layer of the picture: colour, coverage and region label on one grid."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segkit.regions import SCHEME_12
from segkit.synthetic.relief import Grid

NO_LABEL = 255
BACKGROUND, LIP, BROWS, EYES, HAIR, NOSE, SKIN, EARS, NECK, MOUTH, GLASSES, EARRINGS = (
    SCHEME_12.index(name)
    for name in (
        "background",
        "lip",
        "eyebrows",
        "eyes",
        "hair",
        "nose",
        "skin",
        "ears",
        "neck",
        "mouth",
        "glasses",
        "earrings",
    )
)


@dataclass(frozen=True)
class Layer:
    """A finished layer.

    Args:
        rgba: uint8 ``H W 4``, colour multiplied by coverage.
        labels: uint8 ``H W``, ``NO_LABEL`` where the layer covers less than half of the pixel.
    """

    rgba: np.ndarray
    labels: np.ndarray


class Canvas:
    """A layer being painted, in floats.

    Args:
        grid: its grid.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        # Multiplied by coverage, as in ``Layer``.
        self.colour = np.zeros((grid.size, grid.size, 3), np.float32)
        self.coverage = np.zeros((grid.size, grid.size), np.float32)
        self.labels = np.full((grid.size, grid.size), NO_LABEL, np.uint8)

    def paint(
        self,
        coverage: np.ndarray,
        colour: np.ndarray | tuple[float, float, float],
        label: int | None,
    ) -> None:
        """Lay a colour over what is there.

        Args:
            coverage: ``H W``, float in [0, 1] or uint8 in [0, 255].
            colour: one RGB in [0, 1] or a picture ``H W 3``.
            label: region of the painted pixels; None leaves the labels below as they are, and
                paints only on what
                is covered already.
        """
        alpha = (
            coverage.astype(np.float32) / 255
            if coverage.dtype == np.uint8
            else coverage.astype(np.float32)
        )
        if label is None:
            alpha = alpha * self.coverage
        self.colour += alpha[..., None] * (np.asarray(colour, np.float32) - self.colour)
        self.coverage += alpha * (1 - self.coverage)
        if label is not None:
            self.labels[alpha >= 0.5] = label

    def shade(self, factor: np.ndarray) -> None:
        """Multiply the colour by light: ``H W`` or ``H W 3``."""
        self.colour *= factor if factor.ndim == 3 else factor[..., None]

    def finish(self) -> Layer:
        """Freeze the layer."""
        coverage = np.clip(self.coverage, 0, 1)
        rgba = np.empty((*coverage.shape, 4), np.float32)
        rgba[..., :3] = np.clip(self.colour, 0, coverage[..., None])
        rgba[..., 3] = coverage
        labels = np.where(coverage >= 0.5, self.labels, NO_LABEL)
        return Layer(cv2.convertScaleAbs(rgba, alpha=255), labels.astype(np.uint8))


def tint(light: np.ndarray, warmth: float) -> np.ndarray:
    """Colour light on skin, whose shadows are red as light bleeds through: ``H W`` -> ``H W 3``."""
    clipped = np.clip(light, 0.02, 2)
    return np.stack(
        [clipped**0.82 * (1 + warmth), clipped**1.03, clipped**1.10 * (1 - warmth)], axis=-1
    )
