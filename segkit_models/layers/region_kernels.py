"""Kernels of Triton for the region-modulated convolution; imported when one is first launched.

Pixels are counted in planes: the output of a doubling layer is four planes of the input's size, one
for each parity of row and column (``STEP`` is 2, and 1 elsewhere). All maps have channels last.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton import knobs

INTERPRETED: bool = knobs.runtime.interpret
"""Whether the kernels run as Python, on the CPU (``TRITON_INTERPRET=1``)."""

# What a program makes, and how much of the sum it takes at once; found at the first call for each
# size by trying. Those that need more memory than the device's cores have are left out there.
_BLOCKS = (
    (128, 128, 64, 8, 3),
    (128, 128, 32, 8, 3),
    (128, 64, 32, 4, 3),
    (64, 64, 64, 4, 3),
    (32, 64, 64, 4, 4),
)
_BLOCKS_INTERPRETED = ((64, 32, 32, 1, 1),)


def configs() -> list[triton.Config]:
    """Return what is tried."""
    return [
        triton.Config(
            dict(BLOCK_M=rows, BLOCK_N=columns, BLOCK_K=depth),
            num_warps=warps,
            num_stages=stages,
        )
        for rows, columns, depth, warps, stages in (_BLOCKS_INTERPRETED if INTERPRETED else _BLOCKS)
    ]


@triton.jit
def seen_places(
    row: tl.tensor, column: tl.tensor, height: tl.tensor, width: tl.tensor
) -> tl.tensor:
    """Return a bit for each place of the 3 x 3 window around a pixel that the image has."""
    above, below = tl.where(row > 0, 0b000000111, 0), tl.where(row < height - 1, 0b111000000, 0)
    left = tl.where(column > 0, 0b001001001, 0)
    right = tl.where(column < width - 1, 0b100100100, 0)
    return (above | 0b000111000 | below) & (left | 0b010010010 | right)


@triton.jit
def window_product(
    inputs: tl.tensor,
    styles: tl.tensor,
    matrices: tl.tensor,
    seen: tl.tensor,
    columns: tl.tensor,
    width: tl.tensor,
    channels: tl.tensor,
    outputs: tl.tensor,
    PRECISION: tl.constexpr,
    WIDENED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> tl.tensor:
    """Sum a tile's windows times the kernel, styled by the pixel in the window's middle.

    ``inputs`` and ``styles`` point at the first channel of each pixel's own, ``matrices`` at the
    phase's first matrix; ``seen`` has a bit for each place of the window.
    """
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    depth = tl.arange(0, BLOCK_K)
    within = (columns < outputs)[None, :]
    for step in range(9 * tl.cdiv(channels, BLOCK_K)):
        # Places turn fastest, so that nine steps read one piece of the style.
        tap = step % 9
        channel = step // 9 * BLOCK_K + depth
        known = channel < channels
        beside = ((tap // 3 - 1) * width + tap % 3 - 1) * channels
        there = ((seen >> tap) & 1 != 0)[:, None] & known[None, :]
        value = tl.load(inputs[:, None] + (beside + channel)[None, :], mask=there, other=0.0)
        style = tl.load(styles[:, None] + channel[None, :], mask=there, other=0.0)
        matrix = tl.load(
            matrices + (tap * outputs + columns)[None, :] * channels + channel[:, None],
            mask=known[:, None] & within,
            other=0.0,
        )
        # In half precision the product is rounded once, as torch rounds it.
        styled = (value.to(tl.float32) * style.to(tl.float32)).to(value.dtype)
        if WIDENED:
            styled, matrix = styled.to(tl.float32), matrix.to(tl.float32)
        total = tl.dot(styled, matrix, total, input_precision=PRECISION)
    return total


@triton.autotune(
    configs=configs(),
    key=["channels", "outputs", "extent", "STEP", "PRECISION"],
    cache_results=True,
)
@triton.jit(do_not_specialize=["rows", "height", "width", "extent"])
def styled_convolution(
    x: tl.tensor,
    y: tl.tensor,
    matrices: tl.tensor,
    modulation: tl.tensor,
    demodulation: tl.tensor,
    labels: tl.tensor,
    rows: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.tensor,
    outputs: tl.tensor,
    modulation_stride: tl.tensor,
    demodulation_stride: tl.tensor,
    extent: tl.tensor,
    STEP: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDENED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr = 8,
) -> None:
    """Make a tile of the output: BLOCK_M pixels of one plane, BLOCK_N channels.

    ``rows`` is the number of a plane's pixels in all samples. A stride of 0 lets all samples share
    a table. ``extent`` is ``rows`` rounded up: the blocks are chosen by it, not by every box.
    """
    per_phase = tl.cdiv(outputs, BLOCK_N)
    tiles = per_phase * STEP * STEP
    # Programs that read the same pixels run near each other, to find them in the shared cache.
    program = tl.program_id(0)
    first = program // (GROUP * tiles) * GROUP
    grouped = tl.minimum(tl.cdiv(rows, BLOCK_M) - first, GROUP)
    tile = first + program % (GROUP * tiles) % grouped
    across = program % (GROUP * tiles) // grouped
    phase = across // per_phase
    pixel = tile * BLOCK_M + tl.arange(0, BLOCK_M)
    wanted = pixel < rows
    sample, row, column = pixel // (height * width), pixel // width, pixel % width
    # Rows of all samples follow each other, in the output too.
    place = (row * STEP + phase // STEP) * (STEP * width) + column * STEP + phase % STEP
    own = tl.load(labels + place, mask=wanted, other=0).to(tl.int32)
    columns = across % per_phase * BLOCK_N + tl.arange(0, BLOCK_N)
    total = window_product(
        x + pixel.to(tl.int64) * channels,
        modulation + (sample * modulation_stride + own * channels),
        matrices + phase * 9 * channels * outputs,
        tl.where(wanted, seen_places(row % height, column, height, width), 0),
        columns, width, channels, outputs,
        PRECISION, WIDENED, BLOCK_M, BLOCK_N, BLOCK_K,
    )  # fmt: skip
    kept = wanted[:, None] & (columns < outputs)[None, :]
    norms = demodulation + (sample * demodulation_stride + own * outputs)
    total *= tl.load(norms[:, None] + columns[None, :], mask=kept, other=0.0)
    made = y + place.to(tl.int64)[:, None] * outputs + columns[None, :]
    tl.store(made, total.to(y.dtype.element_ty), mask=kept)
