"""Hair: what lies behind the head and what falls in front of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segkit.synthetic.identity import Identity, Scene
from segkit.synthetic.layers import HAIR, Canvas
from segkit.synthetic.relief import CENTRE_Y, Grid, radial, smoothstep


@dataclass(frozen=True)
class _Style:
    """Shape of a style, lengths in crop widths.

    Args:
        volume: thickness over the crown, times the person's own.
        sides: thickness beside the head.
        bottom: how far down it falls.
        window: half-width of the opening for the face, relative to the cheeks.
        wave: how much the outline wanders.
    """

    volume: float
    sides: float
    bottom: float
    window: float
    wave: float


_STYLES = {
    "buzz": _Style(0.25, 0.004, 0.42, 1.00, 0.003),
    "short": _Style(1.0, 0.016, 0.45, 0.97, 0.008),
    "quiff": _Style(1.45, 0.014, 0.44, 0.97, 0.012),
    "receding": _Style(0.5, 0.012, 0.46, 0.98, 0.006),
    "bob": _Style(1.0, 0.038, 0.80, 0.86, 0.005),
    "long": _Style(1.0, 0.036, 1.20, 0.85, 0.006),
    "bun": _Style(0.5, 0.006, 0.42, 0.98, 0.003),
    "curly": _Style(1.6, 0.060, 0.66, 0.90, 0.020),
}


def has_hair(identity: Identity) -> bool:
    """Whether there is anything to paint."""
    return identity.hair_style != "bald"


def _outer(identity: Identity, style: _Style, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Coverage of the whole head of hair, front and back, face not cut out: ``H W`` in [0, 1]."""
    edge = 0.004
    wander = style.wave * (0.6 * grid.noise(rng, 0.09) + 0.5 * grid.noise(rng, 0.03))
    rho = radial(identity, grid)
    distance = (rho - 1) * np.hypot(grid.x, grid.y - CENTRE_Y) / np.maximum(rho, 0.2)
    up = smoothstep(CENTRE_Y - grid.y, -0.02, 0.30)
    thickness = style.sides + (style.volume * identity.hair_thickness - style.sides) * up
    cap = smoothstep(-(distance - thickness - wander), -edge, edge)
    if style.bottom > 0.5:
        # Below the cheeks the face narrows but the hair hangs straight, a little wider towards its
        # ends.
        hang = identity.cheek_width + style.sides + 0.02 * smoothstep(grid.y, 0.5, 0.9) + wander
        curtain = smoothstep(hang - np.abs(grid.x), -edge, edge) * (grid.y > CENTRE_Y)
        cap = np.maximum(cap, curtain)
    ragged = style.bottom + 0.6 * wander + 0.02 * np.abs(grid.x) / 0.3
    return cap * smoothstep(ragged - grid.y, -edge * 2, edge * 2)


def _window(identity: Identity, style: _Style, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """The opening that shows the face: ``H W`` in [0, 1]."""
    ragged = 0.0045 * grid.noise(rng, 0.016) + 0.003 * grid.noise(rng, 0.05)
    half = identity.cheek_width * style.window
    hairline = identity.hairline_y + 0.02 * (identity.hair_style == "bun")
    if identity.hair_style == "receding":
        hairline = hairline - 0.05 * np.exp(-(((np.abs(grid.x) - 0.11) / 0.045) ** 2) / 2) - 0.02
    top = hairline + ragged
    if identity.fringe and style.volume > 0.4:
        # A fringe hangs from the parting and ends in uneven locks.
        locks = 0.010 * np.sin(grid.x * 70 + 5 * identity.parting) + 0.012 * grid.noise(rng, 0.05)
        sweep = 0.12 * np.abs(grid.x - identity.parting)
        top = np.maximum(top, identity.hairline_y + 0.09 * identity.fringe + locks - sweep)
    elif style.bottom > 0.5:
        # Long hair parts in the middle or beside it: the hairline rises towards the parting.
        top = top + 0.10 * smoothstep(np.abs(grid.x - identity.parting), 0.02, 0.26) - 0.015
    y = np.clip((0.50 - grid.y) / np.maximum(0.50 - top, 0.05), 0, 2)
    x = np.abs(grid.x + ragged) / half
    inside = 1 - (x**3.2 + y**3.2)
    if style.bottom < 0.5:
        # Short sides end above the ears, in sideburns.
        sideburn = smoothstep(grid.y, 0.40, 0.44 + 0.05 * (not identity.feminine))
        inside = np.maximum(inside, sideburn * (1.03 - x * style.window) * 3 - 0.1 * (1 - sideburn))
    return smoothstep(inside, -0.03, 0.06)


def _strands(identity: Identity, scene: Scene, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Colour of lit hair: ``H W 3``."""
    rows = 900
    angle = np.arctan2(grid.y - 0.02, (grid.x - identity.parting) * 1.25)
    radius = np.hypot(grid.y - 0.02, grid.x - identity.parting)
    curl = 0.10 if identity.hair_style == "curly" else 0.015
    bend = angle + curl * grid.noise(rng, 0.05) + 0.03 * grid.noise(rng, 0.2)
    fine, coarse = rng.standard_normal(rows), np.repeat(rng.standard_normal(rows // 10), 10)
    coarse = np.convolve(coarse, np.ones(12) / 12, "same")
    position = (bend / np.pi * 0.5 + 0.5) % 1 * (rows - 1)
    index = position.astype(int)
    part = position - index
    lines = [
        line[index] * (1 - part) + line[np.minimum(index + 1, rows - 1)] * part
        for line in (fine, coarse)
    ]
    strand = 1 + 0.10 * lines[0] + 0.26 * lines[1] + 0.05 * grid.noise(rng, 0.008)
    if identity.hair_style in ("curly", "buzz"):
        strand = 1 + 0.14 * grid.noise(rng, 0.012) + 0.16 * grid.noise(rng, 0.03)
    shine_at = 0.13 + 0.02 * lines[1]
    shine = np.exp(-(((radius - shine_at) / 0.05) ** 2) / 2) * np.clip(
        0.6 + 0.8 * scene.light[0] * np.tanh(grid.x / 0.08), 0.1, 1.4
    )
    side = 1 + 0.30 * scene.light[0] * np.clip(grid.x / 0.3, -1, 1)
    falloff = (
        0.88 - 0.22 * smoothstep(np.abs(grid.x), 0.12, 0.32) - 0.14 * smoothstep(grid.y, 0.2, 0.9)
    )
    light = np.clip(strand, 0.4, 1.7) * side * falloff * (0.75 + 0.5 * scene.ambient)
    colour = np.asarray(identity.hair, np.float32) * light[..., None]
    return np.clip(
        colour * (1 + 0.25 * shine[..., None])
        + 0.055 * shine[..., None] * np.clip(strand, 0.5, 1.6)[..., None],
        0,
        1,
    )


def paint_back(
    canvas: Canvas, identity: Identity, scene: Scene, *, bottom: float | None = None
) -> None:
    """Paint the hair behind the head.

    Args:
        canvas: where.
        identity: whose.
        scene: its light.
        bottom: where to cut it off; None lets it fall to its full length.
    """
    if not has_hair(identity):
        return
    grid = canvas.grid
    rng = np.random.default_rng([scene.texture_seed, 2])
    style = _STYLES[identity.hair_style]
    cover = _outer(identity, style, grid, rng)
    if bottom is not None:
        cover = cover * smoothstep(bottom - grid.y, -0.01, 0.02)
    colour = _strands(identity, scene, grid, rng)
    if identity.hair_style == "bun" and bottom is not None:
        knot = np.hypot(grid.x / 0.095, (grid.y - identity.crown_y + 0.025) / 0.062)
        canvas.paint(
            smoothstep(-knot, -1.03, -0.97),
            colour * (1.05 - 0.4 * np.clip(knot, 0, 1.2) ** 2)[..., None],
            HAIR,
        )
    canvas.paint(cover, colour * 0.68, HAIR)


def paint_front(canvas: Canvas, identity: Identity, scene: Scene) -> None:
    """Paint the hair in front of the head."""
    if not has_hair(identity):
        return
    grid = canvas.grid
    rng = np.random.default_rng([scene.texture_seed, 2])
    style = _STYLES[identity.hair_style]
    cover = _outer(identity, style, grid, rng)
    colour = _strands(identity, scene, grid, rng)
    window = _window(identity, style, grid, rng)
    if style.bottom < 0.5:
        cover = cover * smoothstep(0.50 - grid.y, -0.01, 0.02)
    # Locks in front stop above the shoulders; the rest of long hair hangs behind them.
    cover = cover * smoothstep(0.93 - grid.y, -0.02, 0.04)
    strength = 0.82 if identity.hair_style == "buzz" else 1.0
    edge_shadow = 1 - 0.22 * np.exp(-((window - 0.3) ** 2) / 0.08)
    canvas.paint(cover * (1 - window) * strength, colour * edge_shadow[..., None], HAIR)
