"""`segkit fit`: adapt a bundle to one person from a few seconds of film."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from segkit.contracts import FPS
from segkit.parser_choice import build_parser
from segkit.progress import progress_bars
from segkit.talk.budget import Budget
from segkit.talk.bundle import Bundle, check_writable, load_bundle, save_bundle
from segkit.talk.fit_images import enlarge
from segkit.talk.fit_masks import MaskFit, fit_masks, predicted_labels
from segkit.talk.fit_sizes import fit_by_sizes
from segkit.talk.identity import encode_styles
from segkit.talk.person_clip import PersonClip, read_person
from segkit.talk.sound_delay import delayed, sound_delay

if TYPE_CHECKING:
    from rich.progress import Progress

    from segkit.faces.choice import FaceChoice

_LARGE = 256
_LARGE_FROM = 1.4
"""Film pixels per crop pixel from which a larger crop shows more of the person."""

_MASK_SHARE = 0.3
"""Most of the time that speech -> masks may take; drawing takes the rest."""

_MASK_PASSES = 16
"""Passes over the film for speech -> masks. Of two films and two or three seeds, lips and mouth of
new sentences overlapped by 0.803 and 0.721 after 8, by 0.816 and 0.735 after 16, by 0.816 and 0.750
(one seed) after 32, while their opening correlated alike."""

_MASK_BATCH = 8

_HELD_OUT = 0.1


def fit(
    clip: str | Path,
    *,
    out: str | Path,
    audio: str | Path | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    minutes: float = 10.0,
    size: int | None = None,
    face: FaceChoice | int | None = None,
    model: str | Path | Bundle | None = None,
    parser: str | Path | nn.Module | dict[str, Any] | None = None,
    seed: int = 0,
    steps: int | None = None,
    device: str | None = None,
    half: bool = True,
    save_on_interrupt: bool = False,
    force: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Adapt the pretrained parts to one person.

    Args:
        clip: film of the talking person, at least a second, best ten or more; a minute is enough.
        out: bundle to write, for `talk(model=...)`; it appears whole or not at all.
        audio: what is said in the clip, from its first frame on; None takes its own sound.
        start_s: first second to learn from.
        end_s: last second to learn from; None takes the end, at most a minute in all.
        minutes: time to train; reading the clip comes on top.
        size: side of the drawn crop; None takes the model's, or 256 where the film shows more
            detail.
        face: which face, counted from left to right in the first frame with faces.
        model: bundle to start from, or its path; None takes the built-in one.
        parser: labels the face, see `build_parser`; None takes `MeshParser`.
        seed: of all draws.
        steps: training steps of each half, instead of ``minutes``; makes the fit repeatable.
        device: such as ``"cpu"``; None takes a GPU where there is one.
        half: store 16-bit weights, for a file of half the size.
        save_on_interrupt: on Ctrl-C, write the best so far; otherwise nothing is written.
        force: replace an existing bundle.
        progress: show progress bars.

    Returns:
        A report: ``frames``, ``seconds``, ``size``, ``sound_delay_s`` (how much later than the
        mouth the film's sound comes), and for ``masks`` and ``images`` the steps and held-out
        numbers before and after.

    Raises:
        FileNotFoundError: an input or the output's folder is not there.
        FileExistsError: the output is there and ``force`` is not set.
        ValueError: a clip that cannot be used, no face, several faces, or a bad range.
    """
    begun = time.perf_counter()
    out = Path(out)
    check_writable(out, force=force)
    if not minutes > 0:
        raise ValueError(f"minutes: expected a positive number, got {minutes}")
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    bundle = copy.deepcopy(model) if isinstance(model, Bundle) else load_bundle(model)
    _check_size(size, bundle)
    built = build_parser(parser, scheme=bundle.scheme)
    report: dict[str, Any] = {}
    with progress_bars(show=progress) as bars:
        person = read_person(
            clip,
            size=size or max(_LARGE, bundle.size),
            parser=built,
            bars=bars,
            audio=audio,
            face=face,
            start_s=start_s,
            end_s=end_s,
        )
        if size is None:
            person = _suited(person, bundle)
        first = bundle.size
        enlarge(bundle, person.images.shape[-1]).to(place)
        person = person.resized(bundle.size)
        person, report["sound_delay_s"] = synchronised(person, bundle)
        with _seeded(seed), _interruptible(report, allowed=save_on_interrupt):
            _train(bundle, person, report, bars, 60 * minutes, seed, steps, place, first)
    bundle.person["sound_delay_s"] = torch.tensor(report["sound_delay_s"])
    bundle.card = _card(bundle, clip, start_s, end_s, seed, report)
    bundle.to("cpu")
    save_bundle(out, bundle, half=half, force=force)
    return {
        "frames": len(person),
        "size": bundle.size,
        **report,
        "seconds": round(time.perf_counter() - begun, 1),
        "out": str(out),
    }


def _train(
    bundle: Bundle,
    person: PersonClip,
    report: dict[str, Any],
    bars: Progress,
    seconds: float,
    seed: int,
    steps: int | None,
    device: torch.device,
    first_size: int,
) -> None:
    """Masks first, so that the drawing half learns on the masks it will meet."""
    held_out = round(_HELD_OUT * len(person))
    remember_person(bundle, person, device)
    masks = MaskFit(bundle, person, held_out=held_out, seed=seed, device=device)
    begun = time.perf_counter()
    enough = _MASK_PASSES * masks.num_train // _MASK_BATCH
    budget = Budget(_MASK_SHARE * seconds, bars, "masks ", steps=steps, most_steps=enough)
    report["masks"] = fit_masks(masks, budget, batch_size=_MASK_BATCH)
    spoken = predicted_labels(masks, person.labels)
    left = seconds - (time.perf_counter() - begun)
    report["images"] = fit_by_sizes(
        bundle, person, spoken, first=first_size, held_out=held_out, seed=seed, seconds=left,
        bars=bars, steps=steps, device=device,
    )  # fmt: skip


def synchronised(person: PersonClip, bundle: Bundle) -> tuple[PersonClip, float]:
    """Bring the speech of a clip to its mouth; returns the clip and the delay found, in seconds."""
    frames = sound_delay(bundle.modules["audio_encoder"], person)
    return replace(person, waveform=delayed(person.waveform, -frames)), frames / FPS


def remember_person(bundle: Bundle, person: PersonClip, device: torch.device) -> None:
    """Store the closed-mouth reference and the mean style codes of a person in a bundle."""
    closed = person.closed_mouth()
    index = torch.linspace(0, len(person) - 1, min(12, len(person))).round().long()
    crops = person.images[index].permute(0, 2, 3, 1).numpy()
    styles, presence = encode_styles(bundle, crops, person.labels[index].numpy(), device)
    shown = presence.float()
    share = torch.where(
        presence.any(0), shown / shown.sum(0).clamp_min(1), torch.full_like(shown, 1 / len(shown))
    )
    bundle.person = {
        "reference_labels": person.labels[closed].clone(),
        "reference_image": person.images[closed].clone(),
        "styles": (styles * share[..., None, None]).sum(0).cpu(),
        "presence": presence.any(0).cpu(),
    }


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw what layers and losses draw from one seed, and leave the caller's generator alone."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


@contextmanager
def _interruptible(report: dict[str, Any], *, allowed: bool) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if not allowed:
            raise
        report["interrupted"] = True


def _check_size(size: int | None, bundle: Bundle) -> None:
    if size is not None and (size < bundle.size or size & (size - 1)):
        raise ValueError(
            f"size: expected a power of two from the model's {bundle.size} on, got {size}"
        )


def _suited(person: PersonClip, bundle: Bundle) -> PersonClip:
    """Keep the large crop only if the film has the detail for it."""
    detailed = person.source_scale * person.images.shape[-1] >= _LARGE_FROM * bundle.size
    return person if detailed else person.resized(bundle.size)


def _card(
    bundle: Bundle,
    clip: str | Path,
    start_s: float,
    end_s: float | None,
    seed: int,
    report: dict[str, Any],
) -> dict[str, Any]:
    fitted = {
        "clip": Path(clip).name,
        "start_s": start_s,
        "end_s": end_s,
        "seed": seed,
        **report,
    }
    return {**bundle.card, "fitted": fitted}
