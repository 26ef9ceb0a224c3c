"""Edits: pure functions on label maps, style codes and pictures, none of which sees another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from segkit.regions import SCHEME_12, RegionScheme


def swap(
    styles: Tensor,
    donor: Tensor,
    regions: Sequence[str],
    *,
    presence: Tensor | None = None,
    strength: float = 1.0,
    scheme: RegionScheme = SCHEME_12,
) -> Tensor:
    """Give some regions the look of another face.

    Args:
        styles: style vectors or codes ``B R ...`` of the face to edit.
        donor: the same of the other face; batch B or 1.
        regions: names of the regions to take over; all others stay bit for bit.
        presence: ``B R`` or ``1 R``, true where the donor shows the region. A region that the
            donor lacks keeps the target's look.
        strength: 0 keeps the target, 1 takes the donor; in between they are mixed.
        scheme: names of the regions.

    Returns:
        New styles, of the shape of ``styles``.

    Raises:
        KeyError: an unknown region.
        ValueError: shapes that do not fit, or a strength outside [0, 1].

    Source: E4S (Liu et al. 2023), region swaps; the rule for absent regions is ours.
    """
    if styles.ndim < 3 or styles.shape[1] != len(scheme) or styles.shape[1:] != donor.shape[1:]:
        raise ValueError(
            f"styles: expected two (B, R={len(scheme)}, ...) of one kind, "
            f"got {tuple(styles.shape)} and {tuple(donor.shape)}"
        )
    if not 0 <= strength <= 1:
        raise ValueError(f"strength: expected 0..1, got {strength}")
    result = styles.clone()
    for region in dict.fromkeys(scheme.index(name) for name in regions):
        mixed = torch.lerp(
            styles[:, region], donor[:, region].expand_as(styles[:, region]), strength
        )
        if presence is not None:
            shown = presence[:, region].bool().view(-1, *[1] * (styles.ndim - 2))
            mixed = torch.where(shown, mixed, styles[:, region])
        result[:, region] = mixed
    return result


def interpolate(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Mix two faces in all regions.

    Args:
        first: style vectors or codes of any shape, returned at ``share`` 0.
        second: the same shape, returned at ``share`` 1.
        share: in [0, 1].

    Raises:
        ValueError: shapes that differ, or a share outside [0, 1].
    """
    if first.shape != second.shape:
        raise ValueError(
            f"styles: expected equal shapes, got {tuple(first.shape)} and {tuple(second.shape)}"
        )
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected 0..1, got {share}")
    return torch.lerp(first, second, share)


def blink(labels: np.ndarray, amount: float, *, scheme: RegionScheme = SCHEME_12) -> np.ndarray:
    """Close the eyes of a mask: the upper lid of each eye sinks towards the lower lid.

    Args:
        labels: integer label map ``H W``.
        amount: 0 leaves the eyes as they are, 1 closes them.
        scheme: tells which labels are eyes and skin.

    Returns:
        A new label map; only pixels that were eyes can differ, and those become skin.

    Raises:
        ValueError: not a map ``H W``, or an amount outside [0, 1].
    """
    if labels.ndim != 2:
        raise ValueError(f"labels: expected a map (H, W), got shape {labels.shape}")
    if not 0 <= amount <= 1:
        raise ValueError(f"amount: expected 0 (open) .. 1 (closed), got {amount}")
    import cv2

    skin = scheme.index("skin")
    eyes = np.isin(
        labels, [k for k, name in enumerate(scheme.regions) if name.endswith(("eyes", "_eye"))]
    )
    closed = labels.copy()
    num_eyes, components = cv2.connectedComponents(eyes.astype(np.uint8), connectivity=8)
    rows = np.arange(labels.shape[0])[:, None]
    for index in range(1, num_eyes):
        eye = components == index
        top = np.where(eye, rows, labels.shape[0]).min(0)
        bottom = np.where(eye, rows, -1).max(0)
        # Every column keeps the lower part of its own height: a lid, not a shrinking eye.
        kept = np.rint((1 - amount) * (bottom + 1 - top))
        closed[eye & (rows <= bottom - kept)] = skin
    return closed


@dataclass(frozen=True)
class BlinkSchedule:
    """When the eyes close, and how far.

    Args:
        blinks: pairs of amount in [0, 1] and time in seconds of the deepest point.
        closing_s: time a lid needs to sink.
        opening_s: time it needs to rise; lids rise more slowly than they fall.
    """

    blinks: tuple[tuple[float, float], ...] = ()
    closing_s: float = 0.12
    opening_s: float = 0.18

    @classmethod
    def parse(cls, texts: Sequence[str]) -> BlinkSchedule:
        """Read ``AMOUNT@SECONDS`` texts, such as ``0.3@2.0``.

        Raises:
            ValueError: another form, an amount outside [0, 1], or a negative time.
        """
        return cls(tuple(_parse_blink(text) for text in texts))

    def amount_at(self, time_s: float) -> float:
        """Return how far the eyes are closed at a time, in [0, 1]."""
        return max((peak * self._profile(time_s - at) for peak, at in self.blinks), default=0.0)

    def _profile(self, since_s: float) -> float:
        """Rise smoothly from 0 to 1 at the blink's own time, and fall back."""
        share = 1 + since_s / self.closing_s if since_s < 0 else 1 - since_s / self.opening_s
        return 0.5 - 0.5 * math.cos(math.pi * min(max(share, 0.0), 1.0))


def _parse_blink(text: str) -> tuple[float, float]:
    amount_text, separator, time_text = text.partition("@")
    try:
        amount, time_s = float(amount_text), float(time_text)
    except ValueError:
        separator = ""
        amount = time_s = 0.0
    if not separator:
        raise ValueError(f"blink: expected AMOUNT@SECONDS such as 0.3@2.0, got {text!r}")
    if not 0 <= amount <= 1:
        raise ValueError(
            f"blink {text!r}: expected an amount in 0 (open) .. 1 (closed), got {amount}"
        )
    if not (math.isfinite(time_s) and time_s >= 0):
        raise ValueError(f"blink {text!r}: expected a time of 0 s or later, got {time_s}")
    return amount, time_s


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
    if matte.shape != image.shape[:2]:
        raise ValueError(f"matte: expected the image's size {image.shape[:2]}, got {matte.shape}")
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
