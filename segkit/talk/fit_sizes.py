"""Learn to draw a person small first: a step costs a quarter there, and what it teaches stays."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from segkit.talk.budget import Budget
from segkit.talk.bundle import Bundle
from segkit.talk.fit_images import (
    ADVERSARIAL,
    ADVERSARIAL_FROM,
    LEARNING,
    SHARPENING,
    ImageFit,
    fit_images,
)
from segkit.talk.masks import shrunk
from segkit.talk.person_clip import PersonClip

if TYPE_CHECKING:
    from rich.progress import Progress

_TWICE_FROM = 512
"""Side from which a person is learned at half of it first."""

_SMALL_SHARE = 0.6
"""Of the time, for the half size. Of one film, an hour at 256 px, only enlarged to 512, had a mouth
LPIPS of 0.28, and ten minutes (526 steps) at 512 px after it brought that to 0.20; an hour shared
in this way ended at 0.16; but half an hour, a fifth of it at 512 px, on a loaded machine at 0.33.
"""

_LARGE_ADVERSARIAL = 0.05
"""Weight of the patch critic from 512 px on, where the plain errors favour blur more. In ten
minutes of one film (`SHARPENING`, one seed) 0.05 gave a mouth LPIPS of 0.17 and 32.0 dB, 0.1 gave
0.22 and 31.8 dB; 0.02, without steps for the lips alone, 0.26."""


def fit_by_sizes(
    bundle: Bundle,
    person: PersonClip,
    spoken: Tensor,
    *,
    first: int,
    held_out: int,
    seed: int,
    seconds: float,
    bars: Progress,
    steps: int | None,
    device: torch.device,
) -> dict[str, Any]:
    """Fine-tune a bundle's generator and the codes of its person, size after size.

    A generator that was grown holds the one it came from, whose picture it enlarges: that part
    learns from small pictures before the whole learns from large ones. Others learn from these
    alone.

    Args:
        bundle: with the generator, already of its final size, and ``person["styles"]``. When the
            training is stopped by Ctrl-C, it keeps the best so far.
        person: crops and masks of that size.
        spoken: ``T S S`` uint8, see `ImageFit`.
        first: side that the bundle came with.
        held_out: number of frames at the end that only choose the best weights.
        seed: of all draws.
        seconds: wall time in all.
        bars: where progress shows.
        steps: a number of steps in all instead of the time.
        device: of the model.

    Returns:
        What `fit_images` tells, over all sizes: numbers before the first and after the last, each
        of pictures of its size; and ``sizes``.
    """
    whole = bundle.modules["generator"]
    shares = _shares(whole, first, bundle.size)
    reports: list[dict[str, Any]] = []
    begun, done, curve = time.perf_counter(), 0, []
    for size, share in shares.items():
        last = size == bundle.size
        generator = whole if last else _part_of(whole, size)
        own = None if steps is None else steps - done if last else round(share * steps)
        styles = bundle.person["styles"][None].to(device)
        num_layers = styles.shape[2] if last else int(generator.num_layers)  # type: ignore[arg-type]
        learning = ImageFit(
            generator, bundle.scheme, person.resized(size), styles[:, :, :num_layers],
            shrunk(spoken, size), held_out=held_out, seed=seed, device=device,
            # What was learned small is there to be sharpened.
            order=SHARPENING if done else LEARNING,
        )  # fmt: skip
        title = "images" if last else f"images, {size} px first"
        passed = round(time.perf_counter() - begun)
        try:
            made = fit_images(
                learning,
                Budget(share * seconds, bars, title, steps=own),
                adversarial=_LARGE_ADVERSARIAL if size >= _TWICE_FROM else ADVERSARIAL,
                adversarial_from=0.0 if done else ADVERSARIAL_FROM,
            )
        finally:
            learned = learning.model.styles.detach()
            rest = learned[:, :, -1:].expand(-1, -1, styles.shape[2] - num_layers, -1)
            bundle.person["styles"] = torch.cat([learned, rest], 2)[0].cpu()
            if not last:
                whole.load_state_dict({**whole.state_dict(), **generator.state_dict()})
        reports.append(made)
        done += made["steps"]
        curve += [[passed + second, psnr] for second, psnr in made["curve"]]
    ends = {name: [reports[0][name][0], reports[-1][name][1]] for name in ("error", "psnr_lower")}
    return {"steps": done, **ends, "sizes": list(shares), "curve": curve}


def _shares(generator: nn.Module, first: int, last: int) -> dict[int, float]:
    """Return the sizes to learn at, and each one's share of the time."""
    half = last // 2
    if last < _TWICE_FROM or half < first or _truncated(generator) is None:
        return {last: 1.0}
    return {half: _SMALL_SHARE, last: 1 - _SMALL_SHARE}


def _part_of(generator: nn.Module, size: int) -> nn.Module:
    cut = _truncated(generator)
    assert cut is not None
    return cut(generator, size)


def _truncated(generator: nn.Module) -> Callable[..., nn.Module] | None:
    """Find what cuts a smaller generator out of a larger one, where its kind can be cut."""
    return getattr(inspect.getmodule(type(generator)), "truncated", None)
