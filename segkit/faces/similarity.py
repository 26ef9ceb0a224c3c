"""Similarity transforms of the plane, ``2 3`` each: fit, apply, invert and compose them."""

from __future__ import annotations

import numpy as np


def fit_similarity(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Find the rotation, scale and shift that best lead one point set to another, in closed form.

    Args:
        source: ``... K 2``.
        target: ``... K 2``.
        weights: ``K``, larger pulls harder; all one by default.

    Returns:
        ``... 2 3`` float64, least squares, without reflection.

    Source: Umeyama 1991, in two dimensions, where the rotation needs no SVD.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    share = np.ones(source.shape[-2]) if weights is None else np.asarray(weights, np.float64)
    share = (share / share.sum())[:, None]
    source_mean, target_mean = (source * share).sum(-2), (target * share).sum(-2)
    p, q = source - source_mean[..., None, :], target - target_mean[..., None, :]
    spread = np.maximum((share * p * p).sum((-1, -2)), 1e-12)
    cosine = (share * p * q).sum((-1, -2)) / spread
    sine = (share[:, 0] * (p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0])).sum(-1) / spread
    linear = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
    shift = target_mean - np.einsum("...ij,...j->...i", linear, source_mean)
    return np.concatenate([linear, shift[..., None]], -1)


def apply_transform(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Move points ``... K 2`` by transforms ``... 2 3``."""
    return np.einsum("...ij,...kj->...ki", transform[..., :2], points) + transform[..., None, :, 2]


def invert_transform(transform: np.ndarray) -> np.ndarray:
    """Return the transforms ``... 2 3`` that lead back."""
    linear = np.linalg.inv(transform[..., :2])
    return np.concatenate([linear, -linear @ transform[..., 2:]], -1)


def compose_transforms(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the transforms ``... 2 3`` that apply ``inner`` first, then ``outer``."""
    linear = outer[..., :2] @ inner[..., :2]
    return np.concatenate([linear, outer[..., :2] @ inner[..., 2:] + outer[..., 2:]], -1)
