"""Means over frames or clips that can be merged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Reduction = Literal["frame", "video"]


@dataclass(frozen=True)
class Mean:
    """A mean that can be merged with others.

    Attributes:
        sum: of the finite values.
        n: number of finite values.
        infinite: number of infinite values (PSNR of equal frames), which enter no mean.
    """

    sum: float
    n: int
    infinite: int = 0

    @classmethod
    def of(cls, values: np.ndarray | float) -> Mean:
        """Take the mean of values of any shape; NaN (not measured) counts as absent."""
        array = np.atleast_1d(np.asarray(values, np.float64))
        finite = array[np.isfinite(array)]
        return cls(float(finite.sum()), len(finite), int(np.isinf(array).sum()))

    @property
    def value(self) -> float:
        """The mean; infinite if every value is, NaN without values."""
        if self.n:
            return self.sum / self.n
        return math.inf if self.infinite else math.nan

    @classmethod
    def merge(cls, means: Sequence[Mean], reduce: Reduction) -> Mean:
        """Average over frames (``"frame"``), or the clips' own means (``"video"``)."""
        if reduce == "video":
            return cls.of(np.array([mean.value for mean in means]))
        return cls(
            sum(mean.sum for mean in means),
            sum(mean.n for mean in means),
            sum(mean.infinite for mean in means),
        )
