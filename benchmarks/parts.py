"""A part of a drawn face beside the whole: what a film whose upper half stays has to pay."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.contestants import Contestant, face_mask, no_grad
from segkit_models.generators import RegionStyleGAN2


def parts(
    size: int, *, form: str, channels: tuple[int, ...] | None = None, style_dim: int = 512
) -> list[Contestant]:
    """Draw the whole, the lower half, and the middle half of the lower half.

    A part is laid into the whole that was drawn before, so that all of them can be compared.

    Args:
        size: side of the picture.
        form: see ``RegionModulatedConv2d``.
        channels: of the generator; StyleGAN2's by default.
        style_dim: width of the style codes.
    """
    generator = RegionStyleGAN2(
        size=size, region_conv=form, channels=channels, style_dim=style_dim
    ).eval()
    mask = face_mask(size)
    with torch.no_grad():
        tables = generator.prepare(torch.randn(1, 12, generator.num_layers, style_dim))
        whole = generator.render(tables, mask)

    def part(box: tuple[int, int, int, int]) -> Tensor:
        image = whole.clone()
        image[..., box[0] : box[1], box[2] : box[3]] = generator.render(tables, mask, box=box)
        return image

    half, quarter = size // 2, size // 4
    lower, face = (half, size, 0, size), (half, size, quarter, size - quarter)
    return [
        Contestant("whole", no_grad(lambda: generator.render(tables, mask))),
        Contestant("lower half", no_grad(lambda: part(lower))),
        Contestant("lower face, half as wide", no_grad(lambda: part(face))),
    ]
