"""Sets of features that come in pieces and from several processes, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np


class Moments:
    """Mean and scatter of rows that come in pieces, float64; memory does not grow with their count.

    Args:
        dim: width D of a row.

    Source: Chan et al. 1979: parts are merged about their own means, so that a mean far from 0
    costs no digits.
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self.mean = np.zeros(dim)
        self.scatter = np.zeros((dim, dim))

    def add(self, rows: np.ndarray) -> None:
        """Take in ``N D``.

        Raises:
            ValueError: rows of another width, or a number that is not finite.
        """
        rows = np.asarray(rows, np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise ValueError(f"features: expected shape (N, D={len(self.mean)}), got {rows.shape}")
        if not np.isfinite(rows).all():
            raise ValueError("features: expected finite numbers, got NaN or infinity")
        if len(rows) == 0:
            return
        mean = rows.mean(0)
        centred = rows - mean
        self._merge(len(rows), mean, centred.T @ centred)

    def merge(self, other: Moments) -> None:
        """Take in the rows that another instance has seen.

        Raises:
            ValueError: it saw rows of another width.
        """
        if other.mean.shape != self.mean.shape:
            raise ValueError(f"moments: expected width {len(self.mean)}, got {len(other.mean)}")
        if other.count:
            self._merge(other.count, other.mean, other.scatter)

    def _merge(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        total = self.count + count
        step = mean - self.mean
        self.scatter += scatter
        self.scatter += np.outer(step, step * (self.count * count / total))
        self.mean = self.mean + step * (count / total)
        self.count = total

    def covariance(self, ddof: int = 1) -> np.ndarray:
        """Return ``D D``.

        Raises:
            ValueError: fewer than two rows so far.
        """
        if self.count < 2:
            raise ValueError(f"features: expected at least 2 rows, got {self.count}")
        return self.scatter / (self.count - ddof)


class RowSample:
    """At most ``capacity`` rows, chosen by their names alone.

    The rows kept are those whose names have the smallest digests: a uniform choice which does not
    depend on the order of the rows, nor on how they were shared out over processes.

    Args:
        capacity: most rows to keep.
        seed: another seed is another choice.
    """

    def __init__(self, capacity: int, *, seed: int = 0) -> None:
        self.capacity, self.seed = capacity, seed
        self._kept: list[tuple[bytes, np.ndarray]] = []

    def add(self, names: Sequence[str], rows: np.ndarray) -> None:
        """Offer ``N D`` rows under names of their own; kept as they are (float32 stays so)."""
        self._keep(
            [
                (hashlib.blake2b(f"{self.seed}/{name}".encode(), digest_size=16).digest(), row)
                for name, row in zip(names, rows, strict=True)
            ]
        )

    def merge(self, other: RowSample) -> None:
        """Offer what another instance of the same seed has kept."""
        assert (other.capacity, other.seed) == (self.capacity, self.seed)
        self._keep(other._kept)

    def _keep(self, new: list[tuple[bytes, np.ndarray]]) -> None:
        merged = sorted(self._kept + new, key=lambda pair: pair[0])[: self.capacity]
        # A view would keep the whole batch alive.
        self._kept = [(key, row if row.base is None else row.copy()) for key, row in merged]

    def __len__(self) -> int:
        return len(self._kept)

    def rows(self) -> np.ndarray:
        """Return the rows kept, ``N D``, in the order of their digests."""
        return np.stack([row for _, row in self._kept]) if self._kept else np.zeros((0, 0))


class FeatureSet:
    """The moments of all rows, and some of the rows themselves.

    Args:
        dim: width D of a row.
        capacity: most rows to keep.
        seed: of the choice, see `RowSample`.
    """

    def __init__(self, dim: int, *, capacity: int, seed: int = 0) -> None:
        self.moments = Moments(dim)
        self.sample = RowSample(capacity, seed=seed)

    def add(self, names: Sequence[str], rows: np.ndarray) -> None:
        """Take in ``N D`` rows under names of their own.

        Raises:
            ValueError: rows of another width, or a number that is not finite.
        """
        self.moments.add(rows)
        self.sample.add(names, rows)

    def merge(self, other: FeatureSet) -> None:
        """Take in what another instance has seen."""
        self.moments.merge(other.moments)
        self.sample.merge(other.sample)

    @property
    def complete(self) -> bool:
        """Whether every row was kept."""
        return len(self.sample) == self.moments.count
