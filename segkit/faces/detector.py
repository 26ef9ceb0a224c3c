"""Find faces: BlazeFace on the whole picture, then on ever smaller tiles until something shows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from segkit.faces.litert import FACE_DETECTOR, LiteRTModel

_INPUT_SIZE = 128
_GRIDS = ((16, 2), (8, 6))
"""Cells per side and anchors per cell of the two output layers."""


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """One face found in a picture.

    Args:
        box: left, top, right, bottom in pixels; may reach past the picture.
        score: confidence in [0, 1].
        keypoints: ``6 2`` pixels: the picture's left eye, right eye, nose tip, mouth, left ear,
            right ear.
    """

    box: tuple[float, float, float, float]
    score: float
    keypoints: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """Middle of the box, x then y."""
        left, top, right, bottom = self.box
        return np.array([(left + right) / 2, (top + bottom) / 2])

    @property
    def size(self) -> float:
        """Longer side of the box in pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


class FaceDetector:
    """Detect faces with MediaPipe's short-range BlazeFace, several per picture.

    The model misses faces that are small in its 128-pixel view. When the whole picture shows none,
    it looks again with a margin around the picture (faces that overfill it), then at overlapping
    square tiles of half the side each time.

    Args:
        min_score: confidence below which a detection is dropped.
        max_tile_levels: how often the tiles are halved; 0 looks at the whole picture only.
    """

    def __init__(self, *, min_score: float = 0.5, max_tile_levels: int = 3) -> None:
        self.min_score = min_score
        self.max_tile_levels = max_tile_levels
        self._model = LiteRTModel(FACE_DETECTOR)
        self._anchors = _anchors()

    def detect(
        self, image: np.ndarray, *, search_tiles: bool = True, everywhere: bool = False
    ) -> list[DetectedFace]:
        """Find the faces of a picture.

        Args:
            image: uint8 RGB ``H W 3``.
            search_tiles: look at tiles when the whole picture shows no face; off costs one model
                run.
            everywhere: look at tiles even where the whole picture shows a face: smaller ones may
                stand beside it.

        Returns:
            Faces sorted from left to right; empty when there are none.

        Raises:
            ValueError: the image is not uint8 ``H W 3``.
        """
        check_image(image)
        found: list[DetectedFace] = []
        for windows in self._levels(image.shape[0], image.shape[1], search_tiles):
            found += [face for window in windows for face in self._detect_in(image, window)]
            if found and not everywhere:
                break
        return sorted(_merge_overlapping(found), key=lambda face: face.centre[0])

    def detect_near(self, image: np.ndarray, centre: np.ndarray, side: float) -> list[DetectedFace]:
        """Find faces inside one square window: cheap and sharp when the place is roughly known.

        Args:
            image: uint8 RGB ``H W 3``.
            centre: of the window, x then y, pixels.
            side: of the window in pixels; about three times the face's size works best.
        """
        window = (float(centre[0] - side / 2), float(centre[1] - side / 2), float(side))
        return _merge_overlapping(self._detect_in(image, window))

    def describe_search(self, height: int, width: int) -> str:
        """Tell in words where ``detect`` looks in a picture of this size."""
        levels = list(self._levels(height, width, True))
        smallest = levels[-1][0][2]
        num_tiles = sum(len(windows) for windows in levels[2:])
        return (
            f"the whole {width}x{height} picture and {num_tiles} overlapping tiles down to "
            f"{smallest:.0f} px (faces of about {0.12 * smallest:.0f} px and more, "
            f"score >= {self.min_score:g})"
        )

    def _levels(
        self, height: int, width: int, tiles: bool
    ) -> Iterator[list[tuple[float, float, float]]]:
        longer, shorter = max(height, width), min(height, width)
        yield [_centred(height, width, longer)]
        if not tiles:
            return
        yield [_centred(height, width, 1.6 * longer)]
        side = shorter if longer > 1.3 * shorter else shorter / 2
        for _ in range(self.max_tile_levels):
            # A tile below the model's own input size only magnifies pixels.
            if side < _INPUT_SIZE / 2:
                return
            yield _tiles(height, width, side)
            side /= 2

    def _detect_in(
        self, image: np.ndarray, window: tuple[float, float, float]
    ) -> list[DetectedFace]:
        left, top, side = window
        regressors, logits = self._model(_view(image, left, top, side)[None] / 127.5 - 1.0)
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0].astype(np.float64), -60, 60)))
        kept = np.flatnonzero(scores >= self.min_score)
        if kept.size == 0:
            return []
        values = regressors[0, kept].reshape(-1, 8, 2).astype(np.float64) / _INPUT_SIZE
        values[:, 0] += self._anchors[kept]
        values[:, 2:] += self._anchors[kept, None]
        corner = np.array([left, top])
        centre, half = values[:, 0] * side + corner, values[:, 1] * side / 2
        boxes = np.concatenate([centre - half, centre + half], 1)
        keypoints = values[:, 2:] * side + corner
        return _non_max_suppression(boxes, scores[kept], keypoints)


def check_image(image: np.ndarray) -> None:
    """Refuse anything but a uint8 RGB picture.

    Raises:
        ValueError: telling what came.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"image: expected uint8 (H, W, 3), got {image.dtype} {image.shape}; "
            "convert it to RGB first"
        )


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return intersection over union of box ``4`` with boxes ``K 4``: left, top, right, bottom."""
    shared = np.minimum(first[2:], second[:, 2:]) - np.maximum(first[:2], second[:, :2])
    intersection = np.clip(shared, 0, None).prod(1)
    union = (first[2:] - first[:2]).prod() + (second[:, 2:] - second[:, :2]).prod(1) - intersection
    return intersection / np.maximum(union, 1e-9)


def _anchors() -> np.ndarray:
    layers = []
    for cells, per_cell in _GRIDS:
        along = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(along, along), -1).reshape(-1, 2)
        layers.append(np.repeat(grid, per_cell, axis=0))
    return np.concatenate(layers)


def _centred(height: int, width: int, side: float) -> tuple[float, float, float]:
    return ((width - side) / 2, (height - side) / 2, side)


def _tiles(height: int, width: int, side: float) -> list[tuple[float, float, float]]:
    """Cover the picture with squares overlapping by half: each face lies well inside one."""
    columns = max(1, math.ceil((width - side) / (side / 2)) + 1)
    rows = max(1, math.ceil((height - side) / (side / 2)) + 1)
    lefts = np.linspace(0, max(width - side, 0), columns)
    tops = np.linspace(0, max(height - side, 0), rows)
    return [(float(left), float(top), float(side)) for top in tops for left in lefts]


def _view(image: np.ndarray, left: float, top: float, side: float) -> np.ndarray:
    """Cut a square window, black beyond the picture, at the model's input size."""
    height, width = image.shape[:2]
    x0, y0 = math.floor(left), math.floor(top)
    x1, y1 = math.ceil(left + side), math.ceil(top + side)
    inside = image[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    scale = _INPUT_SIZE / side
    columns = [round((max(x0, 0) - left) * scale), round((min(x1, width) - left) * scale)]
    rows = [round((max(y0, 0) - top) * scale), round((min(y1, height) - top) * scale)]
    columns, rows = (
        np.clip(columns, 0, _INPUT_SIZE).tolist(),
        np.clip(rows, 0, _INPUT_SIZE).tolist(),
    )
    view = np.zeros((_INPUT_SIZE, _INPUT_SIZE, 3), np.uint8)
    if inside.size and columns[1] > columns[0] and rows[1] > rows[0]:
        size = (columns[1] - columns[0], rows[1] - rows[0])
        view[rows[0] : rows[1], columns[0] : columns[1]] = cv2.resize(
            inside, size, interpolation=cv2.INTER_AREA
        )
    return view


def _non_max_suppression(
    boxes: np.ndarray, scores: np.ndarray, keypoints: np.ndarray, min_overlap: float = 0.3
) -> list[DetectedFace]:
    """Average each cluster of overlapping boxes by score: steadier than keeping the best one."""
    faces = []
    order = np.argsort(-scores)
    while order.size:
        together = overlap(boxes[order[0]], boxes[order]) >= min_overlap
        together[0] = True
        members = order[together]
        weights = scores[members] / scores[members].sum()
        left, top, right, bottom = (float(value) for value in weights @ boxes[members])
        points = np.einsum("k,kpc->pc", weights, keypoints[members]).astype(np.float32)
        faces.append(DetectedFace((left, top, right, bottom), float(scores[members[0]]), points))
        order = order[~together]
    return faces


def _merge_overlapping(faces: list[DetectedFace]) -> list[DetectedFace]:
    """Keep the most confident of the copies that several tiles found of one face."""
    kept: list[DetectedFace] = []
    for face in sorted(faces, key=lambda face: -face.score):
        others = np.array([other.box for other in kept]).reshape(-1, 4)
        if not (overlap(np.array(face.box), others) > 0.3).any():
            kept.append(face)
    return kept
