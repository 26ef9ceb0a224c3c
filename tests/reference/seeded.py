"""States of seeded numbers under given names and shapes, and how far two results are apart."""

import math
import zlib

import torch


def seeded_state(shapes, *, seed=0, dtype=torch.float64):
    """Fill names and shapes so that signals neither die nor grow.

    Args:
        shapes: name -> shape.
        seed: another seed gives other numbers.
        dtype: of the floats.

    Returns:
        Name -> tensor; a value depends on its name, its shape and the seed alone.
    """
    return {name: _value(name, tuple(shape), seed, dtype) for name, shape in shapes.items()}


def relative_error(found, expected):
    """Return the largest difference as a share of the largest expected number."""
    assert found.shape == expected.shape, (tuple(found.shape), tuple(expected.shape))
    return ((found - expected).abs().max() / expected.abs().max()).item()


def norm_shapes(name, channels):
    """Names and shapes of a batch norm."""
    numbers = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{key}": (channels,) for key in numbers} | {f"{name}.num_batches_tracked": ()}


def _value(name, shape, seed, dtype):
    last = name.rpartition(".")[2]
    if last == "num_batches_tracked":
        return torch.zeros((), dtype=torch.long)
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}:{name}".encode()))
    normal = torch.randn(shape, generator=generator, dtype=dtype)
    if last == "running_var":
        return 0.5 + torch.rand(shape, generator=generator, dtype=dtype)
    if last in ("bias", "running_mean"):
        return 0.1 * normal
    if len(shape) < 2:
        return 1 + 0.1 * normal
    return normal * math.sqrt(2 / math.prod(shape[1:]))
