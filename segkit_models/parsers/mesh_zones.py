"""Where skin, hair and clothes may be around a face mesh."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segkit.faces.alignment import MOUTH_Y, apply_transform, crop_transform
from segkit.faces.topology import (
    CHIN,
    FACE_OVAL,
    LEFT_BROW,
    LEFT_EYE,
    NOSE_TIP,
    OUTER_LIP,
    RIGHT_BROW,
    RIGHT_EYE,
)

SKIN, HAIR, CLOTH = range(3)
"""Materials of a person's pixels, the first axis of priors and posteriors."""

_EAR_SIDES = ((127, 234, 132, 58, 454), (356, 454, 361, 288, 234))
"""Per side: temple, ear canal, lower cheek, jaw angle, and the ear canal of the other side."""

_JAW = (58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288)
"""The oval's lower part, from jaw angle to jaw angle."""
_MIN_SIDE_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class Zones:
    """Places around one face, all ``H W`` at working size.

    Args:
        prior: ``3 H W`` probability of skin, hair and cloth, given that the pixel is the person's.
        oval: bool, inside the mesh's outline.
        ears: bool, where skin outside the oval may be an ear.
        below: bool, where skin outside the oval is the neck.
        seeds: bool, safely bare skin of the face.
        head: bool, the upper face and what lies around and above it: hair hangs on it.
    """

    prior: np.ndarray
    oval: np.ndarray
    ears: np.ndarray
    below: np.ndarray
    seeds: np.ndarray
    head: np.ndarray


def find_zones(landmarks: np.ndarray, height: int, width: int) -> Zones:
    """Lay out the zones around a face.

    Args:
        landmarks: ``468 2`` in working pixels.
        height: of the working picture.
        width: of the working picture.
    """
    transform = crop_transform(landmarks, 1)
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    u, v = (
        (along * columns + (down * rows + shift)).astype(np.float32)
        for along, down, shift in transform
    )
    # Of one precision with the grid: numpy would do all that follows in the wider one.
    points = apply_transform(transform, landmarks.astype(np.float64)).astype(np.float32)
    unit = float(np.hypot(transform[0, 0], transform[1, 0]))

    oval = _filled(landmarks, [FACE_OVAL], height, width)
    depth = _signed_distance(oval) * unit
    features = _filled(
        landmarks, [LEFT_BROW, RIGHT_BROW, LEFT_EYE, RIGHT_EYE, OUTER_LIP], height, width
    )
    near_features = _signed_distance(features) * unit > -0.025
    brow_line = float(points[list(LEFT_BROW + RIGHT_BROW), 1].mean())

    ears, below = np.zeros_like(oval), v > _jaw_line(points, u)
    prior = np.empty((3, height, width), np.float32)
    prior[SKIN] = np.where(v < brow_line, 0.55 * np.exp(np.minimum(depth, 0) / 0.05), 0.04)
    prior[CLOTH] = 0.002
    for temple, canal, cheek, jaw, other in _EAR_SIDES:
        ear, outward = _ear_zone(points, u, v, temple=temple, canal=canal, cheek=cheek, other=other)
        prior[SKIN] = np.maximum(prior[SKIN], 0.5 * ear)
        if _sees_ear(points, canal, other):
            ears |= (ear > 0.2) & (v < points[jaw, 1])
        # Between ear and neck the jaw's own edge shows a little skin outside the mesh.
        prior[SKIN] = np.maximum(
            prior[SKIN], np.where(outward > 0, 0.35 * np.exp(np.minimum(depth, 0) / 0.02), 0)
        )
    _add_neck(prior, points, u, v, below)
    prior[HAIR] = np.clip(1 - prior[SKIN] - prior[CLOTH], 0.02, 1)
    _add_face(prior, oval, depth, v, brow_line, near_features)
    seeds = oval & (depth > 0.04) & ~near_features & (v < points[CHIN, 1] - 0.06)
    head = (v < MOUTH_Y) & (depth > -0.1)
    return Zones(prior / prior.sum(0), oval, ears & ~oval, below & ~oval, seeds, head)


def _ear_zone(
    points: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    *,
    temple: int,
    canal: int,
    cheek: int,
    other: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return how likely a pixel lies on one ear (0..1), and its way outward from the canal."""
    sign = np.sign(points[canal, 0] - points[other, 0])
    outward = (u - points[canal, 0]) * sign
    top, bottom = points[temple, 1] - 0.05, points[cheek, 1] + 0.05
    along = _step((v - top) / 0.02) * _step((bottom - v) / 0.02)
    return along * _step((outward + 0.04) / 0.01) * _step((0.12 - outward) / 0.02), outward


def _sees_ear(points: np.ndarray, canal: int, other: int) -> bool:
    """A turned head hides its far ear: that side of the face takes up too little of the picture."""
    near, far = (
        abs(points[canal, 0] - points[NOSE_TIP, 0]),
        abs(points[other, 0] - points[NOSE_TIP, 0]),
    )
    return bool(near > _MIN_SIDE_SHARE * (near + far))


def _jaw_line(points: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the height above which, column by column, skin outside the oval is no neck."""
    jaw = points[list(_JAW)]
    order = np.argsort(jaw[:, 0])
    return np.interp(u, jaw[order, 0], jaw[order, 1]).astype(np.float32)


def _add_neck(
    prior: np.ndarray, points: np.ndarray, u: np.ndarray, v: np.ndarray, below: np.ndarray
) -> None:
    chin = points[CHIN]
    half_width = 0.36 * abs(points[454, 0] - points[234, 0])
    column = _step((half_width - np.abs(u - chin[0])) / 0.03)
    under_chin = np.clip((v - chin[1]) / 0.25, 0, 1)
    cloth = np.where(below, 0.05 + 0.5 * np.clip((v - chin[1] + 0.1) / 0.2, 0, 1), 0.002)
    prior[CLOTH] = cloth * (1 - 0.8 * column * (1 - under_chin))
    skin = column * (0.8 - 0.5 * under_chin) + (1 - column) * 0.15
    prior[SKIN] = np.where(below, np.maximum(skin, prior[SKIN] * 0.5), prior[SKIN])
    excess = np.maximum((prior[SKIN] + prior[CLOTH]) / 0.97, 1)
    prior[SKIN] /= excess
    prior[CLOTH] /= excess


def _add_face(
    prior: np.ndarray,
    oval: np.ndarray,
    depth: np.ndarray,
    v: np.ndarray,
    brow_line: float,
    features: np.ndarray,
) -> None:
    """Inside the oval all is skin, but for a fringe and hair hanging over the sides."""
    fringe = np.where(v < brow_line, 0.25, 0.0) * np.exp(-np.maximum(depth, 0) / 0.12)
    sides = 0.35 * np.exp(-np.maximum(depth, 0) / 0.03) * _step((0.62 - v) / 0.05)
    hair = np.where(
        features & (depth > 0.03), 0.001, np.clip(np.maximum(fringe, sides), 0.001, 0.9)
    )
    prior[HAIR] = np.where(oval, hair, prior[HAIR])
    prior[CLOTH] = np.where(oval, 0.001, prior[CLOTH])
    prior[SKIN] = np.where(oval, 1 - prior[HAIR] - prior[CLOTH], prior[SKIN])


def _step(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(value, -20, 20)))


def _filled(
    landmarks: np.ndarray, outlines: list[tuple[int, ...]], height: int, width: int
) -> np.ndarray:
    canvas = np.zeros((height, width), np.uint8)
    for outline in outlines:
        polygon = np.rint((landmarks[list(outline)] - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(canvas, [polygon], 1, shift=4)
    return canvas.astype(bool)


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Return pixels to the mask's border: positive inside, negative outside."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return inside - outside
