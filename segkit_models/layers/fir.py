"""The [1, 3, 3, 1] low-pass filter of StyleGAN2 for up- and downsampling without aliases."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TAPS = (1.0, 3.0, 3.0, 1.0)


def blur(x: Tensor, *, pad: tuple[int, int], gain: float = 1.0) -> Tensor:
    """Filter every channel with the outer product of [1, 3, 3, 1] / 8.

    Args:
        x: ``B C H W``.
        pad: zeros before and after each axis; (2, 1) or (1, 2) keep the size, (1, 1) takes one off.
        gain: factor of the result.

    Returns:
        ``B C H' W'`` with ``H' = H + sum(pad) - 3``.
    """
    channels = x.shape[1]
    taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device) * (gain**0.5 / sum(TAPS))
    x = functional.pad(x, (*pad, *pad))
    # The filter is separable: 8 products per value instead of 16.
    x = functional.conv2d(x, taps.view(1, 1, 4, 1).expand(channels, 1, 4, 1), groups=channels)
    return functional.conv2d(x, taps.view(1, 1, 1, 4).expand(channels, 1, 1, 4), groups=channels)


def upsample(x: Tensor) -> Tensor:
    """Double the size: zeros between the pixels, then the filter with gain 4.

    Args:
        x: ``B C H W``.

    Returns:
        ``B C 2H 2W``.
    """
    # The filter at twice the rate is bilinear interpolation, except that outside the image it sees
    # zeros.
    x = functional.pad(x, (1, 1, 1, 1))
    x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    return x[..., 2:-2, 2:-2]
