"""Lashes of a lid that sinks: a mask knows eyes and skin, and a closed eye is more than skin."""

from __future__ import annotations

import numpy as np

from segkit.regions import SCHEME_12, RegionScheme

# Paper: blinks are edits of the mask, and no line of lashes is spoken of; ours, in fractions of the
# crop's side:
_THICKNESS = 0.006
_RIM = 0.02  # how far above the eye its lashes are looked for
_STRENGTH = 0.85


def with_lashes(
    generated: np.ndarray,
    crop: np.ndarray,
    source_labels: np.ndarray,
    spoken_labels: np.ndarray,
    *,
    scheme: RegionScheme = SCHEME_12,
) -> np.ndarray:
    """Draw the upper lashes where a lid has sunk to, in the colour that they have in the source.

    Args:
        generated: uint8 RGB ``H W 3``, drawn from the spoken mask.
        crop: uint8 RGB of the source, its eyes open.
        source_labels: label map ``H W`` of the source crop.
        spoken_labels: label map of the generated crop.
        scheme: names of the labels.

    Returns:
        A new picture; the old one where no lid has sunk.
    """
    eyes = [scheme.index(name) for name in scheme.eyes]
    open_before, open_now = np.isin(source_labels, eyes), np.isin(spoken_labels, eyes)
    if not (open_before & ~open_now).any():
        return generated
    import cv2

    result = generated.astype(np.float32)
    count, parts = cv2.connectedComponents(open_before.astype(np.uint8), connectivity=8)
    for index in range(1, count):
        eye = parts == index
        if (eye & ~open_now).any():
            _draw(result, crop, eye, open_now)
    return np.clip(np.rint(result), 0, 255).astype(np.uint8)


def _draw(picture: np.ndarray, crop: np.ndarray, eye: np.ndarray, open_now: np.ndarray) -> None:
    side = eye.shape[0]
    columns = np.flatnonzero(eye.any(0))
    rows = np.arange(side)[:, None]
    top, bottom = (eye.argmax(0), side - 1 - eye[::-1].argmax(0))
    still = eye & open_now
    # The lid's edge: just above what is still open, or at the lower lid.
    edge = np.where(still.any(0), still.argmax(0), bottom + 1)[columns] - 0.5
    sunk = (edge - top[columns]) / (bottom + 1 - top)[columns]
    # Lids are smooth curves, whatever steps a mask has.
    degree = min(3, len(columns) - 1)
    middle = columns - columns.mean()
    edge = np.polyval(np.polyfit(middle, edge, degree), middle)
    along = np.linspace(-1, 1, len(columns))
    strength = _STRENGTH * np.clip(2 * sunk, 0, 1) * (1 - along**6)
    line = np.exp(-(((rows - edge) / max(0.6, _THICKNESS * side)) ** 2) / 2) * strength
    part = picture[:, columns]
    picture[:, columns] = part + line[..., None] * (_colour(crop, eye, top) - part)


def _colour(crop: np.ndarray, eye: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Return the dark of the pixels at and above the upper rim of an eye."""
    rows = np.arange(len(eye))[:, None]
    reach = max(1, round(_RIM * len(eye)))
    rim = eye.any(0) & (rows >= top - reach) & (rows <= top)
    pixels = crop[rim].astype(np.float32)
    darkness = pixels.sum(1)
    return pixels[darkness <= np.quantile(darkness, 0.25)].mean(0)
