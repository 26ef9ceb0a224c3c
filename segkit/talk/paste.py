"""Laying the generated face over the frame: where, in which colours, without a visible seam."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from segkit.faces import paste_back
from segkit.regions import SCHEME_12, RegionScheme
from segkit.shapes import box_around, depth

_STILL = ("nose", "ears", "left_ear", "right_ear", "hair", "glasses", "earrings")
"""What speech does not move, and a code per region draws less well than the source shows it."""

# Fractions of the crop's side. Paper: pasting is not described; ours:
_TOP_BEGIN, _TOP_END = 0.50, 0.58  # between the eyes (.42) and the mouth (.66)
_GROW, _AGREED_GROW = 0.025, 0.008  # beyond the jaw: where speech moves it, where it does not
_AGREED, _APART = 0.008, 0.02  # how far apart the two jaws are there
_FEATHER, _MIN_FEATHER = 0.035, 3.0  # the minimum in pixels
_EDIT_GROW = 0.03
_STILL_GROW, _STILL_FEATHER = 0.03, 0.03  # the shade around a nose is the source's too
_LASHES = 0.045  # lashes and lid folds reach beyond the eye's own region
_HALO, _MIN_HALO = 0.1, 8.0  # no rim below reaches further, the minimum in pixels
_SPREAD_SIDE = 64  # pixels on which colours are spread
_GRAIN = 0.008  # what is finer than this is grain
_MOUTH_MARGIN = 0.045  # around the lips the source shows the folds of another mouth

_BLUR_REACH = 4 * _GRAIN  # where a Gaussian of that width ends in OpenCV
_BOX_STEPS = 16  # boxes end at such parts of the crop, so that neighbours in time share one


def blend_alpha(
    source_labels: np.ndarray,
    spoken_labels: np.ndarray,
    *,
    edited: Iterable[str] = (),
    scheme: RegionScheme = SCHEME_12,
) -> np.ndarray:
    """Say how opaque the generated crop lies over the source.

    The lower face of both masks is covered, so that no jaw shows twice; where they agree on the
    jaw, its edge is the source's. So is what speech does not move (nose, ears, hair) where both
    masks agree on it, away from the lips, and the upper half. Edited regions are covered wherever
    they are.

    Args:
        source_labels: label map ``H W`` of the source crop.
        spoken_labels: label map of the generated crop.
        edited: names of regions that are covered wherever they are.
        scheme: names of the labels.

    Returns:
        float32 ``H W`` in [0, 1], fading softly to 0 at the rim and at the crop's border.

    Raises:
        ValueError: maps of different sizes.
    """
    if source_labels.shape != spoken_labels.shape:
        raise ValueError(
            f"labels: expected two maps of one size, got {source_labels.shape} "
            f"and {spoken_labels.shape}"
        )
    side = source_labels.shape[0]
    feather = max(_MIN_FEATHER, _FEATHER * side)
    edited = tuple(edited)
    alpha = np.zeros((side, side), np.float32)
    # Nothing of the upper half shows, and from further up nothing reaches down.
    top = max(0, math.floor(_TOP_BEGIN * side - max(_MIN_HALO, _HALO * side)))
    source, spoken = source_labels[top:], spoken_labels[top:]
    rows = (np.arange(top, side, dtype=np.float32)[:, None] + 0.5) / side
    rise = _smooth_step((rows - _TOP_BEGIN) / (_TOP_END - _TOP_BEGIN))
    # Feathered at the sides only: the top has its own ramp, which a rim would push down onto the
    # lips.
    faces = (np.isin(labels, scheme.face_labels).astype(np.uint8) for labels in (source, spoken))
    alpha[top:] = _both_faces(*faces, feather=feather) * rise
    alpha[top:] *= 1 - _still(source, spoken, edited, scheme)
    for name in edited:
        changed = _union(source_labels, spoken_labels, [scheme.index(name)])
        grow = _LASHES if name in scheme.eyes else _EDIT_GROW
        alpha = np.maximum(alpha, _soft(changed, grow=max(2.0, grow * side), feather=feather))
    return (alpha * _fade_at_border(side, feather)).astype(np.float32)


def shown_box(
    source_labels: np.ndarray, spoken_labels: np.ndarray, *, scheme: RegionScheme = SCHEME_12
) -> tuple[int, int, int, int]:
    """Return the part of the generated crop that `lay_over` looks at while nothing is edited.

    Args:
        source_labels: label map ``H W`` of the source crop.
        spoken_labels: label map of the generated crop.
        scheme: names of the labels.

    Returns:
        ``(top, bottom, left, right)`` in pixels of the crop; bottom and right lie outside.
    """
    side = source_labels.shape[0]
    face = _union(source_labels, spoken_labels, scheme.face_labels)
    face[: int(_TOP_BEGIN * side)] = 0
    reach = _BLUR_REACH * side + _GROW * side + max(_MIN_FEATHER, _FEATHER * side)

    def steps(first: float, last: float) -> tuple[int, int]:
        first_step = math.floor(_BOX_STEPS * first / side)
        last_step = math.ceil(_BOX_STEPS * last / side)
        ends = (max(0, first_step), min(_BOX_STEPS, last_step))
        return ends[0] * side // _BOX_STEPS, ends[1] * side // _BOX_STEPS

    top = _TOP_BEGIN * side - _BLUR_REACH * side
    rows, columns = np.flatnonzero(face.any(1)), np.flatnonzero(face.any(0))
    if not len(rows):
        return (*steps(top, _TOP_BEGIN * side), *steps(0, 1))
    return (*steps(top, rows[-1] + 1 + reach), *steps(columns[0] - reach, columns[-1] + 1 + reach))


def match_colours(
    generated: np.ndarray,
    source: np.ndarray,
    alpha: np.ndarray,
    *,
    agreeing: np.ndarray | None = None,
) -> np.ndarray:
    """Remove the smooth difference of colour that would show as a seam.

    In the rim of the blend both pictures show the same skin. Their difference there, spread
    inwards by a wide Gaussian, is added to the generated picture: offsets and gradients of light
    go, detail stays.

    Args:
        generated: uint8 RGB ``H W 3``.
        source: uint8 RGB of the same size.
        alpha: opacity ``H W`` from ``blend_alpha``.
        agreeing: bool ``H W``, true where both pictures show the same region; everywhere by
            default.

    Returns:
        uint8 RGB ``H W 3``.
    """
    rim = 4 * alpha * (1 - alpha)
    if agreeing is not None:
        rim = rim * agreeing
    rim = rim.astype(np.float32)[..., None]
    difference = (source.astype(np.float32) - generated.astype(np.float32)) * rim
    # What a Gaussian this wide lets through is the same on a small copy.
    side = alpha.shape[0]
    small = np.dstack([difference, rim])
    step = max(1, side // _SPREAD_SIDE)
    if step > 1:
        small = cv2.resize(small, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), side / 9 / step)
    spread = small[..., :3] / (small[..., 3:] + 1e-3)
    if step > 1:
        spread = cv2.resize(spread, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    # A wrong mask must not tint a face: skin of one person in one picture never differs by more.
    corrected = generated.astype(np.float32) + np.clip(spread, -40, 40)
    return np.clip(np.rint(corrected), 0, 255).astype(np.uint8)


def keep_grain(
    generated: np.ndarray,
    source: np.ndarray,
    source_labels: np.ndarray,
    spoken_labels: np.ndarray,
    *,
    edited: Iterable[str] = (),
    scheme: RegionScheme = SCHEME_12,
) -> np.ndarray:
    """Give the generated skin the pores and stubble that the source shows at the same place.

    A code per region draws smooth skin. Where both maps show skin or nose, away from the lips, what
    is finer than 2 px of 256 comes from the source, the rest stays the generator's.

    Args:
        generated: uint8 RGB ``H W 3``.
        source: uint8 RGB of the same size.
        source_labels: label map ``H W`` of the source crop.
        spoken_labels: label map of the generated crop.
        edited: names of regions that keep nothing of the source, nor does what is beside them.
        scheme: names of the labels.

    Returns:
        uint8 RGB ``H W 3``.

    Source: Paper: none; ours.
    """
    side = source_labels.shape[0]
    kept = [name for name in ("skin", "nose") if name in scheme.regions and name not in edited]
    skin = [scheme.index(name) for name in kept]
    same = (source_labels == spoken_labels) & np.isin(source_labels, skin)
    near_lips = _near_lips(source_labels, spoken_labels, scheme)
    # From the border of the skin inwards: its outline moves with the jaw.
    share = _soft(same.astype(np.uint8), grow=0.0, feather=max(2.0, 2 * _GRAIN * side))
    share = (share * (1 - near_lips))[..., None]
    if regions := [scheme.index(name) for name in edited]:
        # A closed lid would be framed by the lashes of the open eye.
        changed = _union(source_labels, spoken_labels, regions)
        share *= 1 - _soft(changed, grow=_LASHES * side, feather=_LASHES * side)[..., None]
    difference = source.astype(np.float32) - generated.astype(np.float32)
    grain = difference - cv2.GaussianBlur(difference, (0, 0), _GRAIN * side)
    return np.clip(np.rint(generated + share * grain), 0, 255).astype(np.uint8)


def lay_over(
    frame: np.ndarray,
    *,
    crop: np.ndarray,
    generated: np.ndarray,
    transform: np.ndarray,
    source_labels: np.ndarray,
    spoken_labels: np.ndarray,
    edited: Iterable[str] = (),
    scheme: RegionScheme = SCHEME_12,
    grain: bool = True,
) -> np.ndarray:
    """Blend the generated crop into its frame.

    Args:
        frame: uint8 RGB ``H W 3``.
        crop: uint8 RGB, what was cut from the frame.
        generated: uint8 RGB of the crop's size.
        transform: ``2 3``, frame to crop.
        source_labels: label map of the crop.
        spoken_labels: label map of the generated crop.
        edited: see ``blend_alpha``.
        scheme: names of the labels.
        grain: take pores from the frame, see ``keep_grain``; a measurement against that very frame
            must not.

    Returns:
        A new frame; outside the blend bit for bit the old one.
    """
    edited = tuple(edited)
    alpha = blend_alpha(source_labels, spoken_labels, edited=edited, scheme=scheme)
    agreeing = source_labels == spoken_labels
    for name in edited:
        agreeing &= source_labels != scheme.index(name)
    matched = match_colours(generated, crop, alpha, agreeing=agreeing)
    if grain:
        matched = keep_grain(
            matched, crop, source_labels, spoken_labels, edited=edited, scheme=scheme
        )
    return paste_back(frame, matched, transform, alpha)


def _both_faces(source: np.ndarray, spoken: np.ndarray, *, feather: float) -> np.ndarray:
    """Cover two faces, and what is beyond their edges the more, the further these are apart."""
    side = source.shape[1]
    soft = np.zeros(source.shape, np.float32)
    box = box_around(source | spoken, math.ceil(_GROW * side) + 2)
    if box is None:
        return soft
    depths = [depth(mask[box]) for mask in (source, spoken)]
    apart = cv2.GaussianBlur(np.abs(depths[0] - depths[1]), (0, 0), _APART * side) / side
    moved = _smooth_step((apart - _AGREED) / (_APART - _AGREED))
    grow = side * (_AGREED_GROW + (_GROW - _AGREED_GROW) * moved)
    soft[box] = _smooth_step((grow + np.maximum(*depths)) / feather)
    return soft


def _still(
    source_labels: np.ndarray,
    spoken_labels: np.ndarray,
    edited: tuple[str, ...],
    scheme: RegionScheme,
) -> np.ndarray:
    """Say where the source shows, in [0, 1], because speech moves nothing there."""
    side = source_labels.shape[1]
    kept = [name for name in _STILL if name in scheme.regions and name not in edited]
    same = np.isin(source_labels, [scheme.index(name) for name in kept])
    same &= source_labels == spoken_labels
    feather = max(_MIN_FEATHER, _STILL_FEATHER * side)
    share = _soft(same.astype(np.uint8), grow=_STILL_GROW * side, feather=feather)
    return share * (1 - _near_lips(source_labels, spoken_labels, scheme))


def _near_lips(
    source_labels: np.ndarray, spoken_labels: np.ndarray, scheme: RegionScheme
) -> np.ndarray:
    reach = _MOUTH_MARGIN * source_labels.shape[1]
    mouth = _union(source_labels, spoken_labels, scheme.mouth_labels)
    return _soft(mouth, grow=reach, feather=reach)


def _union(first: np.ndarray, second: np.ndarray, regions: Sequence[int]) -> np.ndarray:
    return (np.isin(first, regions) | np.isin(second, regions)).astype(np.uint8)


def _soft(mask: np.ndarray, *, grow: float, feather: float) -> np.ndarray:
    """Grow a mask, then let it rise smoothly from 0 at its new rim to 1 inside."""
    soft = np.zeros(mask.shape, np.float32)
    box = box_around(mask, math.ceil(grow) + 2)
    if box is not None:
        soft[box] = _smooth_step((grow + depth(mask[box])) / feather)
    return soft


def _smooth_step(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)


def _fade_at_border(side: int, width: float) -> np.ndarray:
    distance = np.minimum(np.arange(side), np.arange(side)[::-1]).astype(np.float32)
    rise = np.clip(distance / width, 0, 1)
    return np.minimum(rise[:, None], rise[None, :])
