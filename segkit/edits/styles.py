"""Swaps: style codes of some regions taken from another face, wholly or in part."""

from __future__ import annotations

from collections.abc import Sequence

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
