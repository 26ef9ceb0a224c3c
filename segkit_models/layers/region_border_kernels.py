"""Kernels of Triton that find the pixels at borders and amend them; imported at the first launch.

As `region_kernels`, but where a convolution styled by the input's regions was run already.
"""

from __future__ import annotations

import triton
import triton.language as tl

from segkit_models.layers.region_kernels import configs, seen_places

BLOCK_LISTED = 512

KINDS = 9
"""How pixels at borders are listed, by the lines of their window that see another region: the top,
bottom, left or right one, the two at the top, bottom, left or right, or any."""


@triton.jit
def kind_of(bits: tl.tensor) -> tl.tensor:
    """Return the first of KINDS whose lines hold all places of a window that have a bit."""
    kind = tl.where(bits & 0b001001001 == 0, 7, 8)
    kind = tl.where(bits & 0b100100100 == 0, 6, kind)
    kind = tl.where(bits & 0b000000111 == 0, 5, kind)
    kind = tl.where(bits & 0b111000000 == 0, 4, kind)
    kind = tl.where(bits & 0b011011011 == 0, 3, kind)
    kind = tl.where(bits & 0b110110110 == 0, 2, kind)
    kind = tl.where(bits & 0b000111111 == 0, 1, kind)
    return tl.where(bits & 0b111111000 == 0, 0, kind)


@triton.jit(do_not_specialize=["rows", "height", "width"])
def list_borders(
    labels_in: tl.tensor,
    labels: tl.tensor,
    listed: tl.tensor,
    counts: tl.tensor,
    rows: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    STEP: tl.constexpr,
    KINDS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """List the pixels of each plane whose window sees another region than their own, by kind.

    ``counts`` starts at zero. The order of a list is that in which programs finish, which no
    result depends on: every pixel is amended by itself.
    """
    phase = tl.program_id(1)
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    wanted = pixel < rows
    row, column = pixel // width, pixel % width
    place = (row * STEP + phase // STEP) * (STEP * width) + column * STEP + phase % STEP
    own = tl.load(labels + place, mask=wanted, other=0)
    seen = tl.where(wanted, seen_places(row % height, column, height, width), 0)
    bits = tl.zeros((BLOCK,), dtype=tl.int32)
    for tap in tl.static_range(9):
        inside = (seen >> tap) & 1 != 0
        beside = pixel + (tap // 3 - 1) * width + tap % 3 - 1
        other = tl.load(labels_in + beside, mask=inside, other=0)
        bits |= (inside & (other != own)).to(tl.int32) << tap
    kind = tl.where(bits == 0, KINDS, kind_of(bits))
    for each in tl.static_range(KINDS):
        chosen = (kind == each).to(tl.int32)
        entry = phase * KINDS + each
        first = tl.atomic_add(counts + entry, tl.sum(chosen, 0))
        number = first + tl.cumsum(chosen, 0) - 1
        tl.store(listed + entry * rows + number, pixel, mask=chosen != 0)


@triton.jit
def excess_product(
    inputs: tl.tensor,
    styles: tl.tensor,
    beside_labels: tl.tensor,
    own: tl.tensor,
    matrices: tl.tensor,
    seen: tl.tensor,
    kind: tl.tensor,
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
    """Sum the lines of a kind, times what the style should be more than it was.

    ``inputs`` and ``beside_labels`` point at each pixel's own, ``styles`` at the sample's table;
    the rest as of `window_product`.
    """
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    depth = tl.arange(0, BLOCK_K)
    within = (columns < outputs)[None, :]
    lines = 1 + kind // 4
    start, turned = (3 - lines) * (kind % 2), kind // 2 % 2
    for step in range(3 * lines * tl.cdiv(channels, BLOCK_K)):
        line, along = start + step // 3 % lines, step % 3
        tap = tl.where(turned == 1, 3 * along + line, 3 * line + along)
        channel = step // (3 * lines) * BLOCK_K + depth
        known = channel < channels
        beside = (tap // 3 - 1) * width + tap % 3 - 1
        inside = (seen >> tap) & 1 != 0
        there = inside[:, None] & known[None, :]
        value = inputs[:, None] + (beside * channels + channel)[None, :]
        value = tl.load(value, mask=there, other=0.0)
        other = tl.load(beside_labels + beside, mask=inside, other=0).to(tl.int32)
        right, wrong = styles + own * channels, styles + other * channels
        right = tl.load(right[:, None] + channel[None, :], mask=there, other=0.0)
        wrong = tl.load(wrong[:, None] + channel[None, :], mask=there, other=0.0)
        matrix = tl.load(
            matrices + (tap * outputs + columns)[None, :] * channels + channel[:, None],
            mask=known[:, None] & within,
            other=0.0,
        )
        # Both steps are rounded, so that the compiler may take them in half precision at once.
        excess = (right.to(tl.float32) - wrong.to(tl.float32)).to(value.dtype)
        excess = (value.to(tl.float32) * excess.to(tl.float32)).to(value.dtype)
        if WIDENED:
            excess, matrix = excess.to(tl.float32), matrix.to(tl.float32)
        total = tl.dot(excess, matrix, total, input_precision=PRECISION)
    return total


@triton.autotune(
    configs=configs(),
    key=["channels", "outputs", "extent", "STEP", "PRECISION"],
    restore_value=["y"],
    cache_results=True,
)
@triton.jit(do_not_specialize=["rows", "height", "width", "extent"])
def amend_borders(
    x: tl.tensor,
    y: tl.tensor,
    matrices: tl.tensor,
    modulation: tl.tensor,
    demodulation: tl.tensor,
    labels_in: tl.tensor,
    labels: tl.tensor,
    listed: tl.tensor,
    counts: tl.tensor,
    rows: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.tensor,
    outputs: tl.tensor,
    modulation_stride: tl.tensor,
    demodulation_stride: tl.tensor,
    extent: tl.tensor,
    STEP: tl.constexpr,
    KINDS: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDENED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
) -> None:
    """Add to a tile of listed pixels what the styles of the other regions they see left out.

    Arguments as of `styled_convolution`; ``y`` holds the convolution styled by the input's regions,
    and normalised.
    """
    per_phase = tl.cdiv(outputs, BLOCK_N)
    tile = tl.program_id(0) // (per_phase * STEP * STEP)
    across = tl.program_id(0) % (per_phase * STEP * STEP)
    phase = across // per_phase
    # The tiles of the lists follow each other; which list this one is of is known here only.
    lists = tl.arange(0, 16)
    lengths = tl.load(counts + phase * KINDS + lists, mask=lists < KINDS, other=0)
    tiles = (lengths + BLOCK_M - 1) // BLOCK_M
    kind = tl.sum((tl.cumsum(tiles, 0) <= tile).to(tl.int32), 0)
    if kind >= KINDS:
        return
    number = tile - tl.sum(tl.where(lists < kind, tiles, 0), 0)
    count = tl.load(counts + phase * KINDS + kind)
    entry = number * BLOCK_M + tl.arange(0, BLOCK_M)
    wanted = entry < count
    pixel = tl.load(listed + (phase * KINDS + kind) * rows + entry, mask=wanted, other=0)
    sample, row, column = pixel // (height * width), pixel // width, pixel % width
    place = (row * STEP + phase // STEP) * (STEP * width) + column * STEP + phase % STEP
    own = tl.load(labels + place, mask=wanted, other=0).to(tl.int32)
    seen = tl.where(wanted, seen_places(row % height, column, height, width), 0)
    styles = modulation + sample * modulation_stride
    inputs = x + pixel.to(tl.int64) * channels
    columns = across % per_phase * BLOCK_N + tl.arange(0, BLOCK_N)
    total = excess_product(
        inputs, styles, labels_in + pixel, own, matrices + phase * 9 * channels * outputs,
        seen, kind, columns, width, channels, outputs,
        PRECISION, WIDENED, BLOCK_M, BLOCK_N, BLOCK_K,
    )  # fmt: skip
    kept = wanted[:, None] & (columns < outputs)[None, :]
    norms = demodulation + (sample * demodulation_stride + own * outputs)
    total *= tl.load(norms[:, None] + columns[None, :], mask=kept, other=0.0)
    made = y + place.to(tl.int64)[:, None] * outputs + columns[None, :]
    total += tl.load(made, mask=kept, other=0.0).to(tl.float32)
    tl.store(made, total.to(y.dtype.element_ty), mask=kept)
