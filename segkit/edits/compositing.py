"""Compositing: a person in front of another background, softly and without a rim of the old one."""

from __future__ import annotations

import numpy as np

from segkit.regions import SCHEME_12, RegionScheme


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
    rows, columns = np.nonzero((matte > 0) & (matte < 1))
    if not len(rows):
        return image.copy()
    side = max(image.shape[:2])
    wide, close = max(3, side // 12), max(2, side // 120)
    # Only the rim is worked on, with as much around it as the first estimate looks at.
    part = (
        slice(max(0, rows.min() - wide), rows.max() + wide + 1),
        slice(max(0, columns.min() - wide), columns.max() + wide + 1),
    )
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


def _mean_where(picture: np.ndarray, weight: np.ndarray, *, radius: int) -> np.ndarray:
    """Average a picture around each pixel by weights ``H W 1``."""
    import cv2

    size = (2 * radius + 1, 2 * radius + 1)
    total = cv2.blur(np.dstack([picture * weight, weight]), size, borderType=cv2.BORDER_REFLECT)
    return total[..., :3] / (total[..., 3:] + 1e-5)


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
