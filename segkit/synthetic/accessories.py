"""Ears, earrings, glasses, and the layers they belong to."""

from __future__ import annotations

import cv2
import numpy as np

from segkit.synthetic.hair import paint_back, paint_front
from segkit.synthetic.identity import Identity, Scene
from segkit.synthetic.layers import EARRINGS, EARS, GLASSES, Canvas, Layer, tint
from segkit.synthetic.relief import Grid, gaussian
from segkit.synthetic.template import EYES_Y

_EAR_Y = 0.475


def ears_layer(identity: Identity, scene: Scene, grid: Grid) -> Layer:
    """Paint what lies just behind the face: hair around the head, ears, earrings."""
    canvas = Canvas(grid)
    paint_back(canvas, identity, scene, bottom=0.62)
    for side in (-1, 1):
        _paint_ear(canvas, identity, scene, side)
        _paint_earring(canvas, identity, side)
    return canvas.finish()


def _ear_x(identity: Identity) -> float:
    return identity.cheek_width + 0.006


def _paint_ear(canvas: Canvas, identity: Identity, scene: Scene, side: int) -> None:
    grid = canvas.grid
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    width = 0.026 * (1 + 0.22 * np.cos(t - 0.9))
    x = _ear_x(identity) + width * np.sin(t)
    y = _EAR_Y - 0.062 * np.cos(t)
    cover = grid.polygon(np.stack([side * x, y], 1))
    light = 0.78 + 0.22 * side * scene.light[0]
    inner = gaussian(grid, side * (_ear_x(identity) + 0.004), _EAR_Y - 0.008, 0.010, 0.030)
    rim = gaussian(grid, side * (_ear_x(identity) + 0.021), _EAR_Y - 0.02, 0.005, 0.03)
    shading = tint(light * (1 - 0.45 * inner + 0.12 * rim), scene.warmth)
    canvas.paint(cover, np.asarray(identity.skin, np.float32) * shading * (1.02, 0.93, 0.91), EARS)


def _paint_earring(canvas: Canvas, identity: Identity, side: int) -> None:
    grid, kind = canvas.grid, identity.earrings
    if kind == "none":
        return
    x, y = side * (_ear_x(identity) + 0.006), _EAR_Y + 0.062
    if kind == "hoop":
        ring = np.abs(np.hypot(grid.x - x, (grid.y - y - 0.024) * 0.92) - 0.026) / 0.0062
    elif kind == "drop":
        ring = np.hypot((grid.x - x) / 0.0115, (grid.y - y - 0.020) / 0.026)
    else:
        ring = np.hypot(grid.x - x, grid.y - y) / 0.0115
    cover = np.clip((1 - ring) * grid.pixels_per_crop * 0.008 + 0.5, 0, 1)
    glint = 0.75 + 0.5 * gaussian(grid, x - 0.004, y + 0.004, 0.006, 0.008)
    canvas.paint(
        cover, np.asarray(identity.earring_colour, np.float32) * glint[..., None], EARRINGS
    )


def front_layer(identity: Identity, scene: Scene, grid: Grid) -> Layer:
    """Paint what lies in front of the face: hair and glasses."""
    canvas = Canvas(grid)
    if identity.glasses != "none":
        _paint_glasses(canvas, identity)
    paint_front(canvas, identity, scene)
    return canvas.finish()


def _paint_glasses(canvas: Canvas, identity: Identity) -> None:
    grid = canvas.grid
    frame = np.zeros((grid.size, grid.size), np.uint8)
    lens = np.zeros_like(frame)
    thick = max(1, round(0.0115 * grid.pixels_per_crop))
    power = 2.0 if identity.glasses == "round" else 4.5
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    half_width, half_height = (0.062, 0.058) if power < 3 else (0.069, 0.047)
    shape_x = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / power) * half_width
    shape_y = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** (2 / power) * half_height
    centre_x, centre_y = identity.eye_distance * 1.02, EYES_Y + 0.008
    for side in (-1, 1):
        rim = np.stack([side * centre_x + shape_x, centre_y + shape_y], 1)
        fixed = np.round(grid.pixels(rim) * 16).astype(np.int32)
        cv2.polylines(frame, [fixed], True, 255, thick, cv2.LINE_AA, 4)
        cv2.fillPoly(lens, [fixed], 255, cv2.LINE_AA, 4)
        temple = [
            (side * (centre_x + half_width), centre_y - 0.018),
            (side * identity.cheek_width * 1.01, _EAR_Y - 0.05),
        ]
        cv2.polylines(
            frame,
            [np.round(grid.pixels(np.array(temple)) * 16).astype(np.int32)],
            False,
            255,
            thick,
            cv2.LINE_AA,
            4,
        )
    inner = centre_x - half_width
    bridge = np.stack(
        [
            np.linspace(-inner, inner, 12),
            centre_y - 0.014 - 0.012 * np.cos(np.linspace(-1.5, 1.5, 12)),
        ],
        1,
    )
    cv2.polylines(
        frame,
        [np.round(grid.pixels(bridge) * 16).astype(np.int32)],
        False,
        255,
        thick,
        cv2.LINE_AA,
        4,
    )
    canvas.paint(lens.astype(np.float32) / 255 * 0.06, (0.9, 0.95, 1.0), None)
    glare = (np.abs(grid.x + grid.y * 0.6 - 0.26 - 0.22 * np.sign(grid.x)) < 0.012).astype(
        np.float32
    )
    canvas.paint(grid.blur(glare, 0.004) * lens / 255 * 0.10, (1.0, 1.0, 1.0), None)
    light = 1 + 0.35 * np.clip((EYES_Y - grid.y) / 0.06, -1, 1)
    canvas.paint(frame, np.asarray(identity.glasses_colour, np.float32) * light[..., None], GLASSES)
