"""The backdrop layer: background, hair that falls behind the shoulders, neck and clothes."""

from __future__ import annotations

import numpy as np

from segkit.synthetic.hair import paint_back
from segkit.synthetic.identity import Identity, Scene
from segkit.synthetic.layers import BACKGROUND, NECK, Canvas, Layer, tint
from segkit.synthetic.relief import Grid, gaussian, smoothstep


def backdrop_layer(identity: Identity, scene: Scene, grid: Grid) -> Layer:
    """Paint everything that does not move with the head; it covers the whole grid."""
    rng = np.random.default_rng([scene.texture_seed, 3])
    canvas = Canvas(grid)
    canvas.paint(
        np.ones((grid.size, grid.size), np.float32), _background(scene, grid, rng), BACKGROUND
    )
    if identity.hair_style in ("long", "bob", "curly"):
        paint_back(canvas, identity, scene)
    _paint_neck(canvas, identity, scene)
    _paint_clothes(canvas, identity, scene, rng)
    return canvas.finish()


def _background(scene: Scene, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """The picture behind the person: ``H W 3``, out of focus."""
    first, second, third = (np.asarray(colour, np.float32) for colour in scene.background_colours)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = smoothstep((grid.x * np.cos(angle) + (grid.y - 0.5) * np.sin(angle)), -0.6, 0.6)
    picture = first + (second - first) * ramp[..., None]
    if scene.background == "shapes":
        for _ in range(7):
            corner, extent = rng.uniform(-0.6, 0.5, 2), rng.uniform(0.1, 0.5, 2)
            inside = (np.abs(grid.x - corner[0]) < extent[0] / 2) & (
                np.abs(grid.y - 0.5 - corner[1]) < extent[1] / 2
            )
            colour = (first, second, third)[rng.integers(3)] * rng.uniform(0.6, 1.3)
            picture = np.where(inside[..., None], 0.4 * picture + 0.6 * colour, picture)
        picture = grid.blur(picture.astype(np.float32), 0.012)
    elif scene.background == "bokeh":
        for _ in range(16):
            x, y, radius = rng.uniform(-0.6, 0.6), rng.uniform(-0.1, 1.1), rng.uniform(0.02, 0.09)
            disc = smoothstep(radius - np.hypot(grid.x - x, grid.y - y), -0.01, 0.008)[..., None]
            picture = picture + disc * 0.35 * (np.clip(third * 1.5, 0, 1) - picture)
    elif scene.background == "panels":
        stripe = np.floor((grid.x + rng.uniform(0, 1)) / rng.uniform(0.12, 0.3)) % 2
        picture = picture * (1 - 0.25 * stripe[..., None])
        picture = grid.blur(picture.astype(np.float32), 0.006)
    elif scene.background == "wall":
        grain = 0.05 * grid.noise(rng, 0.02) + 0.05 * grid.noise(rng, 0.12)
        picture = picture * (1 + grain[..., None])
    vignette = 1 - 0.22 * smoothstep(np.hypot(grid.x, grid.y - 0.45), 0.3, 0.85)
    return np.clip(picture * vignette[..., None], 0.02, 1).astype(np.float32)


def _shoulder_y(x: np.ndarray, identity: Identity) -> np.ndarray:
    """Height of the line from neck to shoulders."""
    beyond = np.maximum(0, np.abs(x) - identity.neck_width)
    return 0.875 + 0.10 * np.sqrt(np.minimum(beyond / 0.30, 4)) + 0.06 * beyond


def _paint_neck(canvas: Canvas, identity: Identity, scene: Scene) -> None:
    grid = canvas.grid
    x = np.abs(grid.x)
    flare = identity.neck_width + 0.012 * smoothstep(grid.y, 0.78, 0.9)
    column = smoothstep(flare - x, -0.003, 0.003) * (grid.y > 0.55)
    trapezius = smoothstep(grid.y - _shoulder_y(grid.x, identity), -0.003, 0.003)
    cover = np.maximum(column, trapezius)
    round_light = np.sqrt(np.clip(1 - (grid.x / (identity.neck_width * 1.25)) ** 2, 0.05, 1))
    direct = np.clip(
        round_light * scene.light[2] + grid.x / identity.neck_width * scene.light[0] * 0.7, 0, 1.2
    )
    light = 0.50 + 0.42 * direct
    chin_shadow = 1 - 0.42 * gaussian(grid, 0, identity.chin_y - 0.005, 0.13, 0.048)
    tendons = (
        1
        - 0.07 * gaussian(grid, 0.045, 0.95, 0.012, 0.07)
        - 0.07 * gaussian(grid, -0.045, 0.95, 0.012, 0.07)
    )
    colour = np.asarray(identity.skin, np.float32) * tint(
        light * chin_shadow * tendons, scene.warmth
    )
    canvas.paint(cover, colour * (1.0, 0.97, 0.96), NECK)


def _paint_clothes(
    canvas: Canvas, identity: Identity, scene: Scene, rng: np.random.Generator
) -> None:
    grid = canvas.grid
    x = np.abs(grid.x)
    neckline = {
        "crew": 0.965 - 0.9 * np.maximum(0, x - 0.07) ** 1.2,
        "vee": 1.06 - 1.1 * x,
        "collar": 1.03 - 0.95 * x,
        "high": np.full_like(x, 0.905) - 0.15 * x,
    }[scene.neckline]
    edge = np.maximum(neckline, _shoulder_y(grid.x, identity) - 0.006)
    cover = smoothstep(grid.y - edge, -0.003, 0.003)
    pattern = 1 + 0.04 * grid.noise(rng, 0.01) + 0.08 * grid.noise(rng, 0.12)
    if scene.pattern == "stripes":
        pattern = pattern * (1 + 0.22 * np.sign(np.sin(grid.y * 150)))
    elif scene.pattern == "knit":
        pattern = pattern * (1 + 0.10 * np.sin(grid.x * 420) * np.sin(grid.y * 300))
    elif scene.pattern == "check":
        pattern = pattern * (
            1 + 0.12 * np.sign(np.sin(grid.x * 90)) + 0.12 * np.sign(np.sin(grid.y * 90))
        )
    light = (
        0.85 + 0.2 * scene.light[0] * np.clip(grid.x / 0.4, -1, 1) - 0.12 * smoothstep(x, 0.25, 0.5)
    )
    seam = 1 - 0.35 * np.exp(-(((grid.y - edge - 0.012) / 0.004) ** 2) / 2)
    canvas.paint(
        cover,
        np.asarray(scene.clothes, np.float32) * (pattern * light * seam)[..., None],
        BACKGROUND,
    )
    if scene.neckline == "collar":
        flap = smoothstep(0.045 - np.abs(grid.y - 0.955 - 0.32 * (x - 0.12)), -0.003, 0.003) * (
            (x > 0.055) & (x < 0.17)
        )
        canvas.paint(
            flap * cover,
            np.clip(np.asarray(scene.clothes) * 1.15 + 0.06, 0, 1).astype(np.float32),
            BACKGROUND,
        )
