"""Temporal stability of talking films: as made, and without the vote, the smoothing, or both.

Run: ``python benchmarks/stability.py FILM... [--seconds 3] [--model FILE]``. Each film is driven by
its own sound with the built-in model (or a fitted one). Still parts are those of the face crop,
inside the blend but away from mouth and jaw, that change least in the source.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from segkit.audio import load_audio
from segkit.edits import BlinkSchedule
from segkit.faces import apply_transform, crop_transforms, track_face, warp_crop
from segkit.parser_choice import build_parser
from segkit.talk.bundle import load_bundle
from segkit.talk.finishing import Finisher
from segkit.talk.identity import identity_of_crops, identity_of_person, reference_frames
from segkit.talk.sources import Played
from segkit.talk.speech import embed_speech
from segkit.talk.stability import frame_by_frame, jitter, mask_flicker, static_flicker
from segkit.talk.stream import Placement, cropped, drawn, parsed, speaking, voted
from segkit.video import VideoReader, at_fps


@torch.no_grad()
def measure(film: Path, *, seconds: float, model: Path | None) -> dict[str, tuple[float, ...]]:
    """Return way -> (jitter, mask flicker, flicker of still parts)."""
    with VideoReader(film) as reader:
        frames = list(itertools.islice(at_fps(reader), round(25 * seconds)))
    track = track_face(frames)
    bundle, parser = load_bundle(model), build_parser()
    size = bundle.size
    steady, raw = crop_transforms(track, size), frame_by_frame(track.landmarks, size)
    # Still in the steady crop of the source: the third of the cheeks and the nose that moves least.
    crops = np.stack([warp_crop(f, t, size) for f, t in zip(frames, steady, strict=True)])
    speech = embed_speech(bundle.modules["audio_encoder"], load_audio(film))
    found = {}
    still = _still(crops)
    found["source"] = (0.0, 0.0, static_flicker(crops, still))
    for way, transforms, votes in (
        ("as made", steady, True), ("no vote", steady, False),
        ("no smoothing", raw, True), ("frame by frame", raw, False),
    ):  # fmt: skip
        wanted = reference_frames(track.landmarks, track.detected)
        points = [apply_transform(transforms[k], track.landmarks[k]) for k in wanted]
        known = [warp_crop(frames[k], transforms[k], size) for k in wanted]
        device = torch.device("cpu")
        identity = (
            identity_of_person(bundle, device) if bundle.person
            else identity_of_crops(bundle, parser, known, points, device)
        )  # fmt: skip
        placement = Placement(transforms, track.valid, track.landmarks)
        played = (Played(frame, k / 25, k) for k, frame in enumerate(frames))
        shots = parsed(cropped(played, placement, size), placement, parser)
        spoken = speaking(shots, bundle, identity, speech, batch_size=8)
        made = list(
            drawn(
                voted(spoken) if votes else spoken, bundle, identity,
                blinks=BlinkSchedule(), batch_size=8,
            )
        )  # fmt: skip
        finisher = Finisher(None, scheme=bundle.scheme)
        # Seen through the steady crop in all cases, so that head motion counts in none.
        shown = (warp_crop(finisher(s), t, size) for s, t in zip(made, steady, strict=True))
        labels = [s.spoken for s in made if s.spoken is not None]
        found[way] = (jitter(transforms, size), mask_flicker(labels), static_flicker(shown, still))
    return found


def _still(crops: np.ndarray) -> np.ndarray:
    side = crops.shape[1]
    change = np.abs(np.diff(crops.astype(np.float32), axis=0)).mean((0, 3))
    lower = np.zeros((side, side), bool)
    lower[round(0.56 * side) : round(0.7 * side), round(0.3 * side) : round(0.7 * side)] = True
    return lower & (change <= np.quantile(change[lower], 1 / 3))


def main(
    films: list[Path],
    seconds: Annotated[float, typer.Option(help="From the beginning of each film.")] = 3,
    model: Annotated[Path | None, typer.Option(help="Bundle; default: built in.")] = None,
) -> None:
    """Print a table per film."""
    for film in films:
        typer.echo(
            f"| {film.stem} | jitter (1/1000 of the crop) | mask flicker (1/1000) | grey levels |"
        )
        typer.echo("|---|---|---|---|")
        for way, numbers in measure(film, seconds=seconds, model=model).items():
            typer.echo(f"| {way} | " + " | ".join(f"{value:.2f}" for value in numbers) + " |")


if __name__ == "__main__":
    typer.run(main)
