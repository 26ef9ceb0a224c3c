"""What networks trained on ImageNet expect of an image."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise_as_imagenet(
    image: Tensor,
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> Tensor:
    """Move the mean of each colour to 0 and its deviation to 1.

    Args:
        image: ``B 3 H W`` in [-1, 1].
        mean: of red, green and blue in [0, 1].
        std: their deviations.
    """
    offset, scale = (image.new_tensor(numbers).view(3, 1, 1) for numbers in (mean, std))
    return ((image + 1) / 2 - offset) / scale
