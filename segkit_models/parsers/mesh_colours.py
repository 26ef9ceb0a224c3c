"""Colour models of skin, hair and clothes, fitted to each picture by rounds of soft assignment."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from segkit_models.parsers.mesh_zones import CLOTH, HAIR, SKIN, Zones

_BINS = (16, 32, 32)
"""Cells over lightness, a and b: 16, 3 and 3 units wide; stronger colours share the last cell."""
_BLUR = (1.6, 0.9, 0.9)
"""Smoothing of the histograms in cells; wide in lightness, for shadows under chin and hair."""
_ROUNDS = 3
_AGREEMENT = 4.0
_NEIGHBOURHOOD = (9, 9)
_FLOOR = 0.01
"""Likelihood, against the typical one, that every model grants to any colour."""
_MIN_CLOTH = 0.03
"""Share of the picture below which cloth counts as not seen."""


class _Pixels:
    """Every ``step``-th pixel, flat: colour cells, person weight, prior and skin seeds."""

    def __init__(self, image: np.ndarray, person: np.ndarray, zones: Zones, *, step: int) -> None:
        every = (slice(None), slice(None, None, step), slice(None, None, step))
        self.shape = person[every[1:]].shape
        lab = (
            cv2.cvtColor(np.ascontiguousarray(image[every[1:]]), cv2.COLOR_RGB2LAB)
            .reshape(-1, 3)
            .astype(np.int32)
        )
        self.cells = _cells(lab)
        self.person = person[every[1:]].ravel().astype(np.float32)
        self.prior = zones.prior[every].reshape(3, -1)
        self.seeds = zones.seeds[every[1:]].ravel() * self.person
        self._darken_neck(lab[:, 0], zones.below[every[1:]].ravel())

    def _darken_neck(self, lightness: np.ndarray, below: np.ndarray) -> None:
        """Lower the prior of a neck brighter than the face: it lies in the chin's shadow."""
        seeds = self.seeds > 0.5
        if seeds.any():
            excess = (lightness - np.percentile(lightness[seeds], 85)) / 12
            factor = np.clip(1 - excess, 0.02, 1).astype(np.float32)
            self.prior = self.prior.copy()
            self.prior[SKIN] = np.where(below, self.prior[SKIN] * factor, self.prior[SKIN])


class ColourModels:
    """Histograms of skin, hair and cloth in Lab, smoothed; may be carried from frame to frame.

    Args:
        memory: share of the earlier frames in the first guess at the next one; 0 forgets.
    """

    def __init__(self, *, memory: float = 0.0) -> None:
        self.memory = memory
        self._carried: np.ndarray | None = None

    def posteriors(self, image: np.ndarray, person: np.ndarray, zones: Zones) -> np.ndarray:
        """Split a person's pixels into skin, hair and cloth.

        Args:
            image: uint8 RGB ``H W 3`` at working size.
            person: ``H W`` probability that a pixel is the person's.
            zones: of the same size.

        Returns:
            ``3 H W`` float32 that sums to 1 at each pixel.
        """
        fine = _Pixels(image, person, zones, step=1)
        models, message = self._fit(_Pixels(image, person, zones, step=2))
        size = (person.shape[1], person.shape[0])
        message = np.stack([cv2.resize(plane, size) for plane in message]).reshape(3, -1)
        return _split(fine, models, message).reshape(3, *person.shape)

    def _fit(self, pixels: _Pixels) -> tuple[np.ndarray, np.ndarray]:
        """Fit the models; return them and what neighbours argue for, ``3 h w``."""
        cells, places = pixels.cells, pixels.prior**2 * pixels.person
        skin = _histogram(cells, pixels.seeds)
        hair = _histogram(cells, places[HAIR] * (1 - _likeness(skin, cells, pixels.seeds)) ** 2)
        models = self._remembered(_models(skin, hair, cells, pixels.seeds, places))
        message = np.zeros_like(pixels.prior)
        for _ in range(_ROUNDS):
            posterior = _split(pixels, models, message)
            places = posterior * pixels.person
            skin = _histogram(cells, places[SKIN] + pixels.seeds)
            hair = _histogram(cells, places[HAIR])
            models = _models(skin, hair, cells, places[SKIN], places)
            # Neighbours of one material argue for it (the mean-field step of a random field).
            planes = posterior.reshape(3, *pixels.shape)
            blurred = np.stack([cv2.blur(plane, _NEIGHBOURHOOD) for plane in planes])
            message = _AGREEMENT * blurred.reshape(3, -1)
        return models, message.reshape(3, *pixels.shape)

    def _remembered(self, first_guess: np.ndarray) -> np.ndarray:
        """Average the first guesses of the frames so far.

        The fitted models are not carried on: fed back, their errors grow from frame to frame.
        """
        if self._carried is not None:
            first_guess = self.memory * self._carried + (1 - self.memory) * first_guess
        self._carried = first_guess
        return first_guess


def guided_filter(
    guide: np.ndarray, planes: np.ndarray, *, radius: int, epsilon: float
) -> np.ndarray:
    """Smooth planes along the edges of a guide: the guided filter of He et al. 2013.

    Args:
        guide: ``H W`` in [0, 1].
        planes: ``K H W``.
        radius: of the square windows in pixels.
        epsilon: variance of the guide below which a window is averaged flat.

    Returns:
        ``K H W``.
    """
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(plane: np.ndarray) -> np.ndarray:
        return cv2.blur(plane, window, borderType=cv2.BORDER_REFLECT)

    guide_mean = mean(guide)
    variance = mean(guide * guide) - guide_mean**2 + epsilon
    filtered = np.empty_like(planes)
    for index, plane in enumerate(planes):
        plane_mean = mean(plane)
        slope = (mean(guide * plane) - guide_mean * plane_mean) / variance
        filtered[index] = mean(slope) * guide + mean(plane_mean - slope * guide_mean)
    return filtered


def _models(
    skin: np.ndarray,
    hair: np.ndarray,
    cells: np.ndarray,
    skin_places: np.ndarray,
    places: np.ndarray,
) -> np.ndarray:
    """Add the cloth model from what skin and hair leave, or an absent collar would claim hair."""
    unexplained = (1 - _likeness(skin, cells, skin_places)) * (
        1 - _likeness(hair, cells, places[HAIR])
    )
    cloth = _histogram(cells, places[CLOTH] * unexplained**2, min_mass=_MIN_CLOTH * cells.size)
    models = np.empty((3, skin.size), np.float32)
    models[SKIN], models[HAIR], models[CLOTH] = skin, hair, cloth
    return models


def _likeness(model: np.ndarray, cells: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Say how usual each pixel's colour is in a model (0..1), against its typical density."""
    density = model[cells]
    typical = float((density * weights).sum() / max(weights.sum(), 1e-6))
    return density / (density + 0.1 * typical + 1e-12)


def _split(pixels: _Pixels, models: np.ndarray, message: np.ndarray) -> np.ndarray:
    """Weigh place, colour and neighbours: posterior ``3 N``."""
    likelihood = np.take(models, pixels.cells, axis=1)
    likelihood += _FLOOR * likelihood.mean(1).max()
    posterior = pixels.prior * likelihood * np.exp(message)
    return (posterior / posterior.sum(0)).astype(np.float32)


def _cells(lab: np.ndarray) -> np.ndarray:
    lightness = lab[:, 0] >> 4
    a, b = (np.clip((lab[:, k] - 128) // 3 + 16, 0, 31) for k in (1, 2))
    return (lightness * _BINS[1] + a) * _BINS[2] + b


def _histogram(cells: np.ndarray, weights: np.ndarray, *, min_mass: float = 1e-6) -> np.ndarray:
    counts = np.bincount(cells, weights, minlength=int(np.prod(_BINS))).reshape(_BINS)
    counts = counts.astype(np.float32)  # the models' own precision, at half the time
    for size, sigma in zip(_BINS, _BLUR, strict=True):
        # Not by `@`, whose threads take ten times as long where the processor has other work.
        rows = np.ascontiguousarray(counts).reshape(size, -1)
        blurred = np.einsum("ij,jk->ik", _blur_matrix(size, sigma), rows).reshape(counts.shape)
        counts = blurred.transpose(1, 2, 0)  # the next axis first; after three all as before
    flat = counts.reshape(-1)
    return flat / max(float(flat.sum()), min_mass)


@cache
def _blur_matrix(size: int, sigma: float) -> np.ndarray:
    offset = np.arange(size)[:, None] - np.arange(size)
    matrix = np.exp(-0.5 * (offset / sigma) ** 2)
    return (matrix / matrix.sum(0)).astype(np.float32)
