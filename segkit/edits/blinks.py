"""Blinks: when the eyes close, by hand or at the rate and rhythm of people who talk."""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Paper: blinks "in a controllable manner", no rate given; ours: 20 per minute, between the 17 of
# people at rest and the 26 of people who talk (Bentivoglio et al. 1997, Movement Disorders 12:1028,
# 150 persons; Doughty 2001, Optom Vis Sci 78:712, finds 10 to 32 in conversation).
BLINKS_PER_MINUTE = 20.0

MAX_BLINKS_PER_MINUTE = 60.0
"""Above, blinks of a third of a second would run into each other."""

# Intervals between blinks are strongly skewed: mean 5.2 s, deviation 3.1 s (Cruz et al. 2011, IOVS
# 52:3419), which a log-normal distribution with this deviation of the logarithm has.
_LOG_DEVIATION = 0.55

# Paper: not given; ours: most blinks close the eye, some stop a little short of it.
_SHALLOWEST = 0.85


@dataclass(frozen=True)
class BlinkSchedule:
    """When the eyes close, and how far.

    Args:
        blinks: pairs of amount in [0, 1] and time in seconds of the deepest point.
        closing_s: time a lid needs to sink; a blink lasts 0.1 to 0.4 s.
        opening_s: time it needs to rise; lids rise more slowly than they fall.
    """

    blinks: tuple[tuple[float, float], ...] = ()
    closing_s: float = 0.12
    opening_s: float = 0.18

    @classmethod
    def parse(cls, texts: Sequence[str]) -> BlinkSchedule:
        """Read ``AMOUNT@SECONDS`` texts, such as ``0.3@2.0``.

        Raises:
            ValueError: another form, an amount outside [0, 1], or a negative time.
        """
        return cls(tuple(_parse_blink(text) for text in texts))

    def __add__(self, other: BlinkSchedule) -> BlinkSchedule:
        """Blink by both schedules, with the lids of the first; the deeper blink wins."""
        return BlinkSchedule((*self.blinks, *other.blinks), self.closing_s, self.opening_s)

    def amount_at(self, time_s: float) -> float:
        """Return how far the eyes are closed at a time, in [0, 1]."""
        first = bisect.bisect_left(self._in_order, (time_s - self.opening_s, 0.0))
        last = bisect.bisect_right(self._in_order, (time_s + self.closing_s, 2.0))
        near = self._in_order[first:last]
        return max((peak * self._profile(time_s - at) for at, peak in near), default=0.0)

    @functools.cached_property
    def _in_order(self) -> list[tuple[float, float]]:
        """Time and amount, sorted, so that an hour of blinks is searched quickly."""
        return sorted((at, peak) for peak, at in self.blinks)

    def _profile(self, since_s: float) -> float:
        """Rise smoothly from 0 to 1 at the blink's own time, and fall back."""
        share = 1 + since_s / self.closing_s if since_s < 0 else 1 - since_s / self.opening_s
        return 0.5 - 0.5 * math.cos(math.pi * min(max(share, 0.0), 1.0))


def automatic_blinks(
    duration_s: float, *, seed: int = 0, rate_per_min: float = BLINKS_PER_MINUTE
) -> BlinkSchedule:
    """Blink as people do: at irregular intervals around a mean rate.

    Args:
        duration_s: length of the talk in seconds. A longer talk with the same seed begins with the
            blinks of the shorter one.
        seed: another seed, other times.
        rate_per_min: mean number of blinks in a minute, above 0 and at most 60.

    Returns:
        Blinks of at least 0.85; no two are nearer than one blink lasts.

    Raises:
        ValueError: a duration below 0 or endless, or a rate out of range.

    Source: Bentivoglio et al. 1997 for the rate, Cruz et al. 2011 for the intervals.
    """
    if not (math.isfinite(duration_s) and duration_s >= 0):
        raise ValueError(f"automatic blinks: expected a duration of 0 s or more, got {duration_s}")
    if not 0 < rate_per_min <= MAX_BLINKS_PER_MINUTE:
        raise ValueError(
            f"automatic blinks: expected a rate above 0 and up to {MAX_BLINKS_PER_MINUTE:g} "
            f"per minute, got {rate_per_min:g}"
        )
    random = np.random.default_rng(seed)
    # The mean of a log-normal distribution lies above the exponential of its mean logarithm.
    log_mean = math.log(60 / rate_per_min) - _LOG_DEVIATION**2 / 2
    shortest_s = BlinkSchedule.closing_s + BlinkSchedule.opening_s
    blinks: list[tuple[float, float]] = []
    # The talk begins somewhere between two blinks.
    time_s = random.uniform() * random.lognormal(log_mean, _LOG_DEVIATION)
    while time_s < duration_s:
        blinks.append((random.uniform(_SHALLOWEST, 1.0), time_s))
        time_s += max(shortest_s, random.lognormal(log_mean, _LOG_DEVIATION))
    return BlinkSchedule(tuple(blinks))


def _parse_blink(text: str) -> tuple[float, float]:
    amount_text, separator, time_text = text.partition("@")
    try:
        amount, time_s = float(amount_text), float(time_text)
    except ValueError:
        separator = ""
        amount = time_s = 0.0
    if not separator:
        raise ValueError(f"blink: expected AMOUNT@SECONDS such as 0.3@2.0, got {text!r}")
    if not 0 <= amount <= 1:
        raise ValueError(
            f"blink {text!r}: expected an amount in 0 (open) .. 1 (closed), got {amount}"
        )
    if not (math.isfinite(time_s) and time_s >= 0):
        raise ValueError(f"blink {text!r}: expected a time of 0 s or later, got {time_s}")
    return amount, time_s
