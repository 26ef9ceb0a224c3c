"""The face crop: a smoothed similarity per frame, cutting it out of the frame, and pasting it back.

Coordinates span the picture, [0, W] x [0, H] with pixel centres at .5; a transform ``2 3`` leads
from the frame to the crop.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from segkit.faces.detector import check_image
from segkit.faces.similarity import (
    apply_transform,
    fit_similarity,
    invert_transform,
)
from segkit.faces.topology import (
    LEFT_EYE_CORNERS,
    MOUTH_CORNERS,
    NOSE_BASE,
    NOSE_BRIDGE,
    RIGHT_EYE_CORNERS,
    UPPER_LIP_TOP,
)

if TYPE_CHECKING:
    from segkit.faces.track import FaceTrack

EYES_Y = 0.42
"""Height of the point between the eyes, as a fraction of the crop; its x is 0.5."""

MOUTH_Y = 0.66
"""Height of the point between the mouth corners, as a fraction of the crop; its x is 0.5."""

_STABLE = (
    *LEFT_EYE_CORNERS,
    *RIGHT_EYE_CORNERS,
    *MOUTH_CORNERS,
    UPPER_LIP_TOP,
    *NOSE_BRIDGE,
    *NOSE_BASE,
)
"""Landmarks that speech moves little: none on the lower lip, the chin or the cheeks."""

_STABLE_WEIGHTS = np.array([1.0] * 4 + [0.5] * 2 + [0.25] + [1.0] * 4 + [0.7] * 3)

# Paper: not given; ours: windows of 0.28 s at rest and 0.05 s in motion, fully "in motion" once the
# strong window would misplace the crop by 1.2 % of its side.
_REST_S, _MOTION_S, _MOTION_SHARE = 0.28, 0.05, 0.012


def crop_transform(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Return the transform ``2 3`` of one picture: eyes and mouth land exactly on the template.

    Args:
        landmarks: ``468 2`` pixels.
        size: side of the crop in pixels.
    """
    points = np.asarray(landmarks, np.float64)[None, list(_STABLE)]
    return (_to_personal_template(points)[0].T * size).T


def crop_transforms(track: FaceTrack, size: int, *, fps: float = 25) -> np.ndarray:
    """Return one transform per frame, steady at rest and prompt in motion.

    Each frame is fitted to the person's own mean shape, whose eye and mouth centres lie on the
    template, so that a moving lip or a noisy landmark hardly moves the crop. The fit is then
    smoothed without lag over scale, angle and position; scene cuts stop the smoothing.

    Args:
        track: the face over the clip.
        size: side of the crop in pixels.
        fps: frames per second of the track.

    Returns:
        ``T 2 3`` float64; frames without a face take the nearest values in time.

    Raises:
        ValueError: the track has no valid frame.
    """
    if not track.valid.any():
        raise ValueError(
            "track: expected at least one valid frame, got none; was the face found at all?"
        )
    points = track.landmarks[:, list(_STABLE)][track.valid].astype(np.float64)
    fitted = _to_parameters(_to_personal_template(points))
    frames = np.arange(len(track.valid))
    known = np.flatnonzero(track.valid)
    parameters = np.stack([np.interp(frames, known, column) for column in fitted.T], 1)
    pieces = np.split(parameters, _jumps(parameters))
    smoothed = np.concatenate([_smooth(piece, fps) for piece in pieces])
    return _from_parameters(smoothed) * size


def warp_crop(frame: np.ndarray, transform: np.ndarray, size: int) -> np.ndarray:
    """Cut the aligned face out of a frame.

    Args:
        frame: uint8 RGB ``H W 3``.
        transform: ``2 3``, frame to crop.
        size: side of the crop in pixels.

    Returns:
        uint8 ``size size 3``; shrinking averages areas, and pixels beyond the frame repeat its
        border.

    Raises:
        ValueError: the frame is not uint8 ``H W 3``.
    """
    check_image(frame)
    return _resample(frame, transform, (size, size), border=cv2.BORDER_REPLICATE)


def paste_back(
    frame: np.ndarray, crop: np.ndarray, transform: np.ndarray, alpha: np.ndarray
) -> np.ndarray:
    """Lay a crop over the frame that it was cut from.

    Args:
        frame: uint8 RGB ``H W 3``.
        crop: uint8 RGB, square.
        transform: ``2 3``, frame to crop.
        alpha: opacity in [0, 1] of the crop's size; see ``feathered_alpha``.

    Returns:
        A new frame; where the crop or its alpha does not reach, it equals the old one bit for bit.

    Raises:
        ValueError: not uint8 pictures, or the sizes of crop and alpha differ.
    """
    check_image(frame)
    check_image(crop)
    if alpha.shape != crop.shape[:2]:
        raise ValueError(f"alpha: expected the crop's size {crop.shape[:2]}, got {alpha.shape}")
    height, width = frame.shape[:2]
    back = invert_transform(transform)
    corners = apply_transform(
        back, np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * np.array(crop.shape[1::-1])
    )
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, (width, height))
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int), 0, (width, height))
    result = frame.copy()
    if x1 <= x0 or y1 <= y0:
        return result
    local = back - np.array([[0, 0, x0], [0, 0, y0]])
    laid = _resample(crop, local, (x1 - x0, y1 - y0), border=cv2.BORDER_REPLICATE)
    opacity = _resample(
        alpha.astype(np.float32), local, (x1 - x0, y1 - y0), border=cv2.BORDER_CONSTANT
    )
    opacity = np.clip(opacity, 0, 1)[..., None]
    under = result[y0:y1, x0:x1].astype(np.float32)
    result[y0:y1, x0:x1] = np.rint(under + opacity * (laid.astype(np.float32) - under)).astype(
        np.uint8
    )
    return result


def feathered_alpha(
    size: int, region: np.ndarray | tuple[float, float, float, float], *, width: float
) -> np.ndarray:
    """Make an opacity map that fades out inside the border of a region and of the crop.

    Args:
        size: side of the crop in pixels.
        region: a mask ``size size`` (non-zero inside), or a box left, top, right, bottom in pixels
            of the crop.
        width: of the fading rim in pixels; 0 gives a hard edge.

    Returns:
        float32 ``size size``: 0 outside, rising smoothly to 1 at ``width`` pixels inside.

    Raises:
        ValueError: a mask of another size.
    """
    if isinstance(region, tuple):
        x0, y0, x1, y1 = (round(value) for value in region)
        mask = np.zeros((size, size), np.uint8)
        mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 1
    else:
        mask = (np.asarray(region) != 0).astype(np.uint8)
    if mask.shape != (size, size):
        raise ValueError(f"region: expected a mask ({size}, {size}), got {mask.shape}")
    if width <= 0:
        return mask.astype(np.float32)
    # The crop's own border is a border too: without the frame of zeros it would show as a straight
    # edge.
    distance = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[
        1:-1, 1:-1
    ]
    rise = np.clip((distance - 0.5 * mask) / width, 0, 1)
    return (rise * rise * (3 - 2 * rise)).astype(np.float32)


def _to_personal_template(points: np.ndarray) -> np.ndarray:
    """Fit points ``T K 2`` to their own mean shape on the unit template: ``T 2 3``."""
    transforms = _pin(points)
    for _ in range(2 if len(points) > 1 else 0):
        shape = np.median(apply_transform(transforms, points), axis=0)
        shape = apply_transform(_pin(shape[None])[0], shape)
        transforms = fit_similarity(points, np.broadcast_to(shape, points.shape), _STABLE_WEIGHTS)
    return transforms


def _pin(points: np.ndarray) -> np.ndarray:
    """Lead the eye centre and the mouth centre of each shape exactly to the unit template."""
    landmarks = {index: place for place, index in enumerate(_STABLE)}
    eyes = points[:, [landmarks[index] for index in (*LEFT_EYE_CORNERS, *RIGHT_EYE_CORNERS)]].mean(
        1
    )
    mouth = points[:, [landmarks[index] for index in MOUTH_CORNERS]].mean(1)
    target = np.array([[0.5, EYES_Y], [0.5, MOUTH_Y]])
    return fit_similarity(np.stack([eyes, mouth], 1), np.broadcast_to(target, (len(points), 2, 2)))


def _to_parameters(transforms: np.ndarray) -> np.ndarray:
    """Describe transforms by log side, angle and the crop's centre in the frame: ``T 4``."""
    scale = np.hypot(transforms[:, 0, 0], transforms[:, 1, 0])
    angle = np.unwrap(np.arctan2(transforms[:, 1, 0], transforms[:, 0, 0]))
    centre = apply_transform(invert_transform(transforms), np.full((len(transforms), 1, 2), 0.5))[
        :, 0
    ]
    return np.concatenate([-np.log(scale)[:, None], angle[:, None], centre], 1)


def _from_parameters(parameters: np.ndarray) -> np.ndarray:
    scale, angle, centre = np.exp(-parameters[:, 0]), parameters[:, 1], parameters[:, 2:]
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
    shift = 0.5 - np.einsum("tij,tj->ti", linear, centre)
    return np.concatenate([linear, shift[..., None]], -1)


def _displacement(change: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """Bound how far a change moves the crop's middle part, as a fraction of its side: ``T``."""
    shift = np.linalg.norm(change[:, 2:], axis=1) / np.exp(parameters[:, 0])
    return shift + 0.35 * (np.abs(change[:, 0]) + np.abs(change[:, 1]))


def _jumps(parameters: np.ndarray) -> np.ndarray:
    """Find frames that no head motion explains: a scene cut or another camera."""
    return np.flatnonzero(_displacement(np.diff(parameters, axis=0), parameters[1:]) > 0.25) + 1


def _smooth(parameters: np.ndarray, fps: float) -> np.ndarray:
    prompt = _gaussian(parameters, _MOTION_S * fps)
    steady = _gaussian(parameters, _REST_S * fps)
    needed = np.clip(_displacement(prompt - steady, parameters) / _MOTION_SHARE, 0, 1)
    # The blend must change slowly itself, or its switching would show as a jerk.
    blend = _gaussian((needed * needed * (3 - 2 * needed))[:, None], 0.5 * _REST_S * fps)
    return steady + blend * (prompt - steady)


def _gaussian(series: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth ``T D`` over time without lag, the series mirrored at its ends."""
    radius = min(math.ceil(3 * sigma), len(series) - 1)
    if radius < 1:
        return series
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(series, ((radius, radius), (0, 0)), mode="reflect", reflect_type="even")
    return np.stack([np.convolve(column, kernel, mode="valid") for column in padded.T], 1)


def _resample(
    image: np.ndarray, transform: np.ndarray, size: tuple[int, int], *, border: int
) -> np.ndarray:
    """Warp to ``size`` (width, height); to shrink, sample a whole multiple and average it."""
    scale = math.sqrt(abs(float(np.linalg.det(transform[:, :2]))))
    factor = math.ceil(1 / scale) if scale < 0.75 else 1
    factor = max(1, min(factor, 8192 // max(size)))
    enlarged = np.asarray(transform, np.float64) * factor
    # OpenCV counts pixel centres from 0, ours lie at .5.
    enlarged[:, 2] += enlarged[:, :2] @ np.full(2, 0.5) - 0.5
    smooth = image.dtype == np.uint8 and factor == 1
    flags = cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR
    big = (size[0] * factor, size[1] * factor)
    warped = cv2.warpAffine(image, enlarged, big, flags=flags, borderMode=border)
    return warped if factor == 1 else cv2.resize(warped, size, interpolation=cv2.INTER_AREA)
