"""What every metric is given: one clip, checked once, whole or in chunks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

Clip = Mapping[str, Any]
"""One clip: ``sample_id``, and of the following what a metric needs (numpy or torch).

``pred_frames``, ``gt_frames``: ``T 3 H W`` RGB, uint8 or floats in [0, 1].
``pred_landmarks``, ``gt_landmarks``: ``T 68 2`` pixels, x then y; NaN in a frame: face not found.
``pred_masks``, ``gt_masks``: ``T H W`` integer labels.
``audio``: ``L`` int16 at 16 kHz. ``fps``: frames per second.
``size``: ``(H, W)``, for landmarks that come without their frames.
"""

LengthPolicy = Literal["error", "trim"]

TIMED = ("pred_frames", "gt_frames", "pred_landmarks", "gt_landmarks", "pred_masks", "gt_masks")
"""Keys of a clip that have one entry for each frame."""

_TOLERANCE = 1e-3
_SHAPES = {"frames": "(T, 3, H, W)", "landmarks": "(T, 68, 2)", "masks": "(T, H, W)"}


def check_clip(
    sample: Clip, *, needs: Sequence[str], on_length_mismatch: LengthPolicy = "error"
) -> dict[str, Any]:
    """Return a clip whose needed entries are numpy arrays of the agreed form.

    Args:
        sample: a clip, or a chunk of one.
        needs: keys that must be there; other entries pass through unchecked.
        on_length_mismatch: ``"error"``, or ``"trim"`` all timed entries to the shortest.

    Returns:
        The clip with ``trimmed`` (number of frames cut from the longest entry) and, where frames or
        masks are needed, ``size``.

    Raises:
        ValueError: names the sample and the key: missing, empty, or of a wrong shape, dtype, range
            or length.

    Example:
        >>> frames = np.zeros((2, 3, 8, 8), np.uint8)
        >>> sample = {"sample_id": "a", "pred_frames": frames, "gt_frames": frames[:1]}
        >>> check_clip(sample, needs=("pred_frames", "gt_frames"))
        Traceback (most recent call last):
        ValueError: clip 'a': lengths differ: pred_frames 2, gt_frames 1; cut them alike, or ...
    """
    if not isinstance(sample.get("sample_id"), str):
        raise ValueError(f"clip: expected a str sample_id, got {sample.get('sample_id')!r}")
    place = f"clip {sample['sample_id']!r}"
    missing = [key for key in needs if sample.get(key) is None]
    if missing:
        known = ", ".join(sorted(key for key in sample if sample[key] is not None))
        raise ValueError(f"{place}: expected {', '.join(missing)}, got only {known}")
    clip = dict(sample)
    for key in needs:
        clip[key] = _checked(clip[key], key, place)
    timed = {key: clip[key] for key in needs if key in TIMED}
    clip["trimmed"] = _trim(clip, timed, place, on_length_mismatch)
    _check_sizes(clip, timed, place)
    return clip


def chunks(clip: Clip, num_frames: int) -> Iterator[dict[str, Any]]:
    """Cut a checked clip along time.

    Args:
        clip: what `check_clip` returns.
        num_frames: of each chunk; the last may be shorter.

    Yields:
        Clips whose timed entries are views.
    """
    length = max((len(clip[key]) for key in TIMED if clip.get(key) is not None), default=0)
    for first in range(0, length, num_frames):
        part = slice(first, first + num_frames)
        yield {k: v[part] if k in TIMED and v is not None else v for k, v in clip.items()}


def without_frames(clip: Clip) -> dict[str, Any]:
    """Return the entries that do not grow with the number of frames."""
    return {key: value for key, value in clip.items() if key not in TIMED}


def unit_range(frames: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """Return frames as floats in [0, 1]; subtracting uint8 would wrap around."""
    if frames.dtype == np.uint8:
        return frames.astype(dtype) / dtype(255)
    return frames.astype(dtype, copy=False)


def _checked(value: Any, key: str, place: str) -> Any:
    if key == "fps":
        if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
            raise ValueError(f"{place}: fps: expected a positive number, got {value!r}")
        return value
    if key == "size":
        return int(value[0]), int(value[1])
    array = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
    if key == "audio":
        if array.dtype != np.int16 or array.ndim != 1 or not len(array):
            raise ValueError(
                f"{place}: audio: expected int16 (L,) at 16 kHz, got {array.dtype} {array.shape}"
            )
        return array
    if key in TIMED:
        _check_timed(array, key, place)
    return array


def _check_timed(array: np.ndarray, key: str, place: str) -> None:
    kind = key.partition("_")[2]
    fits = {
        "frames": array.ndim == 4 and array.shape[1] == 3,
        "landmarks": array.ndim == 3 and array.shape[1:] == (68, 2),
        "masks": array.ndim == 3,
    }[kind]
    if not fits or not array.size:
        raise ValueError(
            f"{place}: {key}: expected shape {_SHAPES[kind]} with T >= 1, got {array.shape}"
        )
    floats = np.issubdtype(array.dtype, np.floating)
    if kind == "frames":
        if not (floats or array.dtype == np.uint8):
            raise ValueError(
                f"{place}: {key}: expected uint8 or floats in [0, 1], got {array.dtype}"
            )
        if floats:
            _check_range(array, key, place)
    elif kind == "landmarks":
        if not (floats or np.issubdtype(array.dtype, np.integer)) or np.isinf(array).any():
            raise ValueError(f"{place}: {key}: expected pixels, or NaN where no face was found")
    elif not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{place}: {key}: expected integer labels, got {array.dtype}")


def _check_range(array: np.ndarray, key: str, place: str) -> None:
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{place}: {key}: expected finite values")
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        raise ValueError(
            f"{place}: {key}: expected floats in [0, 1], got [{low:.4g}, {high:.4g}]; "
            "give uint8 for 0..255, or (x + 1) / 2 for [-1, 1]"
        )


def _trim(
    clip: dict[str, Any], timed: dict[str, np.ndarray], place: str, policy: LengthPolicy
) -> int:
    lengths = {key: len(value) for key, value in timed.items()}
    shortest, longest = min(lengths.values(), default=0), max(lengths.values(), default=0)
    if shortest == longest:
        return 0
    if policy != "trim":
        told = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise ValueError(
            f"{place}: lengths differ: {told}; cut them alike, or set on_length_mismatch='trim'"
        )
    for key in timed:
        clip[key] = clip[key][:shortest]
    return longest - shortest


def _check_sizes(clip: dict[str, Any], timed: dict[str, np.ndarray], place: str) -> None:
    sizes = {k: v.shape[-2:] for k, v in timed.items() if not k.endswith("landmarks")}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{key} {height} x {width}" for key, (height, width) in sizes.items())
        raise ValueError(f"{place}: sizes differ: {told}; resize one side before measuring")
    if sizes:
        clip["size"] = next(iter(sizes.values()))
