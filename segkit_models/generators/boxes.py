"""Which pixels of a network's maps a part of its image depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class Box(NamedTuple):
    """A rectangle of pixels; ``bottom`` and ``right`` lie outside.

    Attributes:
        top: first row.
        bottom: row after the last.
        left: first column.
        right: column after the last.
    """

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def whole(cls, side: int) -> Box:
        """Return the box of a square map."""
        return cls(0, side, 0, side)

    def grown(self, by: int, side: int) -> Box:
        """Add pixels on each side, as far as a map of ``side`` pixels has them."""
        return Box(
            max(0, self.top - by),
            min(side, self.bottom + by),
            max(0, self.left - by),
            min(side, self.right + by),
        )

    def halved(self) -> Box:
        """Return the pixels of a map of half the size that this box lies in."""
        return Box(self.top // 2, -(-self.bottom // 2), self.left // 2, -(-self.right // 2))

    def doubled(self) -> Box:
        """Return the same rectangle in a map of twice the size."""
        return Box(*(2 * edge for edge in self))

    def joined(self, other: Box) -> Box:
        """Return the smallest box around two."""
        return Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


def cut(x: Tensor, box: Box, *, of: Box) -> Tensor:
    """Cut a part out of a map ``... H W`` that holds the pixels ``of``."""
    if box == of:
        return x
    return x[..., box.top - of.top : box.bottom - of.top, box.left - of.left : box.right - of.left]


class BlockBoxes(NamedTuple):
    """What a block of StyleGAN2's generator has to work out, at its own size but for ``entry``.

    Attributes:
        entry: what its first convolution needs of the map before, which it doubles; in the first
            block, which doubles nothing, of the constant.
        middle: what the second convolution needs of the first one's map.
        feature: what the image and the next block need of the second one's map.
        image: what the next block, or the caller, needs of the image.
    """

    entry: Box
    middle: Box
    feature: Box
    image: Box


def block_boxes(box: Box, sides: Sequence[int]) -> list[BlockBoxes]:
    """Follow a part of the image back through the blocks.

    A 3 x 3 convolution needs a pixel around, and so do doubling with or without convolution, in
    pixels of the smaller map. Zeros that a convolution pads where the map goes on spoil the outmost
    pixels of its result, and those are never in the next box.

    Args:
        box: wanted of the image of the last size.
        sides: sizes of the blocks, each twice the one before.
    """
    found: list[BlockBoxes] = []
    image = box
    entered: Box | None = None
    for index in range(len(sides) - 1, -1, -1):
        feature = image if entered is None else image.joined(entered)
        middle = feature.grown(1, sides[index])
        if index == 0:
            found.append(BlockBoxes(middle, middle, feature, image))
            break
        before = sides[index - 1]
        entered = middle.halved().grown(1, before)
        found.append(BlockBoxes(entered, middle, feature, image))
        image = image.halved().grown(1, before)
    return found[::-1]
