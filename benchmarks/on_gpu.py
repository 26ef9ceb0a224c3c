"""The exact generator on a GPU beside plain StyleGAN2 with the same weights; the goal is 1.3x.

Run: ``python benchmarks/on_gpu.py [--dtype float16] [--batch 1] [--layers 13]``. Networks alone,
style codes prepared. One round draws once in each way, in turns; times are the medians. ``exact``
takes the kernels of Triton where they prove right, and the log says so where they do not.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.contestants import NUM_REGIONS, face_mask
from segkit_models.generators import RegionStyleGAN2
from segkit_models.layers.region_triton import DTYPES

WAYS = ("plain", "spatial", "hybrid", "exact")


@torch.no_grad()
def measure(
    size: int,
    *,
    device: torch.device,
    dtype: torch.dtype,
    batch: int,
    layers: int,
    rounds: int,
    channels: tuple[int, ...] | None = None,
) -> tuple[dict[str, list[float]], float]:
    """Draw in every way.

    Returns:
        Way -> seconds of each round; and the largest difference of exact and hybrid, in parts of
        the range.
    """
    draw = {way: _drawing(way, size, device, dtype, batch, layers, channels) for way in WAYS}
    images = {}
    for _ in range(2):  # compiling, choosing blocks
        images = {way: run().float() for way, run in draw.items()}
    error = (images["exact"] - images["hybrid"]).abs().max() / images["hybrid"].abs().max()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, run in draw.items():
            _wait(device)
            started = time.perf_counter()
            run()
            _wait(device)
            seconds[way].append(time.perf_counter() - started)
    return seconds, float(error)


def _drawing(
    way: str,
    size: int,
    device: torch.device,
    dtype: torch.dtype,
    batch: int,
    layers: int,
    channels: tuple[int, ...] | None,
) -> Callable[[], Tensor]:
    torch.manual_seed(0)
    regions = 1 if way == "plain" else NUM_REGIONS
    generator = RegionStyleGAN2(
        size=size,
        num_regions=regions,
        channels=channels,
        num_masked_layers=layers,
        region_conv="spatial" if way == "plain" else way,
    )
    generator = generator.to(device, dtype).eval()
    torch.manual_seed(1)
    styles = 0.5 * torch.randn(1, regions, generator.num_layers, generator.style_dim)
    with torch.no_grad():
        tables = generator.prepare(styles.to(device, dtype))
    mask = torch.ones(batch, 1, size, size) if way == "plain" else face_mask(size, batch=batch)
    mask = mask.to(device, dtype)
    return lambda: generator.render(tables, mask)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main(
    sizes: Annotated[list[int], typer.Option("--size")] = [256, 512],  # noqa: B006
    dtype: str = "float16",
    batch: int = 1,
    layers: int = 13,
    rounds: int = 30,
    device: str = "cuda",
) -> None:
    """Print milliseconds of each way and their ratio to plain StyleGAN2."""
    kinds = {str(kind).removeprefix("torch."): kind for kind in DTYPES}
    if dtype not in kinds:
        raise typer.BadParameter(f"--dtype: expected one of {', '.join(kinds)}, got {dtype!r}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise typer.BadParameter("--device: torch finds no CUDA device; --device cpu runs anywhere")
    for size in sizes:
        seconds, error = measure(
            size, device=torch.device(device), dtype=kinds[dtype], batch=batch, layers=layers,
            rounds=rounds,
        )  # fmt: skip
        print(f"{size} px, {dtype}, batch {batch}; exact and hybrid differ by {error:.1e}")
        for way, times in seconds.items():
            ratios = [own / plain for own, plain in zip(times, seconds["plain"], strict=True)]
            print(
                f"  {way:8} {1e3 * statistics.median(times):8.3f} ms"
                f"  {statistics.median(ratios):5.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
            )


if __name__ == "__main__":
    typer.run(main)
