"""Compositing: a person in front of another background, softly and without a rim of the old one."""

from __future__ import annotations

import numpy as np

from segkit.regions import SCHEME_12, RegionScheme

_SURE = 0.02
_OUTSIDE, _INSIDE = 0.4, 0.8
_ALIKE = 30.0
"""Distance in RGB below which two colours tell nothing apart."""


def soft_matte(
    labels: np.ndarray, *, feather: float = 1.5, scheme: RegionScheme = SCHEME_12
) -> np.ndarray:
    """Turn a label map into the opacity of the person in front of the background.

    Args:
        labels: integer label map ``H W``.
        feather: width of the soft rim in pixels; 0 gives a hard edge.
        scheme: tells which label is background.

    Returns:
        float32 ``H W`` in [0, 1].
    """
    if labels.ndim != 2:
        raise ValueError(f"labels: expected a map (H, W), got shape {labels.shape}")
    matte = (labels != scheme.index("background")).astype(np.float32)
    if feather <= 0:
        return matte
    import cv2

    return np.clip(cv2.GaussianBlur(matte, (0, 0), feather), 0, 1)


def refined_matte(image: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Decide the doubtful rim of a matte by the colours of the picture.

    A soft rim around a sharp edge holds a strip of the old background, which shows before a new
    one. Where what is surely the person and what is surely not differ in colour nearby, a pixel of
    the rim is as opaque as it lies between the two; where they look alike, the matte stays.

    Args:
        image: uint8 RGB ``H W 3``.
        matte: opacity of the person ``H W`` in [0, 1].

    Returns:
        float32 ``H W`` in [0, 1]; what was below 0.02 or above 0.98 becomes 0 or 1.

    Raises:
        ValueError: a matte of another size than the image.

    Source: Paper of SegTalker: not given; ours. The projection is that of Chuang et al. 2001,
        A Bayesian Approach to Digital Matting (CVPR), eq. 10.
    """
    _check_matte(image, matte)
    refined = matte.astype(np.float32)
    doubtful = (refined > _SURE) & (refined < 1 - _SURE)
    refined[~doubtful] = refined[~doubtful] > 0.5
    if not doubtful.any():
        return refined
    radius = max(4, max(image.shape[:2]) // 24)
    part = _around(doubtful, radius)
    seen, opacity, doubtful = image[part].astype(np.float32), refined[part], doubtful[part]
    sure = [(opacity == value).astype(np.float32)[..., None] for value in (1, 0)]
    person, behind = (_mean_where(seen, weight, radius=radius) for weight in sure)
    everywhere = np.ones_like(sure[0])
    known = np.minimum(*(_mean_where(weight, everywhere, radius=radius) for weight in sure))
    across = person - behind
    length = np.linalg.norm(across, axis=-1)
    place = ((seen - behind) * across).sum(-1) / (length**2 + 1)
    # Hair is no flat colour: what is nearly one of the two is that one.
    place = np.clip((place - 0.15) / 0.7, 0, 1)
    trust = np.clip((length - _ALIKE) / _ALIKE, 0, 1) * (known[..., 0] > 0.01)
    # Colours only take away outside and only add inside: a streak in the hair makes no hole, and
    # what looks like hair behind the person stays behind.
    place = np.where(opacity < _OUTSIDE, np.minimum(place, opacity), place)
    place = np.where(opacity > _INSIDE, np.maximum(place, opacity), place)
    refined[part] = np.where(doubtful, opacity + trust * (place - opacity), opacity)
    return refined


def composite(image: np.ndarray, background: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Put a picture behind a person.

    Args:
        image: uint8 RGB ``H W 3``.
        background: uint8 RGB of any size; it is scaled to cover the image and cut at its middle.
        matte: opacity of the person ``H W`` in [0, 1].

    Returns:
        uint8 RGB ``H W 3``; where the matte is 1 it equals the image bit for bit.

    Raises:
        ValueError: a matte of another size than the image.
    """
    _check_matte(image, matte)
    behind = cover(background, image.shape[0], image.shape[1]).astype(np.float32)
    opacity = np.clip(matte, 0, 1).astype(np.float32)[..., None]
    return np.rint(behind + opacity * (image.astype(np.float32) - behind)).astype(np.uint8)


def cover(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale a picture ``H W 3`` until it covers ``height width``, and cut out its middle."""
    if picture.shape[:2] == (height, width):
        return picture
    import cv2

    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = (
        max(width, round(picture.shape[1] * scale)),
        max(height, round(picture.shape[0] * scale)),
    )
    scaled = cv2.resize(
        picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    return scaled[top : top + height, left : left + width]


def foreground_colours(image: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Take the old background out of the person's soft rim, which would shine as a halo.

    A pixel of the rim shows ``matte * person + (1 - matte) * background``. Both are estimated from
    what is near, first widely, then closely, and the person's share is what remains.

    Args:
        image: uint8 RGB ``H W 3``.
        matte: opacity of the person ``H W`` in [0, 1].

    Returns:
        uint8 RGB ``H W 3``; where the matte is 0 or 1 it equals the image bit for bit.

    Raises:
        ValueError: a matte of another size than the image.

    Source: Forte 2021, Approximate Fast Foreground Colour Estimation (ICIP), eq. 4 and 5. Paper of
        SegTalker: not given.
    """
    _check_matte(image, matte)
    rim = (matte > 0) & (matte < 1)
    if not rim.any():
        return image.copy()
    side = max(image.shape[:2])
    wide, close = max(3, side // 12), max(2, side // 120)
    # Only the rim is worked on, with as much around it as the first estimate looks at.
    part = _around(rim, wide)
    seen = image[part].astype(np.float32)
    opacity = matte[part].astype(np.float32)[..., None]
    person, behind = _estimates(seen, seen, seen, opacity, radius=wide)
    person, _ = _estimates(seen, person, behind, opacity, radius=close)
    soft = (opacity[..., 0] > 0) & (opacity[..., 0] < 1)
    result = image.copy()
    result[part][soft] = np.clip(np.rint(person[soft]), 0, 255).astype(np.uint8)
    return result


def _estimates(
    seen: np.ndarray, person: np.ndarray, behind: np.ndarray, opacity: np.ndarray, *, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """Improve estimates of the two layers from their surroundings and the picture's own pixels."""
    near_person = _mean_where(person, opacity, radius=radius)
    near_behind = _mean_where(behind, 1 - opacity, radius=radius)
    missing = seen - opacity * near_person - (1 - opacity) * near_behind
    return np.clip(near_person + opacity * missing, 0, 255), near_behind


def _around(chosen: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of the chosen pixels, and some more on each side."""
    rows, columns = np.flatnonzero(chosen.any(1)), np.flatnonzero(chosen.any(0))
    return (
        slice(max(0, rows[0] - margin), rows[-1] + margin + 1),
        slice(max(0, columns[0] - margin), columns[-1] + margin + 1),
    )


def _mean_where(picture: np.ndarray, weight: np.ndarray, *, radius: int) -> np.ndarray:
    """Average a picture ``H W C`` around each pixel by weights ``H W 1``."""
    import cv2

    layers = np.dstack([picture * weight, weight])
    # A wide mean is smooth: a small picture has it too, and much sooner.
    step = max(1, radius // 8)
    small = (max(1, layers.shape[1] // step), max(1, layers.shape[0] // step))
    if step > 1:
        layers = cv2.resize(layers, small, interpolation=cv2.INTER_AREA)
    side = 2 * (radius // step) + 1
    total = cv2.blur(layers, (side, side), borderType=cv2.BORDER_REFLECT)
    if step > 1:
        total = cv2.resize(total, weight.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return total[..., :-1] / (total[..., -1:] + 1e-5)


def blurred_background(
    image: np.ndarray, matte: np.ndarray, *, sigma: float | None = None
) -> np.ndarray:
    """Blur what is behind a person, without the person's colours flowing into it.

    Args:
        image: uint8 RGB ``H W 3``.
        matte: opacity of the person ``H W`` in [0, 1].
        sigma: width of the Gaussian in pixels; None takes a fortieth of the shorter side.

    Returns:
        uint8 RGB ``H W 3``, to be put behind the person by `composite`.

    Raises:
        ValueError: a matte of another size than the image, or a sigma that is not above 0.
    """
    _check_matte(image, matte)
    sigma = min(image.shape[:2]) / 40 if sigma is None else sigma
    if not 0 < sigma < np.inf:
        raise ValueError(f"background blur: expected a sigma above 0 pixels, got {sigma}")
    import cv2

    height, width = image.shape[:2]
    # A rim that the matte misses would glow around the person: a little more is left out.
    reach = max(1, round(max(height, width) / 150))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    weight = 1 - cv2.dilate(np.clip(matte, 0, 1).astype(np.float32), kernel)[..., None]
    # Far from the background every weight is 0; a trace of the picture itself stands in there.
    layers = np.dstack([image.astype(np.float32) * (weight + 1e-4), weight + 1e-4])
    # What is wide is as good at a smaller size, and much faster.
    scale = min(1.0, 4 / sigma)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(layers, size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma * scale, borderType=cv2.BORDER_REFLECT)
    colours = cv2.resize(np.asarray(soft[..., :3] / soft[..., 3:]), (width, height))
    return np.clip(np.rint(colours), 0, 255).astype(np.uint8)


def _check_matte(image: np.ndarray, matte: np.ndarray) -> None:
    if matte.shape != image.shape[:2]:
        raise ValueError(f"matte: expected the image's size {image.shape[:2]}, got {matte.shape}")
