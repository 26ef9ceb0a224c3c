"""What each speech sound asks of the mouth: IPA symbol -> targets of eight mouth parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PARAMETERS = ("jaw", "aperture", "spread", "round", "raise", "tuck", "press", "tongue")
"""Mouth parameters, each 0 (rest) .. 1 (extreme).

``jaw`` lowers the chin, ``aperture`` parts the lips, ``spread`` pulls the corners apart, ``round``
purses the lips,
``raise`` lifts the upper lip off the teeth, ``tuck`` puts the lower lip under the upper teeth,
``press`` squeezes the
closed lips, ``tongue`` shows its tip behind the teeth.
"""

JAW, APERTURE, SPREAD, ROUND, RAISE, TUCK, PRESS, TONGUE = range(len(PARAMETERS))

BILABIALS = frozenset("pbmɓ")
"""Sounds made by shutting the lips."""

LABIODENTALS = frozenset("fvʋɱ")
"""Sounds made by the lower lip against the upper teeth."""

VOICELESS_STOPS = frozenset("ptkqc")
"""Stops whose silent closure comes before the burst, their beginning to the synthesiser."""


@dataclass(frozen=True)
class Viseme:
    """Mouth targets of one sound.

    Args:
        targets: one value per entry of ``PARAMETERS``.
        dominance: how strongly the sound imposes each of them on its neighbours, 0..1.
    """

    targets: np.ndarray
    dominance: np.ndarray


def _viseme(targets: tuple[float, ...], dominance: tuple[float, ...]) -> Viseme:
    return Viseme(np.array(targets, float), np.array(dominance, float))


#                 jaw  apert spread round raise tuck press tongue
_VOWEL_SHAPES = {
    "i": (0.15, 0.34, 0.90, 0.00, 0.25, 0, 0, 0.10),
    "ɪ": (0.24, 0.38, 0.60, 0.00, 0.15, 0, 0, 0.10),
    "e": (0.34, 0.46, 0.65, 0.00, 0.15, 0, 0, 0.10),
    "ɛ": (0.52, 0.60, 0.45, 0.00, 0.15, 0, 0, 0.10),
    "æ": (0.78, 0.80, 0.45, 0.00, 0.20, 0, 0, 0.05),
    "a": (0.92, 0.92, 0.20, 0.00, 0.10, 0, 0, 0.00),
    "ɐ": (0.62, 0.66, 0.10, 0.00, 0.05, 0, 0, 0.00),
    "ɑ": (1.00, 0.95, 0.00, 0.05, 0.05, 0, 0, 0.00),
    "ʌ": (0.60, 0.62, 0.05, 0.00, 0.05, 0, 0, 0.00),
    "ɒ": (0.75, 0.70, 0.00, 0.45, 0.00, 0, 0, 0.00),
    "ɔ": (0.62, 0.62, 0.00, 0.60, 0.00, 0, 0, 0.00),
    "o": (0.42, 0.46, 0.00, 0.80, 0.00, 0, 0, 0.00),
    "ɤ": (0.40, 0.46, 0.20, 0.00, 0.00, 0, 0, 0.00),
    "ʊ": (0.26, 0.32, 0.00, 0.70, 0.00, 0, 0, 0.00),
    "u": (0.18, 0.22, 0.00, 1.00, 0.00, 0, 0, 0.00),
    "ɯ": (0.18, 0.30, 0.30, 0.10, 0.00, 0, 0, 0.00),
    "y": (0.15, 0.24, 0.00, 0.95, 0.10, 0, 0, 0.00),
    "ʏ": (0.22, 0.30, 0.00, 0.80, 0.05, 0, 0, 0.00),
    "ø": (0.34, 0.40, 0.00, 0.80, 0.05, 0, 0, 0.00),
    "œ": (0.50, 0.54, 0.00, 0.60, 0.05, 0, 0, 0.00),
    "ɵ": (0.32, 0.38, 0.00, 0.60, 0.00, 0, 0, 0.00),
    "ʉ": (0.18, 0.26, 0.00, 0.85, 0.05, 0, 0, 0.00),
    "ɨ": (0.20, 0.33, 0.45, 0.00, 0.10, 0, 0, 0.05),
    "ə": (0.30, 0.38, 0.08, 0.00, 0.00, 0, 0, 0.00),
    "ɘ": (0.30, 0.40, 0.15, 0.00, 0.00, 0, 0, 0.00),
    "ɜ": (0.42, 0.48, 0.05, 0.25, 0.05, 0, 0, 0.00),
    "ɝ": (0.40, 0.44, 0.00, 0.40, 0.05, 0, 0, 0.00),
    "ɚ": (0.30, 0.36, 0.00, 0.40, 0.05, 0, 0, 0.00),
}
_CONSONANT_SHAPES = {
    "pb": ((0.10, 0.00, 0.0, 0.00, 0.00, 0, 1.0, 0.0), (0.40, 1.0, 0.2, 0.2, 0.5, 1, 1, 1)),
    "mɓ": ((0.10, 0.00, 0.0, 0.00, 0.00, 0, 0.7, 0.0), (0.40, 1.0, 0.2, 0.2, 0.5, 1, 1, 1)),
    "fvʋɱ": ((0.12, 0.16, 0.2, 0.00, 0.35, 1, 0.0, 0.0), (0.50, 1.0, 0.3, 0.4, 0.8, 1, 1, 1)),
    "ɸβ": ((0.12, 0.10, 0.0, 0.20, 0.00, 0, 0.2, 0.0), (0.40, 0.9, 0.3, 0.4, 0.5, 1, 1, 1)),
    "wʍɥ": ((0.14, 0.12, 0.0, 1.00, 0.00, 0, 0.0, 0.0), (0.50, 0.9, 0.7, 1.0, 0.5, 1, 1, 1)),
    "θð": ((0.18, 0.32, 0.2, 0.00, 0.20, 0, 0.0, 1.0), (0.60, 0.7, 0.4, 0.4, 0.6, 1, 1, 1)),
    "lɫɭʎ": ((0.30, 0.42, 0.1, 0.00, 0.10, 0, 0.0, 0.8), (0.40, 0.5, 0.2, 0.2, 0.4, 1, 1, 1)),
    "ntdɾɳɲʈɖ": ((0.14, 0.30, 0.2, 0.00, 0.15, 0, 0.0, 0.4), (0.50, 0.5, 0.2, 0.2, 0.4, 1, 1, 0.9)),
    "szʂʐ": ((0.02, 0.30, 0.6, 0.00, 0.45, 0, 0.0, 0.0), (0.90, 0.8, 0.5, 0.4, 0.8, 1, 1, 1)),
    "ʃʒɕʑ": ((0.05, 0.40, 0.0, 0.65, 0.60, 0, 0.0, 0.0), (0.90, 0.8, 0.6, 0.9, 0.8, 1, 1, 1)),
    "kɡgŋxɣqcɟχ": (
        (0.26, 0.34, 0.1, 0.00, 0.05, 0, 0.0, 0.0),
        (0.30, 0.3, 0.1, 0.1, 0.3, 1, 1, 0.5),
    ),
    "ɹɻ": ((0.18, 0.30, 0.0, 0.60, 0.15, 0, 0.0, 0.0), (0.40, 0.5, 0.4, 0.7, 0.4, 1, 1, 0.7)),
    "rʁʀ": ((0.26, 0.36, 0.1, 0.10, 0.10, 0, 0.0, 0.2), (0.30, 0.3, 0.2, 0.2, 0.3, 1, 1, 0.7)),
    "jçʝ": ((0.12, 0.30, 0.7, 0.00, 0.20, 0, 0.0, 0.1), (0.50, 0.5, 0.6, 0.4, 0.4, 1, 1, 0.7)),
    "hɦʔ": ((0.30, 0.38, 0.1, 0.00, 0.00, 0, 0.0, 0.0), (0.10, 0.1, 0.1, 0.1, 0.1, 1, 1, 0.3)),
}
_VOWEL_DOMINANCE = (0.75, 0.75, 0.7, 0.7, 0.5, 1, 1, 0.7)

VISEMES: dict[str, Viseme] = {
    **{symbol: _viseme(shape, _VOWEL_DOMINANCE) for symbol, shape in _VOWEL_SHAPES.items()},
    **{symbol: _viseme(*pair) for symbols, pair in _CONSONANT_SHAPES.items() for symbol in symbols},
}
"""IPA base letter -> viseme."""

REST = _viseme((0,) * 8, (0.8, 0.8, 0.5, 0.5, 0.5, 1, 1, 1))
"""Lips closed: pauses."""

VOWELS = frozenset(_VOWEL_SHAPES)
"""IPA letters of vowels."""


def letters_of(ipa: str) -> tuple[str, ...]:
    """Split a phone into the letters that shape the mouth: ``ˈaɪ`` -> ``a``, ``ɪ``."""
    return tuple(letter for letter in ipa if letter in VISEMES)
