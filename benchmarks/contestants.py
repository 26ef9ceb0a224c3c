"""Single parts that run against each other in ``benchmarks/run.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.peers import draw_masked, public_generator
from benchmarks.reference_loop import draw_by_loop, pool_by_loop
from segkit.backends import halved_generator
from segkit.bfloat16 import is_fast_on
from segkit.regions import one_hot
from segkit_models.baselines.wav2lip import Wav2Lip
from segkit_models.generators import RegionStyleGAN2
from segkit_models.layers.region_pooling import region_means
from segkit_models.mask_decoders import UNetMaskDecoder

NUM_REGIONS = 12

IN_BFLOAT16: dict[str, Any] = dict(dtype=torch.bfloat16, tolerance=3e-2)
"""Of contestants in bfloat16, which compete on devices that have units for it."""


@dataclass(frozen=True)
class Contestant:
    """One way to do a group's work.

    Args:
        name: for the table.
        run: does the work once; returns what is compared.
        tolerance: largest difference from the first, in parts of its range.
        comparable: whether it gives what the first gives; others are there for their time alone.
        saved_mb: measures what forward keeps for backward.
        yardstick: others are told how they compare with it; the first is always one.
        frames: made by one run; seconds and work are those of one.
        counted: whether its operations can be counted: those of other libraries show none, and
            compiled code that is once watched while it runs is never run again.
        dtype: in which it multiplies; its share of the peak is of that type's.
    """

    name: str
    run: Callable[[], Tensor]
    tolerance: float = 1e-5
    comparable: bool = True
    saved_mb: Callable[[], float] | None = None
    yardstick: bool = False
    frames: int = 1
    counted: bool = True
    dtype: torch.dtype = torch.float32


def face_mask(side: int, *, batch: int = 1) -> Tensor:
    """Draw a face of ellipses, one-hot ``B R side side``."""
    grid = (torch.arange(side) + 0.5) / side
    labels = torch.zeros(side, side, dtype=torch.long)
    for region, x, y, width, height in (
        (4, 0.5, 0.38, 0.36, 0.36), (8, 0.5, 0.95, 0.15, 0.2), (6, 0.5, 0.54, 0.28, 0.36),
        (7, 0.22, 0.5, 0.04, 0.08), (7, 0.78, 0.5, 0.04, 0.08), (5, 0.5, 0.54, 0.05, 0.06),
        (3, 0.37, 0.42, 0.06, 0.025), (3, 0.63, 0.42, 0.06, 0.025), (2, 0.37, 0.36, 0.07, 0.015),
        (2, 0.63, 0.36, 0.07, 0.015), (1, 0.5, 0.66, 0.1, 0.04), (9, 0.5, 0.66, 0.06, 0.012),
    ):  # fmt: skip
        rows, columns = (grid[:, None] - y) / height, (grid - x) / width
        labels[rows.square() + columns.square() <= 1] = region
    return one_hot(labels, NUM_REGIONS)[None].expand(batch, -1, -1, -1)


def drawing(
    size: int,
    *,
    layers: int,
    channels: tuple[int, ...] | None = None,
    style_dim: int = 512,
    peer: Path | None = None,
) -> list[Contestant]:
    """Draw a face from prepared style codes; the reference prepares at every call, as it does.

    With a checkout of E4S as ``peer`` its own generator competes too.
    """
    hybrid, spatial, styles = _generators(size, layers, channels, style_dim)
    public = None if peer is None else public_generator("e4s", peer, hybrid)
    spatial.load_state_dict(hybrid.state_dict())
    mask = face_mask(size)
    tables, plain_tables = hybrid.prepare(styles), spatial.prepare(styles)
    speech, faces = torch.randn(1, 1, 80, 16), torch.rand(1, 6, 96, 96)
    plain = torch.ones(1, 1, size, size)
    single = _unmasked(spatial)
    plain_public = no_grad(lambda: draw_by_loop(single, styles[:, :1], plain))
    contestants = [
        Contestant("loop over regions (E4S)", no_grad(lambda: draw_by_loop(hybrid, styles, mask))),
        Contestant("exact hybrid", no_grad(lambda: hybrid.render(tables, mask))),
        Contestant("plain StyleGAN2, public form", plain_public, comparable=False, yardstick=True),
        Contestant(
            "spatial", no_grad(lambda: spatial.render(plain_tables, mask)), comparable=False
        ),
    ]
    if is_fast_on(mask.device):
        halved: Any = halved_generator(hybrid)
        run = no_grad(lambda: halved.render(tables, mask))
        contestants.append(Contestant("exact hybrid, bfloat16", run, **IN_BFLOAT16))
    if size >= 256:
        network = Wav2Lip().eval()
        run = no_grad(lambda: network(speech, faces))
        contestants.append(Contestant("Wav2Lip 96", run, comparable=False, yardstick=True))
    if public is not None:
        run = no_grad(lambda: draw_masked(public, styles, mask))
        contestants.append(Contestant("E4S' checkout", run, tolerance=1e-4, yardstick=True))
    return contestants


def learning(
    size: int, *, channels: tuple[int, ...] | None = None, style_dim: int = 512
) -> list[Contestant]:
    """Draw a face and follow a loss back to its style codes and to the weights."""
    hybrid, _, styles = _generators(size, 13, channels, style_dim)
    mask = face_mask(size)
    target = torch.randn(1, 3, size, size)

    def step(draw: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        def run() -> Tensor:
            hybrid.zero_grad()
            codes = styles.clone().requires_grad_()
            (draw(codes) * target).sum().backward()
            assert codes.grad is not None
            return codes.grad

        return run

    def loop(codes: Tensor) -> Tensor:
        return draw_by_loop(hybrid, codes, mask)

    def ours(codes: Tensor) -> Tensor:
        return hybrid(codes, mask)

    return [
        Contestant("loop over regions (E4S)", step(loop), saved_mb=lambda: saved(loop, styles)),
        # Rounding turns some leaky ReLUs the other way; in float64 the gradients are equal.
        Contestant(
            "exact hybrid", step(ours), tolerance=2e-3, saved_mb=lambda: saved(ours, styles)
        ),
    ]


def saved(draw: Callable[[Tensor], Tensor], styles: Tensor) -> float:
    """Return the MB that a forward pass keeps for the backward pass, every storage once."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        image = draw(styles.clone().requires_grad_())
    assert image.requires_grad
    return sum(kept.values()) / 1e6


def pooling(channels: int, side: int) -> list[Contestant]:
    """Average a feature map inside the regions of four masks."""
    feature, mask = torch.randn(4, channels, side, side), face_mask(4 * side, batch=4).contiguous()
    return [
        Contestant("picking pixels (E4S)", lambda: pool_by_loop(feature, mask)),
        Contestant("one product", lambda: region_means(feature, mask)),
    ]


def speaking(size: int, *, width: float = 1.0) -> list[Contestant]:
    """Predict the mask of a frame: of a film, and of a portrait whose masks are prepared.

    Whole and only the lower half, which is what is used, and is compared.
    """
    decoder: Any = UNetMaskDecoder(size=size, width=width).eval()
    mask, audio, half = face_mask(size), torch.randn(1, 512), size // 2
    with torch.no_grad():
        prepared = decoder.prepare(mask, mask)

    def film(first_row: int) -> Tensor:
        return decoder(mask, mask, audio, first_row=first_row)[:, :, half:]

    def portrait(first_row: int) -> Tensor:
        return decoder.decode_prepared(prepared, audio, first_row=first_row)[:, :, half:]

    return [
        Contestant("film", no_grad(lambda: film(0))),
        Contestant("film, lower half", no_grad(lambda: film(half - 1))),
        Contestant("portrait", no_grad(lambda: portrait(0))),
        Contestant("portrait, lower half", no_grad(lambda: portrait(half - 1))),
    ]


def _generators(
    size: int, layers: int, channels: tuple[int, ...] | None, style_dim: int
) -> tuple[RegionStyleGAN2, RegionStyleGAN2, Tensor]:
    hybrid, spatial = (
        RegionStyleGAN2(
            size=size,
            channels=channels,
            style_dim=style_dim,
            num_masked_layers=layers,
            region_conv=form,
        ).eval()
        for form in ("hybrid", "spatial")
    )
    return hybrid, spatial, torch.randn(1, NUM_REGIONS, hybrid.num_layers, style_dim) * 0.5


def _unmasked(generator: RegionStyleGAN2) -> RegionStyleGAN2:
    """Give a generator's weights to one that knows a single region."""
    plain = RegionStyleGAN2(
        size=generator.size,
        num_regions=1,
        channels=generator.channels,
        style_dim=generator.style_dim,
    )
    plain.load_state_dict(generator.state_dict())
    return plain.eval()


def no_grad(run: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Let a contestant run without gradients."""
    return torch.no_grad()(run)
