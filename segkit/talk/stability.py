"""How still a talking video is: jitter of the crop, and flicker of masks and of frames."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segkit.faces import apply_transform, crop_transform, invert_transform


def frame_by_frame(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Return the crop's transforms ``T 2 3`` without any smoothing, what most tools do.

    Args:
        landmarks: ``T 468 2`` pixels, finite.
        size: side of the crop in pixels.
    """
    return np.stack([crop_transform(points, size) for points in landmarks])


def jitter(transforms: np.ndarray, size: int) -> float:
    """Measure how much a crop trembles.

    Five points of the crop are followed through the frame; what one of their steps differs from the
    step before is trembling, since heads move smoothly at this rate.

    Args:
        transforms: ``T 2 3``, frame to crop, of at least three frames of one shot.
        size: side of the crop in pixels.

    Returns:
        Mean length of the second difference, in thousandths of the crop's side.
    """
    if len(transforms) < 3:
        raise ValueError(f"transforms: expected at least 3 frames, got {len(transforms)}")
    corners = np.array([[0.25, 0.25], [0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.75, 0.75]]) * size
    places = apply_transform(
        invert_transform(transforms), np.broadcast_to(corners, (len(transforms), 5, 2))
    )
    side = size / np.sqrt(np.abs(np.linalg.det(transforms[:, :, :2]))).mean()
    return float(1000 * np.linalg.norm(np.diff(places, n=2, axis=0), axis=-1).mean() / side)


def mask_flicker(labels: Iterable[np.ndarray]) -> float:
    """Measure how many pixels change their region for one frame only.

    Args:
        labels: label maps ``H W`` of one size, frame by frame.

    Returns:
        Pixels per frame, in thousandths of the map, whose label differs from that of the frames
        before and after while these agree.
    """
    maps = np.stack(list(labels))
    before, here, after = maps[:-2], maps[1:-1], maps[2:]
    return float(1000 * ((before == after) & (here != before)).mean())


def static_flicker(frames: Iterable[np.ndarray], static: np.ndarray) -> float:
    """Measure how much a still part of the picture changes from frame to frame.

    Args:
        frames: uint8 ``H W 3``, frame by frame.
        static: bool ``H W``, true where nothing moves.

    Returns:
        Mean absolute change per frame there, in grey levels.
    """
    total, count = 0.0, 0
    previous: np.ndarray | None = None
    for frame in frames:
        here = frame[static].astype(np.float32)
        if previous is not None:
            total, count = total + float(np.abs(here - previous).mean()), count + 1
        previous = here
    if not count:
        raise ValueError("frames: expected at least 2, got fewer")
    return total / count
