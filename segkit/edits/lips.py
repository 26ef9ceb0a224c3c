"""Lips: the mouth of a label map, closed as far as wanted, or turned into another one."""

from __future__ import annotations

import numpy as np

from segkit.regions import SCHEME_12, RegionScheme
from segkit.shapes import box_around, depth, largest_part

_LEAST_SCALE = 1e-3
"""Of a mouth beside another one; less has a mouth of a single column."""


def close_mouth(
    labels: np.ndarray, amount: float, *, line: int = 0, scheme: RegionScheme = SCHEME_12
) -> np.ndarray:
    """Close the mouth of a mask: the lower lip rises, as thick as it was, and leaves skin below.

    Args:
        labels: integer label map ``H W``.
        amount: 0 leaves the mouth as it is, 1 closes it.
        line: rows of a closed mouth that stay between the lips; a mouth that is open less stays
            as it is.
        scheme: tells which labels are mouth, lips and skin.

    Returns:
        A new label map; only columns in which the mouth was open can differ, from its upper edge to
        the lower edge of the lip below.

    Raises:
        ValueError: not a map ``H W``, an amount outside [0, 1], or a negative line.
    """
    _check(labels, amount)
    if line < 0:
        raise ValueError(f"line: expected 0 rows or more, got {line}")
    closed = labels.copy()
    if "mouth" not in scheme.regions:
        return closed
    mouth = largest_part(np.isin(labels, scheme.mouth_labels)) & (labels == scheme.index("mouth"))
    if not mouth.any():
        return closed
    columns = np.flatnonzero(mouth.any(0))
    mouth, old = mouth[:, columns], labels[:, columns]
    height = len(labels)
    rows = np.arange(height)[:, None]
    top = mouth.argmax(0)
    end = height - mouth[::-1].argmax(0)
    is_lip = np.isin(old, scheme.lip_labels)
    lip_end = np.where((rows >= end) & ~is_lip, rows, height).min(0)
    risen = np.rint(amount * np.maximum(end - top - line, 0)).astype(int)
    # From the upper lip down: what stays of the mouth, the lower lip from further below, skin.
    source = np.where(rows >= end - risen, np.minimum(rows + risen, height - 1), rows)
    moved = np.take_along_axis(old, source, 0)
    moved[(rows >= lip_end - risen) & (rows < lip_end)] = scheme.index("skin")
    closed[:, columns] = np.where((rows >= top) & (rows < lip_end), moved, old)
    return closed


def turn_mouth(
    labels: np.ndarray, target: np.ndarray, amount: float, *, scheme: RegionScheme = SCHEME_12
) -> np.ndarray:
    """Turn the lips and the mouth of a mask into those of another, between the same corners.

    Their outlines move from one to the other by their signed distances.

    Args:
        labels: integer label map ``H W``.
        target: integer label map of any size, of a face about as upright.
        amount: 0 leaves the mouth as it is, 1 replaces it.
        scheme: tells which labels are mouth, lips and skin.

    Returns:
        A new label map; only lips, mouth and skin can differ, and become one of these. Equal to
        ``labels`` where one of the two has no lips.

    Raises:
        ValueError: not maps ``H W``, or an amount outside [0, 1].

    Source: Paper: none; ours, for pauses: a mouth that speech never closed in a few seconds of film
        takes the person's own closed one.
    """
    import cv2

    from segkit.faces.similarity import fit_similarity

    _check(labels, amount)
    _check(target, amount)
    kinds = scheme.mouth_labels
    here, there = (largest_part(np.isin(one, kinds)) for one in (labels, target))
    turned = labels.copy()
    if amount == 0 or not (here.any() and there.any()):
        return turned
    # All that can change lies within a mouth's width of it.
    near, far = (box_around(one, int(one.any(0).sum()) + 1) for one in (here, there))
    assert near is not None
    assert far is not None
    here, there = here[near], there[far]
    mine, theirs = labels[near], target[far]
    to_here = fit_similarity(_corners(there), _corners(here))
    scale = float(np.hypot(*to_here[:, 0]))
    if scale < _LEAST_SCALE:
        return turned

    def outline(of: int | None) -> np.ndarray:
        """Return the distance to the border of a label, or of all of them; inside above 0."""
        own = depth((here if of is None else here & (mine == of)).astype(np.uint8))
        other = depth((there if of is None else there & (theirs == of)).astype(np.uint8))
        size = here.shape[::-1]
        moved = cv2.warpAffine(
            other, to_here, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return (1 - amount) * own + amount * scale * moved

    inside = outline(None) > 0
    nearest = np.asarray(kinds, labels.dtype)[np.stack([outline(kind) for kind in kinds]).argmax(0)]
    skin = scheme.index("skin")
    lips = inside & (here | (mine == skin))
    turned[near] = np.where(lips, nearest, np.where(here & ~inside, skin, mine))
    return turned


def mouth_line(labels: np.ndarray, *, scheme: RegionScheme = SCHEME_12) -> float:
    """Return how high the inside of a mouth is in the mean of its columns, in rows.

    Args:
        labels: integer label map ``H W``.
        scheme: tells which label is the mouth.

    Returns:
        0 without an inside.
    """
    if "mouth" not in scheme.regions:
        return 0.0
    mouth = labels == scheme.index("mouth")
    return float(mouth.sum() / max(1, mouth.any(0).sum()))


def _check(labels: np.ndarray, amount: float) -> None:
    if labels.ndim != 2:
        raise ValueError(f"labels: expected a map (H, W), got shape {labels.shape}")
    if not 0 <= amount <= 1:
        raise ValueError(f"amount: expected a number from 0 to 1, got {amount}")


def _corners(shown: np.ndarray) -> np.ndarray:
    """Return the left and the right end of a shape: ``2 2``, x and y."""
    columns = np.flatnonzero(shown.any(0))
    ends = [columns[0], columns[-1]]
    return np.array([(x, np.flatnonzero(shown[:, x]).mean()) for x in ends])
