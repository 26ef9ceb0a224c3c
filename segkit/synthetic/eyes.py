"""The eyes: lids, iris and lashes, painted onto a frame."""

from __future__ import annotations

import cv2
import numpy as np

from segkit.synthetic.identity import Identity
from segkit.synthetic.layers import EYES
from segkit.synthetic.template import EYES_Y

_T = np.linspace(-1, 1, 19)


def eye_contours(identity: Identity, side: int, closed: float) -> tuple[np.ndarray, np.ndarray]:
    """Shape one eye.

    Args:
        identity: whose.
        side: -1 the left of the picture, 1 the right.
        closed: 0 open .. 1 shut.

    Returns:
        Edges of the upper and the lower lid in crop coordinates, ``19 2`` each, from the inner
        corner to the outer.
    """
    x = identity.eye_distance + identity.eye_width * _T
    base = EYES_Y - identity.eye_tilt * identity.eye_width * _T
    upper = base - identity.eye_height * 0.98 * (1 - np.abs(_T + 0.10 * (1 - _T**2)) ** 2.2)
    lower = base + identity.eye_height * 0.72 * (1 - np.abs(_T - 0.08 * (1 - _T**2)) ** 2.6)
    shut = base + identity.eye_height * 0.55 * (1 - _T**2)
    upper, lower = upper + (shut - upper) * closed, lower + (shut - lower) * closed
    return np.stack([side * x, upper], 1), np.stack([side * x, np.maximum(lower, upper)], 1)


class EyePainter:
    """Paints the eyes of one person onto a frame.

    Args:
        identity: whose.
        pixels_per_crop: scale of the frame.
        exposure: brightness of the scene around 1.
    """

    def __init__(self, identity: Identity, *, pixels_per_crop: int, exposure: float) -> None:
        self.scale = pixels_per_crop
        self.radius = 0.0225 * pixels_per_crop
        self.iris = np.asarray(identity.eye_colour) * 255
        self.white = np.array([238, 232, 228]) * min(1.0, 0.35 + 0.65 * exposure)
        self.lid = np.asarray(identity.skin) * (0.52, 0.42, 0.40) * 255 * exposure
        self.lash = np.minimum(np.asarray(identity.hair), 0.3) * 0.5 * 255
        self.lashes = identity.lashes

    def paint(
        self,
        image: np.ndarray,
        labels: np.ndarray,
        upper: np.ndarray,
        lower: np.ndarray,
        iris: np.ndarray,
    ) -> None:
        """Paint one eye in place.

        Args:
            image: uint8 ``H W 3``.
            labels: uint8 ``H W``.
            upper: pixels of the upper lid's edge ``N 2``.
            lower: pixels of the lower lid's edge ``N 2``.
            iris: pixel of the iris' centre.
        """
        outline = np.vstack([upper, lower[::-1]])
        pad = max(4, round(0.03 * self.scale))
        low = np.maximum(0, np.floor(outline.min(0)).astype(int) - pad)
        high = np.minimum(image.shape[1::-1], np.ceil(outline.max(0)).astype(int) + pad)
        if (high <= low).any():
            return
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        shape = (high[1] - low[1], high[0] - low[0])
        opening = np.zeros(shape, np.uint8)
        cv2.fillPoly(opening, [_fixed(outline - low)], 255, cv2.LINE_AA, 4)
        patch = image[window].astype(np.float32)
        ball = self._ball(shape, (upper - low)[:, 1].min(), iris - low)
        cover = opening[..., None].astype(np.float32) / 255
        patch += cover * (ball - patch)
        crease = np.zeros(shape, np.uint8)
        lift = np.array([0, -0.011 * self.scale])
        cv2.polylines(
            crease,
            [_fixed(upper[2:-1] - low + lift)],
            False,
            255,
            max(1, round(0.0035 * self.scale)),
            cv2.LINE_AA,
            4,
        )
        patch += crease[..., None] / np.float32(255) * 0.45 * (self.lid - patch)
        line = np.zeros(shape, np.uint8)
        thick = max(1, round((0.0045 + 0.0045 * self.lashes) * self.scale))
        cv2.polylines(line, [_fixed(upper - low)], False, 255, thick, cv2.LINE_AA, 4)
        patch += (
            line[..., None] / np.float32(255) * (0.6 + 0.35 * self.lashes) * (self.lash - patch)
        )
        line[:] = 0
        cv2.polylines(
            line,
            [_fixed(lower - low)],
            False,
            255,
            max(1, round(0.003 * self.scale)),
            cv2.LINE_AA,
            4,
        )
        patch += line[..., None] / np.float32(255) * 0.4 * (self.lid - patch)
        image[window] = np.clip(patch, 0, 255).astype(np.uint8)
        # Shut lids leave a line of eye in the picture, but no region.
        if (lower - upper)[:, 1].max() > 1:
            labels[window][opening >= 128] = EYES

    def _ball(self, shape: tuple[int, int], top: float, iris: np.ndarray) -> np.ndarray:
        y, x = np.ogrid[: shape[0], : shape[1]]
        distance = np.hypot(x - iris[0], y - iris[1]) / self.radius
        # The upper lid shades the ball.
        shade = 0.66 + 0.34 * np.clip((y - top) / (0.016 * self.scale), 0, 1)
        edge = 1.6 / self.radius
        ball = np.broadcast_to(self.white, (*shape, 3)) * np.ones((*shape, 1))
        rim = np.clip((1 - distance) / edge + 0.5, 0, 1)[..., None]
        tone = (0.55 + 0.65 * np.clip(1 - distance, 0, 1) ** 0.6 + 0.15 * (y > iris[1]))[..., None]
        tone = np.where(distance[..., None] > 0.84, 0.5, tone)
        ball = ball + rim * (self.iris * tone - ball)
        ball = ball + np.clip((0.42 - distance) / edge + 0.5, 0, 1)[..., None] * (
            np.array([12, 10, 10]) - ball
        )
        ball = ball * shade[..., None]
        glint = (
            np.hypot(x - iris[0] + 0.34 * self.radius, y - iris[1] + 0.38 * self.radius)
            / self.radius
        )
        ball = ball + np.clip((0.24 - glint) / edge + 0.5, 0, 1)[..., None] * 0.9 * (250 - ball)
        return ball.astype(np.float32)


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(points * 16).astype(np.int32)
