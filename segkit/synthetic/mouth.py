"""The mouth: lip contours from mouth parameters, and their painting with teeth and tongue."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segkit.synthetic.identity import Identity
from segkit.synthetic.layers import LIP, MOUTH
from segkit.synthetic.template import MOUTH_Y
from segkit.synthetic.visemes import APERTURE, JAW, PRESS, RAISE, ROUND, SPREAD, TONGUE, TUCK

JAW_DROP = 0.062
"""How far the chin falls with the jaw wide open, in crop widths."""

_LIP_DROP = 0.068
_LIP_LIFT = 0.017
_NUM_POINTS = 25
_T = np.linspace(-1, 1, _NUM_POINTS)


@dataclass(frozen=True)
class MouthShape:
    """Contours of one mouth in crop coordinates, each ``25 2`` from the left corner to the right.

    Args:
        upper_outer: upper edge of the upper lip.
        upper_inner: lower edge of the upper lip.
        lower_inner: upper edge of the lower lip.
        lower_outer: lower edge of the lower lip.
        half_width: half the distance between the corners.
        opening: gap between the lips at the middle.
        jaw_drop: how far the lower teeth and the chin have fallen.
        tongue: 0..1, how much of its tip shows.
    """

    upper_outer: np.ndarray
    upper_inner: np.ndarray
    lower_inner: np.ndarray
    lower_outer: np.ndarray
    half_width: float
    opening: float
    jaw_drop: float
    tongue: float

    @property
    def inner(self) -> np.ndarray:
        """Closed contour of the opening: ``50 2``."""
        return np.vstack([self.upper_inner, self.lower_inner[::-1]])

    @property
    def outer(self) -> np.ndarray:
        """Closed contour of the lips: ``50 2``."""
        return np.vstack([self.upper_outer, self.lower_outer[::-1]])


def mouth_shape(identity: Identity, parameters: np.ndarray) -> MouthShape:
    """Shape the lips.

    Args:
        identity: whose.
        parameters: 8 mouth parameters, order of ``visemes.PARAMETERS``.
    """
    aperture, rounding, spread = parameters[APERTURE], parameters[ROUND], parameters[SPREAD]
    tuck, press, lift = parameters[TUCK], parameters[PRESS], parameters[RAISE]
    half = identity.mouth_width * (
        1 + 0.15 * spread * (1 - rounding) - 0.40 * rounding - 0.07 * parameters[JAW] - 0.03 * press
    )
    # A rounded opening is an oval, a wide one has its corners nearly as open as its middle.
    arch = np.clip(1 - np.abs(_T) ** (2.4 - 0.5 * rounding + 0.3 * spread), 0, 1)
    skew = 1 + identity.asymmetry * _T
    down = (
        _LIP_DROP * aperture * (0.35 + 0.65 * min(1.0, parameters[JAW] / max(aperture, 0.05)))
    ) * (1 - 0.75 * tuck)
    up = (_LIP_LIFT * aperture + 0.008 * lift * min(1.0, aperture * 6)) * (
        1 - 0.25 * rounding
    ) + 0.009 * tuck
    seam = (
        (identity.mouth_curve + 0.0035) * (1 - np.abs(_T) ** 1.5)
        - 0.0045 * spread * np.abs(_T) ** 2
        - 0.0015 * np.cos(_T * 6) * (1 - _T**2)
    )
    corner_fall = 0.10 * down
    middle = MOUTH_Y + seam + corner_fall * np.abs(_T) ** 3
    upper_inner = middle - up * arch * skew
    lower_inner = middle + down * arch * skew - 0.003 * tuck * (1 - _T**2)
    lower_inner = np.maximum(lower_inner, upper_inner)
    bow = (
        1
        - identity.cupid_bow * np.exp(-((_T / 0.16) ** 2) / 2)
        + 0.10 * np.exp(-(((np.abs(_T) - 0.26) / 0.13) ** 2) / 2)
    )
    thin = (1 - 0.38 * press) * (1 + 0.16 * rounding) * (1 - 0.10 * aperture - 0.12 * spread)
    upper_thick = identity.upper_lip * thin * bow * (1 - np.abs(_T) ** 1.9) ** 0.85
    lower_thick = identity.lower_lip * thin * (1 - 0.55 * tuck) * (1 - np.abs(_T) ** 2.3) ** 0.9
    x = half * _T

    def contour(y: np.ndarray) -> np.ndarray:
        return np.stack([x, y], 1)

    opening = float((lower_inner - upper_inner)[_NUM_POINTS // 2])
    return MouthShape(
        contour(upper_inner - upper_thick),
        contour(upper_inner),
        contour(lower_inner),
        contour(lower_inner + lower_thick),
        float(half),
        opening,
        float(JAW_DROP * parameters[JAW] * 0.8),
        float(parameters[TONGUE]),
    )


class MouthPainter:
    """Paints the mouth of one person onto a frame.

    Args:
        identity: whose.
        pixels_per_crop: scale of the frame.
        light: horizontal direction of the light, -1..1.
        exposure: brightness of the scene around 1.
    """

    def __init__(
        self, identity: Identity, *, pixels_per_crop: int, light: float, exposure: float
    ) -> None:
        self.scale = pixels_per_crop
        self.light = light
        lips = np.asarray(identity.lip_colour, np.float32) * 255 * exposure
        self.lips = lips
        self.gloss = identity.lip_gloss
        self.teeth = (
            np.array([252, 246, 232], np.float32)
            * identity.teeth_shade
            * min(1.0, 0.25 + 0.75 * exposure)
        )
        self.tongue = np.array([204, 96, 98], np.float32) * exposure
        self.cavity = np.array([62, 20, 22], np.float32) * exposure

    def paint(
        self,
        image: np.ndarray,
        labels: np.ndarray,
        shape: MouthShape,
        contours: dict[str, np.ndarray],
    ) -> None:
        """Paint in place.

        Args:
            image: uint8 ``H W 3``.
            labels: uint8 ``H W``.
            shape: the mouth at rest position, for teeth and tongue.
            contours: ``outer``, ``inner``, ``upper`` (upper lip), ``lower`` (lower lip),
                ``seam``, ``upper_teeth``, ``lower_teeth``, ``tongue`` as pixels ``N 2`` of the
                frame.
        """
        pad = max(4, round(0.03 * self.scale))
        low = np.maximum(0, np.floor(contours["outer"].min(0)).astype(int) - pad)
        high = np.minimum(image.shape[1::-1], np.ceil(contours["outer"].max(0)).astype(int) + pad)
        if (high <= low).any():
            return
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        masks = {name: _fill(points - low, high - low) for name, points in contours.items()}
        patch = image[window].astype(np.float32)
        self._paint_lips(patch, masks, contours, low)
        if shape.opening * self.scale > 0.25:
            inside = self._inside(masks, contours, low, shape)
            _over(patch, inside, masks["inner"])
        seam = np.zeros(masks["inner"].shape, np.uint8)
        line = np.round((contours["seam"] - low) * 16).astype(np.int32)
        cv2.polylines(seam, [line], False, 255, max(1, round(0.004 * self.scale)), cv2.LINE_AA, 4)
        _over(patch, self.lips * (0.38, 0.30, 0.32), seam.astype(np.float32) / 255 * 0.75)
        image[window] = np.clip(patch, 0, 255).astype(np.uint8)
        region = labels[window]
        region[np.maximum(masks["outer"], masks["upper"]) >= 0.5] = LIP
        region[masks["lower"] >= 0.5] = LIP
        if shape.opening * self.scale > 0.8:
            region[masks["inner"] >= 0.5] = MOUTH

    def _paint_lips(
        self,
        patch: np.ndarray,
        masks: dict[str, np.ndarray],
        contours: dict[str, np.ndarray],
        low: np.ndarray,
    ) -> None:
        height, width = masks["outer"].shape
        y, x = np.mgrid[:height, :width].astype(np.float32)
        left, right = contours["outer"][:, 0].min() - low[0], contours["outer"][:, 0].max() - low[0]
        across = (x - (left + right) / 2) / max((right - left) / 2, 1)
        # The upper lip faces down and is darker; the lower one catches the light.
        for name, inner_shade, outer_shade in (("upper", 0.76, 0.97), ("lower", 0.88, 1.06)):
            top, bottom = contours[name][:, 1].min() - low[1], contours[name][:, 1].max() - low[1]
            along = np.clip((y - top) / max(bottom - top, 1), 0, 1)
            inner = along if name == "upper" else 1 - along
            shade = (
                outer_shade
                + (inner_shade - outer_shade) * inner
                - 0.16 * np.abs(across) ** 2
                + 0.10 * across * self.light
            )
            colour = self.lips * shade[..., None]
            if name == "lower":
                glint = np.exp(
                    -(((along - 0.36) / 0.15) ** 2) - ((across - 0.22 * self.light) / 0.34) ** 2
                )
                colour = colour + (110 * self.gloss * glint)[..., None]
            _over(patch, colour, masks[name] * 0.94)

    def _inside(
        self,
        masks: dict[str, np.ndarray],
        contours: dict[str, np.ndarray],
        low: np.ndarray,
        shape: MouthShape,
    ) -> np.ndarray:
        height, width = masks["inner"].shape
        y = np.arange(height, dtype=np.float32)[:, None]
        x = np.arange(width, dtype=np.float32)[None, :]
        inner = contours["inner"] - low
        top, bottom = inner[:, 1].min(), inner[:, 1].max()
        centre, half = (
            (inner[:, 0].min() + inner[:, 0].max()) / 2,
            max((inner[:, 0].max() - inner[:, 0].min()) / 2, 1),
        )
        across = np.clip((x - centre) / half, -1.2, 1.2)
        depth = np.clip((y - top) / max(bottom - top, 1), 0, 1)
        inside = self.cavity * (0.55 + 0.75 * depth * np.ones_like(across))[..., None]
        tongue_light = (0.95 - 0.25 * np.abs(across)) * (0.55 + 0.45 * depth)
        _over(
            inside,
            self.tongue * tongue_light[..., None],
            masks["tongue"] * (0.72 + 0.25 * shape.tongue),
        )
        # Teeth darken into the cheeks and under the lip that shades them.
        tooth_light = (1 - 0.45 * np.abs(across) ** 2.2) * (
            0.80 + 0.20 * np.clip((y - top) / (0.02 * self.scale), 0, 1)
        )
        spacing = 0.0175 * self.scale
        gap = 1 - 0.10 * np.exp(-(((((x - centre) / spacing + 0.5) % 1 - 0.5) / 0.10) ** 2))
        _over(
            inside, self.teeth * (0.86 * tooth_light * gap)[..., None], masks["lower_teeth"] * 0.92
        )
        _over(inside, self.teeth * (tooth_light * gap)[..., None], masks["upper_teeth"])
        return inside


def inside_polygons(identity: Identity, shape: MouthShape) -> dict[str, np.ndarray]:
    """Return teeth and tongue in crop coordinates: they hang from the skull or ride on the jaw."""
    half = identity.mouth_width * 0.74
    t = np.linspace(-1, 1, 15)
    edge = MOUTH_Y + 0.0095 - 0.007 * t**2
    upper = np.vstack(
        [np.stack([half * t, edge], 1), [(half, MOUTH_Y - 0.05), (-half, MOUTH_Y - 0.05)]]
    )
    lower_edge = MOUTH_Y + 0.0085 + shape.jaw_drop - 0.002 * t**2
    lower = np.vstack(
        [
            np.stack([half * 0.86 * t, lower_edge], 1),
            [(half * 0.8, lower_edge[0] + 0.05), (-half * 0.8, lower_edge[0] + 0.05)],
        ]
    )
    tip = MOUTH_Y + 0.013 + shape.jaw_drop * (0.95 - 0.70 * shape.tongue) - 0.006 * shape.tongue
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    tongue = np.stack([half * 0.72 * np.cos(angle), tip + 0.030 + 0.032 * np.sin(angle)], 1)
    return {"upper_teeth": upper, "lower_teeth": lower, "tongue": tongue}


def _fill(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    canvas = np.zeros((int(size[1]), int(size[0])), np.uint8)
    cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255


def _over(patch: np.ndarray, colour: np.ndarray, coverage: np.ndarray) -> None:
    patch += coverage[..., None] * (colour - patch)
