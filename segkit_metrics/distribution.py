"""Distances of two sets of features: Frechet and kernel."""

from __future__ import annotations

import numpy as np

from segkit_metrics.feature_sets import FeatureSet, Moments

_BLOCK = 1024
"""Rows whose kernel is held at once."""


def frechet_distance(
    mean_1: np.ndarray, covariance_1: np.ndarray, mean_2: np.ndarray, covariance_2: np.ndarray
) -> float:
    """Return the Frechet distance of two normal distributions, never below 0.

    Args:
        mean_1: ``D``.
        covariance_1: ``D D``, symmetric.
        mean_2: ``D``.
        covariance_2: ``D D``, symmetric.

    Raises:
        ValueError: shapes do not fit, or a number is not finite.

    Source:
        Heusel et al. 2017. The trace of the root comes from symmetric eigenvalues, which stay real
        where ``scipy.linalg.sqrtm`` does not; float64 throughout.

    Example:
        >>> one, two = (np.array([1.5]), np.array([[4.0]])), (np.array([0.2]), np.array([[9.0]]))
        >>> round(frechet_distance(*one, *two), 12)
        2.69
    """
    given = (mean_1, covariance_1, mean_2, covariance_2)
    m1, s1, m2, s2 = (np.asarray(array, np.float64) for array in given)
    dim = m1.shape[0] if m1.ndim == 1 else 0
    if dim == 0 or m2.shape != (dim,) or s1.shape != (dim, dim) or s2.shape != (dim, dim):
        raise ValueError(
            "moments: expected means (D,) and covariances (D, D), got "
            + ", ".join(str(array.shape) for array in (m1, s1, m2, s2))
        )
    for name, array in (("means", m1), ("means", m2), ("covariances", s1), ("covariances", s2)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    if np.array_equal(m1, m2) and np.array_equal(s1, s2):
        return 0.0  # the roots below would leave 1e-5
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ s2 @ root).clip(0)).sum()
    distance = ((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * overlap
    return float(max(distance, 0.0))


def frechet_from_features(x: np.ndarray, y: np.ndarray, *, ddof: int = 1) -> float:
    """Return the Frechet distance of the normal distributions fitted to two sets.

    Args:
        x: ``N D``, N >= 2.
        y: ``M D``, M >= 2.
        ddof: 1 divides the covariance by N - 1 as ``np.cov``, 0 by N.

    Raises:
        ValueError: too few rows, widths that differ, or a number that is not finite.

    Source:
        With fewer rows than D the covariances are singular. Then the trace of the root is the
        nuclear norm of ``X Y^T`` over the centred rows, exact, and equal sets give exactly 0.
    """
    x, y = _checked_rows(x, y)
    dim = x.shape[1]
    if min(len(x), len(y)) >= dim:
        first, second = Moments(dim), Moments(dim)
        first.add(x)
        second.add(y)
        return frechet_distance(
            first.mean, first.covariance(ddof), second.mean, second.covariance(ddof)
        )
    if np.array_equal(x, y):
        return 0.0
    xc, yc = x - x.mean(0), y - y.mean(0)
    shares = len(x) - ddof, len(y) - ddof
    # A triangle of D rows has the same products as more rows than D.
    xc, yc = (np.asarray(np.linalg.qr(c, mode="r")) if len(c) > dim else c for c in (xc, yc))
    overlap = np.linalg.norm(xc @ yc.T, "nuc")
    distance = ((x.mean(0) - y.mean(0)) ** 2).sum()
    distance += (xc**2).sum() / shares[0] + (yc**2).sum() / shares[1]
    return float(max(distance - 2 * overlap / np.sqrt(shares[0] * shares[1]), 0.0))


def kernel_distance(
    x: np.ndarray,
    y: np.ndarray,
    *,
    num_subsets: int | None = None,
    subset_size: int = 1000,
    generator: np.random.Generator | None = None,
) -> float:
    """Return the unbiased squared maximum mean discrepancy; it may fall below 0.

    Args:
        x: ``N D``, N >= 2.
        y: ``M D``, M >= 2.
        num_subsets: average over that many random subsets; all rows at once when not given.
        subset_size: rows of each subset, fewer where a set has fewer.
        generator: of the subsets; seeded with 0 when not given.

    Raises:
        ValueError: too few rows, widths that differ, a number that is not finite, or no subsets.

    Source:
        Binkowski et al. 2018 (KID), kernel ``(x y / D + 1)^3``; tables print it times 1000.
    """
    x, y = _checked_rows(x, y)
    if num_subsets is None:
        return _unbiased(x, y)
    if num_subsets < 1 or subset_size < 2:
        raise ValueError(
            f"subsets: expected 1 or more of 2 or more rows, got {num_subsets} of {subset_size}"
        )
    generator = generator or np.random.default_rng(0)
    size = min(subset_size, len(x), len(y))

    def some(rows: np.ndarray) -> np.ndarray:
        return rows[generator.choice(len(rows), size, replace=False)]

    return float(np.mean([_unbiased(some(x), some(y)) for _ in range(num_subsets)]))


def frechet_of_sets(one: FeatureSet, other: FeatureSet, *, ddof: int = 1) -> float:
    """Return the Frechet distance of two streamed sets.

    Exact from the rows where there are fewer than D and all were kept, else from the moments.

    Args:
        one: of at least 2 rows.
        other: of at least 2 rows and the same width.
        ddof: see `frechet_from_features`.

    Raises:
        ValueError: too few rows.
    """
    few = min(one.moments.count, other.moments.count) < len(one.moments.mean)
    if few and one.complete and other.complete:
        return frechet_from_features(one.sample.rows(), other.sample.rows(), ddof=ddof)
    first, second = one.moments, other.moments
    return frechet_distance(
        first.mean, first.covariance(ddof), second.mean, second.covariance(ddof)
    )


def _checked_rows(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or x.shape[1] == 0:
        raise ValueError(f"features: expected (N, D) and (M, D), got {x.shape} and {y.shape}")
    if min(len(x), len(y)) < 2:
        raise ValueError(
            f"features: expected at least 2 rows in each set, got {len(x)} and {len(y)}"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("features: expected finite numbers, got NaN or infinity")
    return x, y


def _unbiased(x: np.ndarray, y: np.ndarray) -> float:
    n, m = len(x), len(y)
    # A row beside itself is no pair of two samples.
    within_x = (_kernel_sum(x, x) - _kernel_diagonal(x)) / (n * (n - 1))
    within_y = (_kernel_sum(y, y) - _kernel_diagonal(y)) / (m * (m - 1))
    return float(within_x + within_y - 2 * _kernel_sum(x, y) / (n * m))


def _kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    blocks = (x[start : start + _BLOCK] for start in range(0, len(x), _BLOCK))
    return float(sum(((block @ y.T / x.shape[1] + 1) ** 3).sum() for block in blocks))


def _kernel_diagonal(x: np.ndarray) -> float:
    return float((((x**2).sum(1) / x.shape[1] + 1) ** 3).sum())
