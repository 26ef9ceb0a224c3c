"""Masks at other sizes, and the average of a feature map inside each region."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from segkit.contracts import check_shape
from segkit_models.layers.fir import is_channels_last

MASK_MODES = ("nearest", "area")


def resize_mask(mask: Tensor, size: tuple[int, int], *, mode: str = "nearest") -> Tensor:
    """Bring a mask to another size.

    Args:
        mask: ``B R H W`` in [0, 1].
        size: wanted height and width.
        mode: ``"nearest"`` takes the top-left pixel of each cell (one-hot stays one-hot);
            ``"area"`` averages the cell, which gives soft borders and does not flicker.

    Returns:
        ``B R height width``.
    """
    if mask.shape[-2:] == size:
        return mask
    if mode not in MASK_MODES:
        raise ValueError(f"mode: expected one of {', '.join(MASK_MODES)}, got {mode!r}")
    rows, columns = (whole // part for whole, part in zip(mask.shape[-2:], size, strict=True))
    if mode == "nearest" and (rows * size[0], columns * size[1]) == tuple(mask.shape[-2:]):
        # The same pixels, ten times as fast.
        layout = torch.channels_last if is_channels_last(mask) else torch.contiguous_format
        return mask[..., ::rows, ::columns].contiguous(memory_format=layout)
    return functional.interpolate(mask, size=size, mode=mode)


def smooth_mask(mask: Tensor) -> Tensor:
    """Soften borders by a pixel: three quarters of each pixel come from its eight neighbours.

    Args:
        mask: ``B R H W``; beyond the map its edge goes on.

    Returns:
        ``B R H W``; where regions added up to 1, they still do.
    """
    line = mask.new_tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line).expand(mask.shape[1], 1, 3, 3)
    padded = functional.pad(mask, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, kernel, groups=mask.shape[1])


def mask_pyramid(
    mask: Tensor, sizes: tuple[int, ...], *, mode: str = "nearest"
) -> dict[int, Tensor]:
    """Resize a mask to several square sizes.

    Args:
        mask: ``B R H W``.
        sizes: wanted sides.
        mode: see ``resize_mask``.

    Returns:
        Side -> ``B R side side``.
    """
    found: dict[int, Tensor] = {}
    cells = mask
    for side in sorted(set(sizes), reverse=True):
        # From whole cells where these have been made: the average of averages of equal cells, and
        # the first pixel of first pixels, are those of the full mask.
        source = cells if _divides(side, cells) else mask
        found[side] = resize_mask(source, (side, side), mode=mode)
        if _divides(side, mask):
            cells = found[side]
    return {side: found[side] for side in sizes}


def _divides(side: int, mask: Tensor) -> bool:
    return mask.shape[-2] % side == 0 and mask.shape[-1] % side == 0


def region_means(feature: Tensor, mask: Tensor) -> Tensor:
    """Average a feature map inside each region (eq. 6).

    Paper: global average pooling of the masked map, which would divide by H W; ours: divide by the
        region's area.

    Args:
        feature: ``B C H W``.
        mask: one-hot (or soft) ``B R H W`` of any size; resized by ``nearest``. An empty region
            averages to 0.

    Returns:
        ``B R C``.

    Source:
        Section 3.3, eq. 6.
    """
    batch = check_shape(feature, "B C H W", name="feature")["B"]
    check_shape(mask, f"B={batch} R H W", name="mask", remedy="one mask per feature map")
    mask = resize_mask(mask, (feature.shape[-2], feature.shape[-1])).to(feature.dtype)
    weight = mask / mask.sum((-2, -1), keepdim=True).clamp_min(1)
    pixels, shares = feature.flatten(2), weight.flatten(2)
    if is_channels_last(feature):
        return shares @ pixels.transpose(1, 2)
    # The same product the other way round, which reads planes up to twice as fast.
    return (pixels @ shares.transpose(1, 2)).transpose(1, 2).contiguous()


def region_presence(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Tell which regions keep at least one pixel when the mask is resized by ``nearest``.

    Args:
        mask: ``B R H W``.
        size: height and width of the finest map that is pooled.

    Returns:
        ``B R`` bool.
    """
    return resize_mask(mask, size).flatten(2).amax(-1) > 0
