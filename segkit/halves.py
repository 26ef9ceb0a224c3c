"""The two halves of a face crop: the upper belongs to the pose, the lower to the speech."""

from __future__ import annotations

from torch import Tensor


def lower_half(planes: Tensor) -> Tensor:
    """Return the rows that speech drives, from ``H // 2`` on: ``... H W`` -> ``... h W``."""
    return planes[..., planes.shape[-2] // 2 :, :]


def pose_of(mask: Tensor) -> Tensor:
    """Hide the lower half of a mask: TSG's pose source.

    Paper: the fill of the "occluded" half is not given; ours: all planes zero, which no label
    gives, so that "hidden" differs from "background".

    Args:
        mask: one-hot ``... R H W``.

    Returns:
        A new tensor of the same shape, zero from row ``H // 2`` on.

    Source: section 3.2.
    """
    pose = mask.clone()
    lower_half(pose).zero_()
    return pose


def with_upper_half_of(labels: Tensor, pose_labels: Tensor) -> Tensor:
    """Keep the pose source's upper half and put the predicted lower half under it.

    Args:
        labels: predicted labels ``... H W``.
        pose_labels: labels of the pose source, same shape and dtype.

    Returns:
        A new tensor of the same shape.
    """
    composed = pose_labels.clone()
    lower_half(composed).copy_(lower_half(labels))
    return composed
