"""The face as a relief: outline, height map and shading on a grid of crop coordinates.

Coordinates: ``x`` is 0 at the middle of the crop and grows to the right, ``y`` is 0 at its top;
both in crop widths.
The grid reaches ``MARGIN`` beyond the crop on every side, so that motion uncovers no empty edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from segkit.synthetic.identity import Identity, Scene
from segkit.synthetic.template import EYES_Y, MOUTH_Y

MARGIN = 0.12
CENTRE_Y = 0.46
"""Height of the head's middle in the crop."""


@dataclass(frozen=True)
class Grid:
    """Pixel centres of a picture that covers the crop and its margin.

    Args:
        pixels_per_crop: pixels across one crop width.
    """

    pixels_per_crop: int

    @property
    def size(self) -> int:
        """Pixels of the whole square, margins included."""
        return self.pixels_per_crop + 2 * self.margin

    @property
    def margin(self) -> int:
        """Pixels of one margin."""
        return round(MARGIN * self.pixels_per_crop)

    @cached_property
    def x(self) -> np.ndarray:
        """``H W`` float32."""
        row = (
            np.arange(self.size, dtype=np.float32) + 0.5 - self.margin
        ) / self.pixels_per_crop - 0.5
        return np.broadcast_to(row, (self.size, self.size))

    @cached_property
    def y(self) -> np.ndarray:
        """``H W`` float32."""
        return self.x.T + np.float32(0.5)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Crop coordinates ``N 2`` -> pixel coordinates ``N 2`` (pixel centres at integers)."""
        return (np.asarray(points) + np.array((0.5, 0))) * self.pixels_per_crop + self.margin - 0.5

    def polygon(self, points: np.ndarray) -> np.ndarray:
        """Paint a polygon: coverage ``H W`` uint8, anti-aliased."""
        canvas = np.zeros((self.size, self.size), np.uint8)
        fixed = np.round(self.pixels(points) * 16).astype(np.int32)
        return cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_AA, 4)

    def blur(self, picture: np.ndarray, sigma: float) -> np.ndarray:
        """Gaussian blur; ``sigma`` in crop widths."""
        return cv2.GaussianBlur(picture, (0, 0), max(0.3, sigma * self.pixels_per_crop))

    def noise(self, rng: np.random.Generator, cell: float) -> np.ndarray:
        """Smooth noise of unit deviation with features of ``cell`` crop widths: ``H W`` float32."""
        count = max(4, round((1 + 2 * MARGIN) / cell))
        coarse = rng.standard_normal((count, count)).astype(np.float32)
        return cv2.resize(coarse, (self.size, self.size), interpolation=cv2.INTER_CUBIC)


def gaussian(grid: Grid, x: float, y: float, width: float, height: float) -> np.ndarray:
    """A bump of height 1 at (x, y): ``H W`` float32."""
    return np.exp(-(((grid.x - x) / width) ** 2 + ((grid.y - y) / height) ** 2) / 2).astype(
        np.float32
    )


def both_sides(grid: Grid, x: float, y: float, width: float, height: float) -> np.ndarray:
    """Two bumps, mirrored about the middle of the face."""
    return gaussian(grid, x, y, width, height) + gaussian(grid, -x, y, width, height)


def smoothstep(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 at ``low``, 1 at ``high``, smooth between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def face_outline(identity: Identity, num_points: int = 160) -> np.ndarray:
    """Return the face's outline from the crown around the chin: ``N 2``."""
    from scipy.interpolate import CubicSpline

    half = np.array(
        [
            (0.0, identity.crown_y),
            (identity.temple_width * 0.66, identity.crown_y + 0.035),
            (identity.temple_width, 0.27),
            (identity.cheek_width, 0.47),
            (identity.jaw_width, 0.675),
            (identity.chin_width, identity.chin_y - 0.028),
            (0.0, identity.chin_y),
        ]
    )
    mirrored = half[-2:0:-1] * (-1, 1)
    closed = np.vstack([half, mirrored, half[:1]])
    distance = np.concatenate(
        [[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1) ** 0.6)]
    )
    spline = CubicSpline(distance, closed, bc_type="periodic")
    return spline(np.linspace(0, distance[-1], num_points, endpoint=False))


def nose_outline(identity: Identity) -> np.ndarray:
    """Return the outline of the nose region: ``N 2``."""
    width, tip = identity.nose_width, EYES_Y + identity.nose_length
    side = np.array(
        [
            (0.020, 0.425),
            (0.019, 0.465),
            (0.024, tip - 0.052),
            (width * 0.86, tip - 0.030),
            (width, tip - 0.008),
            (width * 0.88, tip + 0.010),
            (width * 0.45, tip + 0.013),
            (0.010, tip + 0.020),
        ]
    )
    return np.vstack([side, side[::-1] * (-1, 1)])


def radial(identity: Identity, grid: Grid) -> np.ndarray:
    """Distance from the middle of the face, in units of the outline's: 1 on the outline."""
    outline = face_outline(identity) - (0, CENTRE_Y)
    angles = np.arctan2(outline[:, 1], outline[:, 0])
    order = np.argsort(angles)
    y = grid.y - CENTRE_Y
    reach = np.interp(
        np.arctan2(y, grid.x),
        angles[order],
        np.linalg.norm(outline, axis=1)[order],
        period=2 * np.pi,
    )
    return (np.hypot(grid.x, y) / reach).astype(np.float32)


def depth(identity: Identity, grid: Grid) -> np.ndarray:
    """Smooth depth for head turns: 0 on the outline, positive towards the camera."""
    head = 0.20 * (1 - np.minimum(radial(identity, grid), 1.5) ** 2)
    tip = EYES_Y + identity.nose_length - 0.012
    nose = gaussian(grid, 0, tip, 0.034, 0.036) * 0.045 * identity.nose_height
    return (head + nose).astype(np.float32)


def relief(identity: Identity, grid: Grid) -> np.ndarray:
    """Height map of the face with its features: ``H W`` float32 in crop widths."""
    rho = radial(identity, grid)
    height = 0.17 * np.sqrt(np.clip(1 - (0.965 * rho) ** 2.6, 0.0004, 1))
    nose_tip = EYES_Y + identity.nose_length - 0.014
    eye, width, bulb = identity.eye_distance, identity.nose_width, identity.nose_bulb
    along = smoothstep(grid.y, 0.40, nose_tip) * smoothstep(
        -grid.y, -nose_tip - 0.022, -nose_tip + 0.004
    )
    ridge_width = 0.0115 + 0.008 * smoothstep(grid.y, 0.42, nose_tip)
    ridge = np.exp(-((grid.x / ridge_width) ** 2) / 2) * along
    height += identity.nose_height * 0.026 * ridge
    height += (
        identity.nose_height * bulb * 0.017 * gaussian(grid, 0, nose_tip, 0.019 * bulb**0.5, 0.017)
    )
    height += 0.012 * both_sides(grid, width * 0.72, nose_tip + 0.006, 0.0105, 0.0125)
    height += 0.010 * both_sides(grid, eye * 0.9, EYES_Y - 0.052, 0.055, 0.016)
    height -= 0.016 * both_sides(grid, eye * 0.92, EYES_Y - 0.004, 0.046, 0.022)
    height += 0.006 * both_sides(grid, eye, EYES_Y - 0.002, 0.034, 0.014)
    height += 0.011 * both_sides(grid, 0.145, 0.535, 0.05, 0.034)
    height += 0.013 * gaussian(grid, 0, MOUTH_Y - 0.004, 0.075, 0.045)
    height += 0.014 * gaussian(grid, 0, identity.chin_y - 0.045, 0.042, 0.026)
    height -= 0.006 * gaussian(grid, 0, 0.728, 0.045, 0.010)
    height -= 0.003 * gaussian(grid, 0, 0.612, 0.006, 0.018)
    height -= (0.0004 + 0.0032 * identity.age) * _folds(identity, grid)
    height -= (0.0005 + 0.0035 * identity.age) * both_sides(
        grid, eye * 0.96, EYES_Y + 0.037, 0.032, 0.0045
    )
    wrinkles = max(0.0, identity.age - 0.45) * 0.0016
    for line in (0.285, 0.308, 0.331):
        height -= wrinkles * gaussian(grid, 0, line, 0.10, 0.0035)
    return height.astype(np.float32)


def _folds(identity: Identity, grid: Grid) -> np.ndarray:
    """The creases from the wings of the nose to the corners of the mouth: ``H W`` in [0, 1]."""
    t = np.clip((grid.y - 0.562) / 0.115, 0, 1)
    middle = (
        identity.nose_width + 0.012 + (identity.mouth_width + 0.010 - identity.nose_width) * t**1.2
    )
    crease = np.exp(-(((np.abs(grid.x) - middle) / 0.0075) ** 2) / 2)
    return crease * smoothstep(grid.y, 0.555, 0.59) * smoothstep(-grid.y, -0.69, -0.65)


def shade(height: np.ndarray, grid: Grid, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Light a height map.

    Args:
        height: ``H W`` in crop widths.
        grid: its grid.
        scene: direction and softness of the light.

    Returns:
        Diffuse light ``H W`` around 1, and specular light ``H W`` in [0, 1].
    """
    smooth = grid.blur(height, 0.004)
    slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=grid.pixels_per_crop / 8)
    slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=grid.pixels_per_crop / 8)
    norm = np.sqrt(1 + slope_x**2 + slope_y**2)
    light_x, light_y, light_z = scene.light
    facing = (-slope_x * light_x - slope_y * light_y + light_z) / norm
    wrapped = np.clip((facing + 0.35) / 1.35, 0, 1)
    cavity = np.clip((grid.blur(height, 0.022) - smooth) / 0.009, -0.6, 1)
    diffuse = (scene.ambient * (0.82 + 0.18 / norm) + (1 - scene.ambient) * wrapped * 1.25) * (
        1 - 0.22 * cavity
    )
    half = np.array([light_x, light_y, light_z + 1])
    half /= np.linalg.norm(half)
    mirror = np.clip((-slope_x * half[0] - slope_y * half[1] + half[2]) / norm, 0, 1) ** 28
    # Compressed, so that pale skin keeps its modelling in full light.
    return (0.98 * np.tanh(diffuse * 1.05) / np.tanh(1.05)).astype(np.float32), mirror.astype(
        np.float32
    )
