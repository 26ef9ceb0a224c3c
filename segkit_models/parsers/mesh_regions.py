"""Region probabilities of one face: person mask, zones, colours and mesh features put together."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segkit.faces.alignment import crop_transform
from segkit.faces.litert import PERSON_MASK, LiteRTModel
from segkit.regions import SCHEME_12
from segkit.shapes import box_around
from segkit_models.parsers.mesh_colours import ColourModels, guided_filter
from segkit_models.parsers.mesh_features import FEATURES, coverage
from segkit_models.parsers.mesh_zones import CLOTH, HAIR, SKIN, Zones, find_zones

_WORK_SIDE = 256
"""The picture is analysed at the scale where the face crop has this side."""
_PERSON_SIDE = 256
_REACH = (0.85, 0.75, 0.75)
"""How far around the crop's middle the analysis looks sideways, up and down, in crop sides."""

MATERIALS = ("background", "hair", "skin", "ears", "neck")
"""Regions found by place and colour; the others are drawn from the mesh."""
_MATERIAL_LABELS = [SCHEME_12.index(name) for name in MATERIALS]


@dataclass(frozen=True, eq=False)
class Analysis:
    """What place and colour say about one picture, at working size, without the mesh features.

    Args:
        window: left, top, right, bottom of the analysed part of the picture, whole pixels.
        guide: ``h w`` lightness in [0, 1].
        planes: ``5 h w`` probabilities of ``MATERIALS``.
    """

    window: tuple[int, int, int, int]
    guide: np.ndarray
    planes: np.ndarray


class RegionAnalyser:
    """Find hair, skin, ears, neck and background around one face.

    Args:
        memory: share of the colour models kept from the picture before; 0 for unrelated pictures.
    """

    def __init__(self, *, memory: float = 0.0) -> None:
        self._person = LiteRTModel(PERSON_MASK)
        self._memory = memory
        self._colours = ColourModels(memory=memory)

    def reset(self) -> None:
        """Forget the person seen before."""
        self._colours = ColourModels(memory=self._memory)

    def __call__(self, image: np.ndarray, landmarks: np.ndarray) -> Analysis:
        """Analyse a picture around a face.

        Args:
            image: uint8 RGB ``H W 3``.
            landmarks: ``468 2`` pixels.
        """
        window, scale = _window(landmarks, image.shape[0], image.shape[1])
        left, top, right, bottom = window
        width, height = max(round((right - left) * scale), 8), max(round((bottom - top) * scale), 8)
        shrinks = scale < 1
        part = image[top:bottom, left:right]
        work = cv2.resize(
            part, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        )
        factors = np.array([width / (right - left), height / (bottom - top)])
        zones = find_zones((landmarks - (left, top)) * factors, height, width)
        person = self._person_mask(work)
        # Whatever the person mask says, the face itself belongs to the person.
        person = np.maximum(person, 0.995 * zones.oval)
        # Beside the neck the mask leaks into skin-coloured background: only believe it when sure.
        person = np.where(zones.below, np.clip((person - 0.4) / 0.5, 0, 1), person)
        posterior = self._colours.posteriors(work, person, zones)
        guide = cv2.cvtColor(work, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
        planes = _smoothed(guide, np.concatenate([posterior * person, (1 - person)[None]]))
        return Analysis(window, guide, _named(planes, zones))

    def _person_mask(self, work: np.ndarray) -> np.ndarray:
        square = cv2.resize(work, (_PERSON_SIDE, _PERSON_SIDE), interpolation=cv2.INTER_AREA)
        mask = self._person(square[None] / 255.0)[0][0, :, :, 0]
        return cv2.resize(mask, (work.shape[1], work.shape[0]), interpolation=cv2.INTER_LINEAR)


def compose(image: np.ndarray, landmarks: np.ndarray, analysis: Analysis) -> np.ndarray:
    """Bring an analysis to the picture's own size and draw the mesh features over it.

    Args:
        image: uint8 RGB ``H W 3``.
        landmarks: ``468 2`` pixels.
        analysis: of this picture.

    Returns:
        Probabilities ``12 H W`` float32 of the 12-class scheme, summing to 1.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = analysis.window
    size = (right - left, bottom - top)
    result = np.zeros((len(SCHEME_12), height, width), np.float32)
    result[0] = 1
    planes = np.stack(
        [cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in analysis.planes]
    )
    result[_MATERIAL_LABELS, top:bottom, left:right] = planes
    for name, outlines in FEATURES:
        drawn = coverage(landmarks, outlines, height, width)
        rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
        if rows.size == 0:
            continue
        down, across = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        result[:, down, across] *= 1 - drawn[down, across]
        result[SCHEME_12.index(name), down, across] += drawn[down, across]
    return result


def label(image: np.ndarray, landmarks: np.ndarray, analysis: Analysis) -> np.ndarray:
    """Return the likeliest label of each pixel: the index of `compose`'s largest probability.

    Made without the planes, most of which would be empty.

    Args:
        image: uint8 RGB ``H W 3``.
        landmarks: ``468 2`` pixels.
        analysis: of this picture.

    Returns:
        ``H W`` uint8.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = analysis.window
    labels = np.zeros((height, width), np.uint8)
    highest = np.ones((height, width), np.float32)
    inside = slice(top, bottom), slice(left, right)
    highest[inside], labels[inside] = _likeliest(analysis.planes, (right - left, bottom - top))
    for name, outlines in FEATURES:
        drawn = coverage(landmarks, outlines, height, width)
        box = box_around(drawn > 0, 0)
        if box is None:
            continue
        of, here, before = SCHEME_12.index(name), drawn[box], labels[box]
        below = highest[box] * (1 - here)
        covers = (here > below) | ((here == below) & (of < before))
        labels[box] = np.where(covers, np.uint8(of), before)
        highest[box] = np.where(covers, here, below)
    return labels


def _likeliest(planes: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Bring planes of ``MATERIALS`` to a size; return the highest there and its label."""
    highest, labels = np.zeros(size[::-1], np.float32), np.zeros(size[::-1], np.uint8)
    for of, plane in sorted(zip(_MATERIAL_LABELS, planes, strict=True), key=lambda pair: pair[0]):
        large = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
        labels[large > highest] = of
        np.maximum(highest, large, out=highest)
    return highest, labels


def _window(
    landmarks: np.ndarray, height: int, width: int
) -> tuple[tuple[int, int, int, int], float]:
    """Choose the part of the picture to analyse, and the scale that makes it working size."""
    transform = crop_transform(landmarks, 1)
    side = 1 / float(np.hypot(transform[0, 0], transform[1, 0]))
    middle = np.linalg.solve(transform[:, :2], 0.5 - transform[:, 2])
    sideways, up, down = (reach * side for reach in _REACH)
    left, top = (
        int(np.clip(middle[0] - sideways, 0, width - 1)),
        int(np.clip(middle[1] - up, 0, height - 1)),
    )
    right = int(np.clip(np.ceil(middle[0] + sideways), left + 1, width))
    bottom = int(np.clip(np.ceil(middle[1] + down), top + 1, height))
    return (left, top, right, bottom), _WORK_SIDE / side


def _smoothed(guide: np.ndarray, planes: np.ndarray) -> np.ndarray:
    smooth = np.clip(guided_filter(guide, planes, radius=3, epsilon=4e-4), 1e-4, 1)
    return smooth / smooth.sum(0)


def _named(planes: np.ndarray, zones: Zones) -> np.ndarray:
    """Call skin outside the oval ear, neck or face by its place; clothes join the background."""
    planes = planes.copy()
    _fill_islands(planes)
    hair, skin, background = planes[HAIR], planes[SKIN], planes[3] + planes[CLOTH]
    is_ear = zones.ears & ~zones.below
    neck, ears = skin * zones.below, skin * is_ear
    for plane, anchor in ((hair, zones.head), (neck, zones.oval)):
        # A dark collar is no hair, a hand no neck: what hangs on nothing joins the background.
        stray = ~_connected(plane > 0.4, anchor)
        background[stray] += plane[stray]
        plane[stray] = 0
    return np.stack([background, hair, skin * ~(is_ear | zones.below), ears, neck])


def _fill_islands(planes: np.ndarray) -> None:
    """Give cloth that does not reach the lower border to hair and skin: it is a shadow."""
    cloth = planes[CLOTH] > 0.4
    border = np.zeros_like(cloth)
    border[-2:] = True
    island = cloth & ~_connected(cloth, border)
    share = planes[CLOTH][island] / np.maximum(planes[SKIN][island] + planes[HAIR][island], 1e-6)
    planes[SKIN][island] *= 1 + share
    planes[HAIR][island] *= 1 + share
    planes[CLOTH][island] = 0


def _connected(mask: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Return where a mask is false, or belongs to a connected piece that touches the anchor."""
    count, pieces = cv2.connectedComponents((mask | anchor).astype(np.uint8), connectivity=4)
    held = np.zeros(count, bool)
    held[np.unique(pieces[anchor])] = True
    held[0] = True
    return held[pieces]
