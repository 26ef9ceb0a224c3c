"""The head layer: skin, nose, brows and beard, everything on the face but eyes and mouth."""

from __future__ import annotations

import cv2
import numpy as np

from segkit.synthetic.identity import Identity, Scene
from segkit.synthetic.layers import BROWS, NOSE, SKIN, Canvas, Layer, tint
from segkit.synthetic.relief import (
    Grid,
    both_sides,
    face_outline,
    gaussian,
    nose_outline,
    radial,
    relief,
    shade,
    smoothstep,
)
from segkit.synthetic.template import EYES_Y, MOUTH_Y


def head_layer(identity: Identity, scene: Scene, grid: Grid) -> Layer:
    """Paint the head without eyes and mouth."""
    rng = np.random.default_rng([scene.texture_seed, 1])
    canvas = Canvas(grid)
    canvas.paint(grid.polygon(face_outline(identity)), _complexion(identity, grid), SKIN)
    canvas.labels[grid.polygon(nose_outline(identity)) >= 128] = NOSE
    _paint_beard(canvas, identity, rng)
    light, mirror = shade(relief(identity, grid), grid, scene)
    light *= _soft_shadows(identity, grid)
    canvas.shade(tint(light, scene.warmth))
    sheen = (0.05 + 0.09 * (1 - identity.age)) * mirror * (1 - 0.7 * _beard_region(identity, grid))
    canvas.colour += (
        canvas.coverage[..., None] * (sheen * (0.6 + 0.4 * _luminance(identity)))[..., None]
    )
    _paint_nostrils(canvas, identity)
    _paint_brows(canvas, identity, rng)
    return canvas.finish()


def _luminance(identity: Identity) -> float:
    return float(np.dot(identity.skin, (0.3, 0.6, 0.1)))


def _complexion(identity: Identity, grid: Grid) -> np.ndarray:
    """Skin colour before any light: ``H W 3``."""
    # Pores and spots belong to the person, not to the scene.
    rng = np.random.default_rng([int(identity.cheek_width * 1e6), int(identity.chin_y * 1e6)])
    skin = np.broadcast_to(np.asarray(identity.skin, np.float32), (grid.size, grid.size, 3)).copy()
    mottle = (
        0.010 * grid.noise(rng, 0.09)
        + 0.007 * grid.noise(rng, 0.02)
        + 0.006 * grid.noise(rng, 0.007)
    )
    skin *= 1 + mottle[..., None]
    red = identity.blush * 0.09 * both_sides(grid, 0.128, 0.548, 0.048, 0.034)
    red += 0.05 * gaussian(grid, 0, EYES_Y + identity.nose_length - 0.012, 0.026, 0.022)
    red += 0.03 * gaussian(grid, 0, identity.chin_y - 0.04, 0.04, 0.02)
    red += 0.05 * both_sides(grid, identity.eye_distance, EYES_Y - 0.004, 0.036, 0.018)
    red += 0.02 * grid.noise(rng, 0.05)
    skin *= 1 - red[..., None] * np.array([-0.10, 1.0, 0.9], np.float32)
    skin *= (
        1
        - 0.07
        * both_sides(grid, identity.eye_distance * 0.9, EYES_Y + 0.03, 0.03, 0.012)[..., None]
    )
    if identity.freckles:
        spots = np.zeros((grid.size, grid.size), np.float32)
        for x, y in rng.normal((0, 0.525), (0.085, 0.030), (int(260 * identity.freckles), 2)):
            centre = grid.pixels(np.array([(x, y)]))[0]
            radius = rng.uniform(0.0012, 0.0028) * grid.pixels_per_crop
            cv2.circle(
                spots,
                tuple(np.round(centre * 16).astype(int)),
                int(radius * 16),
                1.0,
                -1,
                cv2.LINE_8,
                4,
            )
        skin *= 1 - 0.30 * grid.blur(spots, 0.001)[..., None] * np.array([0.6, 1, 1.1], np.float32)
    return np.clip(skin, 0, 1)


def _soft_shadows(identity: Identity, grid: Grid) -> np.ndarray:
    """Light that nose, lip, brow and hair keep from the skin below them: factors ``H W``."""
    tip = EYES_Y + identity.nose_length
    shadow = 0.26 * gaussian(grid, 0, tip + 0.014, identity.nose_width * 0.8, 0.007)
    shadow += 0.20 * gaussian(grid, 0, MOUTH_Y + identity.lower_lip + 0.021, 0.040, 0.008)
    shadow += 0.20 * both_sides(grid, identity.eye_distance * 0.62, EYES_Y - 0.016, 0.018, 0.016)
    shadow += 0.12 * both_sides(grid, identity.nose_width + 0.006, tip - 0.004, 0.006, 0.014)
    shadow += 0.10 * both_sides(grid, identity.mouth_width + 0.008, MOUTH_Y + 0.004, 0.008, 0.010)
    shadow += 0.09 * smoothstep(radial(identity, grid), 0.84, 1.02)
    hairy = identity.hair_style != "bald"
    shadow += (
        0.14
        * hairy
        * smoothstep(-grid.y, -identity.hairline_y - 0.035, -identity.hairline_y + 0.01)
    )
    return 1 - np.clip(shadow, 0, 0.7)


def _paint_nostrils(canvas: Canvas, identity: Identity) -> None:
    grid = canvas.grid
    tip = EYES_Y + identity.nose_length
    dark = both_sides(
        grid, identity.nose_width * 0.44, tip + 0.0025, identity.nose_width * 0.19, 0.0042
    )
    dark = np.clip(dark * 1.25, 0, 1) * 0.75
    colour = np.asarray(identity.skin) * (0.34, 0.22, 0.20)
    canvas.paint(dark, tuple(colour), None)
    wing = both_sides(grid, identity.nose_width * 0.98, tip - 0.004, 0.0032, 0.012)
    canvas.paint(0.30 * wing, tuple(colour), None)


def _beard_region(identity: Identity, grid: Grid) -> np.ndarray:
    """Where hair grows on the lower face: ``H W`` in [0, 1]."""
    if identity.beard == "none":
        return np.zeros((grid.size, grid.size), np.float32)
    x = np.abs(grid.x)
    lip = gaussian(grid, 0, MOUTH_Y - identity.upper_lip - 0.021, 0.072, 0.0165) * 1.5
    moustache = np.clip(lip * (1 - 0.6 * gaussian(grid, 0, MOUTH_Y - 0.03, 0.006, 0.02)), 0, 1)
    jaw_line = 0.655 - 0.30 * smoothstep(x, 0.10, 0.25)
    jaw = smoothstep(grid.y - jaw_line, -0.01, 0.045)
    jaw *= 1 - 0.8 * gaussian(grid, 0, MOUTH_Y + identity.lower_lip + 0.012, 0.05, 0.010)
    chin = gaussian(grid, 0, identity.chin_y - 0.03, 0.055, 0.05) * 1.5
    around = np.exp(-((np.hypot(x / 1.1, grid.y - 0.70) - 0.092) ** 2) / (2 * 0.015**2))
    parts = {
        "stubble": np.maximum(jaw, moustache),
        "full": np.maximum(jaw, moustache),
        "goatee": np.maximum(np.maximum(chin, around * (grid.y > 0.6)), moustache),
        "moustache": moustache,
    }
    return np.clip(parts[identity.beard], 0, 1).astype(np.float32)


def _paint_beard(canvas: Canvas, identity: Identity, rng: np.random.Generator) -> None:
    if identity.beard == "none":
        return
    grid = canvas.grid
    strength = 0.34 if identity.beard == "stubble" else 0.86
    sparse = 0.30 if identity.beard == "stubble" else 0.14
    bristle = 1.02 - sparse + sparse * grid.noise(rng, 0.006) + 0.10 * grid.noise(rng, 0.03)
    region = _beard_region(identity, grid) * np.clip(bristle, 0.2, 1.1) * strength
    colour = np.asarray(identity.hair, np.float32) * 0.85
    canvas.paint(np.clip(region, 0, 0.93), tuple(colour), None)


def brow_outline(identity: Identity, side: int) -> np.ndarray:
    """Outline of one brow (``side`` -1 or 1): ``N 2``."""
    t = np.linspace(0, 1, 24)
    x = identity.eye_distance + (t - 0.48) * 0.118
    base = EYES_Y - identity.eye_height - identity.brow_height + 0.020
    y = (
        base
        - identity.brow_arch * 1.6 * np.sin(np.pi * t**1.25)
        + 0.012 * t**2
        - identity.brow_tilt * (x - identity.eye_distance)
    )
    thick = identity.brow_thickness * np.clip(
        np.minimum(0.55 + 2.2 * t, 1.15 - 0.95 * t**1.6), 0.12, 1
    )
    upper, lower = np.stack([x, y - thick / 2], 1), np.stack([x, y + thick / 2], 1)
    return np.vstack([upper, lower[::-1]]) * (side, 1)


def _paint_brows(canvas: Canvas, identity: Identity, rng: np.random.Generator) -> None:
    grid = canvas.grid
    dark = np.minimum(np.asarray(identity.hair), 0.62) * 0.8
    for side in (-1, 1):
        outline = brow_outline(identity, side)
        region = grid.polygon(outline)
        strokes = np.zeros((grid.size, grid.size), np.uint8)
        half = len(outline) // 2
        for _ in range(130):
            position = rng.uniform(0, half - 2)
            index, part = int(position), position % 1
            top = outline[index] * (1 - part) + outline[index + 1] * part
            bottom = outline[-1 - index] * (1 - part) + outline[-2 - index] * part
            start = bottom + (top - bottom) * rng.uniform(-0.1, 0.8)
            lean = np.array(
                [side * (0.004 + 0.010 * position / half), -0.008 * (1 - position / half)]
            )
            ends = np.round(
                grid.pixels(np.stack([start, start + lean * rng.uniform(0.6, 1.3)])) * 16
            ).astype(int)
            width = max(1, round(0.0022 * grid.pixels_per_crop))
            cv2.line(strokes, tuple(ends[0]), tuple(ends[1]), 255, width, cv2.LINE_AA, 4)
        body = grid.blur(region, 0.0025).astype(np.float32) / 255
        coverage = np.clip(0.62 * body + 0.5 * body * strokes / 255 + 0.25 * strokes / 255, 0, 0.95)
        canvas.paint(coverage, tuple(dark), None)
        canvas.labels[region >= 128] = BROWS
