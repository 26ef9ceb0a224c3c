"""Mouth motion from phones: dominance-blended visemes sampled at the middle of every frame.

Frame ``k`` shows the mouth at ``(k + 0.5) / 25`` s, the middle of its 640 samples, which is also
where the mel window
of frame ``k`` is centred.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segkit.contracts import FPS
from segkit.synthetic.visemes import (
    APERTURE,
    BILABIALS,
    JAW,
    LABIODENTALS,
    PARAMETERS,
    PRESS,
    RAISE,
    REST,
    TUCK,
    VISEMES,
    VOICELESS_STOPS,
    Viseme,
    letters_of,
)
from segkit.synthetic.voice import Phone

_ANTICIPATION_S = 0.065
_CARRY_OVER_S = 0.045
_CLOSURE_RAMP_S = 0.045
# A hold longer than a frame is seen by at least one frame.
_SHORTEST_HOLD_S = 1.1 / FPS
# Measured on the synthesiser: p, t, k are silent for about 40 ms before their reported beginning,
# their burst.
_SILENT_CLOSURE_S = 0.042


class _Segment:
    """One viseme and when it is held."""

    def __init__(self, viseme: Viseme, start_s: float, end_s: float, emphasis: float) -> None:
        self.start_s, self.end_s = start_s, end_s
        self.dominance = viseme.dominance
        self.targets = viseme.targets.copy()
        self.targets[[JAW, APERTURE]] *= emphasis


def _emphasis(ipa: str) -> float:
    if "ˈ" in ipa:
        return 1.08
    return 1.0 if "ˌ" in ipa or "ː" in ipa else 0.9


def _segments(phones: Sequence[Phone]) -> list[_Segment]:
    segments = []
    for phone in phones:
        letters = letters_of(phone.ipa)
        if not letters:
            segments.append(_Segment(REST, phone.start_s, phone.end_s, 1.0))
            continue
        start_s, step_s = phone.start_s, (phone.end_s - phone.start_s) / len(letters)
        for index, letter in enumerate(letters):
            start, end = start_s + index * step_s, start_s + (index + 1) * step_s
            if letter in VOICELESS_STOPS:
                start, end = start - _SILENT_CLOSURE_S, min(end, start + 0.012)
            segments.append(_Segment(VISEMES[letter], start, end, _emphasis(phone.ipa)))
    return segments


def _blend(segments: Sequence[_Segment], times_s: np.ndarray) -> np.ndarray:
    """Average the targets of all sounds, weighted by dominance, which fades with distance."""
    total = np.full((len(times_s), len(PARAMETERS)), 1e-6)
    weighted = np.zeros_like(total)
    for segment in segments:
        inset = 0.25 * (segment.end_s - segment.start_s)
        before = np.maximum(0, segment.start_s + inset - times_s) / _ANTICIPATION_S
        after = np.maximum(0, times_s - segment.end_s + inset) / _CARRY_OVER_S
        near = np.flatnonzero(np.maximum(before, after) < 4)
        fade = np.exp(-((before[near] + after[near]) ** 1.6) * 1.4)
        weight = fade[:, None] * segment.dominance
        total[near] += weight
        weighted[near] += weight * segment.targets
    return weighted / total


def _hold(times_s: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    """1 inside an interval, with raised-cosine flanks outside it."""
    missing = max(0.0, _SHORTEST_HOLD_S - (end_s - start_s)) / 2
    distance = np.maximum(0, np.maximum(start_s - missing - times_s, times_s - end_s - missing))
    return 0.5 + 0.5 * np.cos(np.pi * np.minimum(1, distance / _CLOSURE_RAMP_S))


def closures(phones: Sequence[Phone], letters: frozenset[str]) -> list[tuple[float, float]]:
    """Return when the lips are held for the given sounds.

    Args:
        phones: timed phones.
        letters: IPA letters, for instance ``BILABIALS``.

    Returns:
        (start_s, end_s) of every hold.
    """
    holds = []
    for phone in phones:
        found = letters_of(phone.ipa)
        for index, letter in enumerate(found):
            if letter not in letters:
                continue
            step_s = (phone.end_s - phone.start_s) / len(found)
            start_s = phone.start_s + index * step_s
            if letter in VOICELESS_STOPS:
                holds.append((start_s - _SILENT_CLOSURE_S, start_s + 0.004))
            elif letter == "b":
                holds.append((start_s - 0.002, start_s + max(0.6 * step_s, 0.03)))
            else:
                holds.append((start_s + 0.1 * step_s, start_s + 0.9 * step_s))
    return holds


def mouth_motion(
    phones: Sequence[Phone], num_frames: int, *, amplitude: float = 1.0, first_s: float = 0.0
) -> np.ndarray:
    """Animate the mouth.

    Args:
        phones: timed phones; time outside them is a pause.
        num_frames: T.
        amplitude: how much this person moves the jaw and lips; 1 is typical.
        first_s: time of the beginning of frame 0.

    Returns:
        float64 ``T 8``, columns as ``PARAMETERS``, each in [0, 1.2].

    Source: dominance blending after Cohen and Massaro, "Modeling coarticulation in synthetic
    visual speech", 1993.
    """
    times_s = first_s + (np.arange(num_frames) + 0.5) / FPS
    end_s = max([times_s[-1] if num_frames else 0.0, *(phone.end_s for phone in phones)]) + 1
    start_s = phones[0].start_s if phones else end_s
    padded = [
        Phone("", first_s - 1, start_s),
        *phones,
        Phone("", phones[-1].end_s if phones else end_s, end_s),
    ]
    motion = _blend(_segments(padded), times_s)
    motion[:, [JAW, APERTURE]] *= amplitude
    for start, end in closures(phones, LABIODENTALS):
        hold = _hold(times_s, start, end)
        motion[:, TUCK] = np.maximum(motion[:, TUCK], hold)
        motion[:, APERTURE] += hold * (0.14 - motion[:, APERTURE])
    for start, end in closures(phones, BILABIALS):
        hold = _hold(times_s, start, end)
        motion[:, APERTURE] *= 1 - hold
        motion[:, RAISE] *= 1 - hold
        motion[:, TUCK] *= 1 - hold
        motion[:, JAW] *= 1 - 0.5 * hold
        motion[:, PRESS] = np.maximum(motion[:, PRESS], 0.8 * hold)
    # Pressed lips are closed lips.
    motion[:, PRESS] *= np.clip(1 - 8 * motion[:, APERTURE], 0, 1)
    return np.clip(motion, 0, 1.2)
