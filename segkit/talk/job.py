"""What a talk was asked for, checked and loaded before its first slow step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.audio import load_audio
from segkit.contracts import FPS, SAMPLE_RATE
from segkit.edits import BlinkSchedule
from segkit.parser_choice import build_parser
from segkit.talk.bundle import Bundle, check_writable, load_bundle
from segkit.talk.identity import Swap
from segkit.talk.sources import ON_SHORT_VIDEO, FilmSource, PictureSource, read_picture
from segkit.video import MediaError


@dataclass(frozen=True, eq=False)
class Job:
    """A talk that can begin.

    Args:
        source: film or picture.
        out: video to write.
        bundle: the model, on ``device``.
        parser: labels the face.
        device: where the model computes.
        waveform: ``N``, the speech at 16 kHz.
        sound: file whose sound track the output gets.
        duration_s: length of the output; None is the film's own.
        background: uint8 RGB picture to put behind the person.
        swaps: regions from other pictures.
        blinks: when the eyes close.
        face: which face.
        on_short_video: one of ``ON_SHORT_VIDEO``.
        batch_size: frames per step.
    """

    source: FilmSource | PictureSource
    out: Path
    bundle: Bundle
    parser: nn.Module
    device: torch.device
    waveform: Tensor
    sound: Path
    duration_s: float | None
    background: np.ndarray | None
    swaps: list[Swap]
    blinks: BlinkSchedule
    face: int | None
    on_short_video: str
    batch_size: int


def prepare_job(
    *,
    out: str | Path,
    video: str | Path | None,
    image: str | Path | None,
    audio: str | Path | None,
    model: str | Path | Bundle | None,
    face: int | None,
    background: str | Path | None,
    swaps: Sequence[str],
    blinks: Sequence[str],
    on_short_video: str,
    parser: str | Path | nn.Module | dict[str, Any] | None,
    batch_size: int,
    device: str | None,
    force: bool,
) -> Job:
    """Check and load all inputs; the arguments and errors are those of `talk`."""
    given = video if video is not None else image
    if given is None or (video is not None and image is not None):
        raise ValueError(
            "talk: expected either a video or an image; give one of --video and --image"
        )
    if on_short_video not in ON_SHORT_VIDEO:
        known = ", ".join(ON_SHORT_VIDEO)
        raise ValueError(f"on_short_video: expected one of {known}, got {on_short_video!r}")
    out = Path(out)
    check_writable(out, force=force)
    _refuse_input_as_output(out, (given, audio, background))
    schedule = BlinkSchedule.parse(blinks)
    bundle = model if isinstance(model, Bundle) else load_bundle(model)
    chosen = [Swap.parse(text, bundle.scheme) for text in swaps]
    source = FilmSource(given) if video is not None else PictureSource(given)
    if audio is None and not source.has_audio:
        raise MediaError(f"{given} has no sound; give the speech with --audio")
    sound = Path(given if audio is None else audio)
    waveform = load_audio(sound)
    if len(waveform) * FPS < SAMPLE_RATE:
        raise MediaError(
            f"{sound} holds only {len(waveform)} samples of sound; give at least one frame, 0.04 s"
        )
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return Job(
        source=source,
        out=out,
        bundle=bundle.to(place),
        parser=build_parser(parser),
        device=place,
        waveform=waveform,
        sound=sound,
        duration_s=None if audio is None else len(waveform) / SAMPLE_RATE,
        background=None if background is None else read_picture(background),
        swaps=chosen,
        blinks=schedule,
        face=face,
        on_short_video=on_short_video,
        batch_size=batch_size,
    )


def _refuse_input_as_output(out: Path, inputs: Sequence[str | Path | None]) -> None:
    for path in inputs:
        if path is not None and Path(path).exists() and out.exists() and out.samefile(path):
            raise ValueError(f"{out} is also an input; write to another file")
