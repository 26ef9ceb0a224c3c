"""What a talk was asked for, checked and loaded before its first slow step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segkit.audio import load_audio
from segkit.backends import check_backend, with_backend
from segkit.contracts import FPS, SAMPLE_RATE
from segkit.edits import BlinkSchedule, EditPlan, Swap, merged, parse_options, read_edits
from segkit.faces.choice import FaceChoice
from segkit.film_file import check_container
from segkit.parser_choice import build_parser
from segkit.provenance import Certificate, chosen_certificate
from segkit.regions import RegionScheme
from segkit.talk.backdrop import Backdrop, open_backdrop
from segkit.talk.bundle import Bundle, builtin_bundle_path, check_writable, load_bundle
from segkit.talk.mask_edits import TimedMask, load_masks
from segkit.talk.sources import ON_LONG_VIDEO, ON_SHORT_VIDEO, FilmSource, PictureSource
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
        duration_s: length of the speech; None makes the output as long as the film.
        background: what to put behind the person.
        swaps: regions from other pictures.
        blinks: when the eyes close.
        masks: the user's functions on masks.
        face: which face.
        on_short_video: one of ``ON_SHORT_VIDEO``.
        on_long_video: one of ``ON_LONG_VIDEO``.
        batch_size: frames per step.
        model_file: where the bundle was read; None if it never was.
        plan: all edits as they were asked for.
        certificate: what signs the output; None leaves it without credentials.
        backend: what runs the networks of every frame.
        precision: in which they run.
    """

    source: FilmSource | PictureSource
    out: Path
    bundle: Bundle
    parser: nn.Module
    device: torch.device
    waveform: Tensor
    sound: Path
    duration_s: float | None
    background: Backdrop | None
    swaps: list[Swap]
    blinks: BlinkSchedule
    masks: list[TimedMask]
    face: FaceChoice | int | None
    on_short_video: str
    on_long_video: str
    batch_size: int
    model_file: Path | None
    plan: EditPlan
    certificate: Certificate | None
    backend: str = "torch"
    precision: str = "fp32"

    @property
    def sound_delay_s(self) -> float:
        """How much later than the mouth the sound comes: as filmed; 0 for another voice."""
        speaks_itself = isinstance(self.source, FilmSource) and self.sound == self.source.path
        return self.bundle.own_sound_delay_s if speaks_itself else 0.0

    def first_pass_s(self) -> float | None:
        """Return how much of the film is to be looked at; None for all of it."""
        return None if self.on_long_video == "keep" else self.duration_s

    def played_s(self) -> float | None:
        """Return the length of the output after the first pass; None for the film's own."""
        if self.duration_s is None or self.on_long_video == "trim":
            return self.duration_s
        period_s = self.source.period_s if isinstance(self.source, FilmSource) else 0.0
        return max(self.duration_s, period_s)


def prepare_job(
    *,
    out: str | Path,
    video: str | Path | None,
    image: str | Path | None,
    audio: str | Path | None,
    model: str | Path | Bundle | None,
    face: FaceChoice | int | None,
    background: str | Path | None,
    swaps: Sequence[str],
    blinks: Sequence[str],
    mask_edits: Sequence[str],
    edits: str | Path | EditPlan | None,
    on_short_video: str,
    on_long_video: str,
    parser: str | Path | nn.Module | dict[str, Any] | None,
    batch_size: int,
    device: str | None,
    force: bool,
    credentials: bool = True,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    backend: str = "torch",
    precision: str = "fp32",
) -> Job:
    """Check and load all inputs; the arguments and errors are those of `talk`."""
    given = video if video is not None else image
    if given is None or (video is not None and image is not None):
        raise ValueError(
            "talk: expected either a video or an image; give one of --video and --image"
        )
    _check_choice("on_short_video", on_short_video, ON_SHORT_VIDEO)
    _check_choice("on_long_video", on_long_video, ON_LONG_VIDEO)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    check_backend(backend, precision, place)
    out = Path(out)
    check_writable(out, force=force)
    check_container(out)
    signs = chosen_certificate(
        credentials=credentials, certificate=certificate, key=key, suffix=out.suffix
    )
    bundle = model if isinstance(model, Bundle) else load_bundle(model)
    options = parse_options(
        swaps=swaps, blinks=blinks, background=background, masks=mask_edits, scheme=bundle.scheme
    )
    plan = _with_edits(options, edits, bundle.scheme)
    edit_file = None if isinstance(edits, EditPlan) else edits
    _refuse_input_as_output(out, (given, audio, edit_file, *plan.files()))
    source = FilmSource(given) if video is not None else PictureSource(given)
    if audio is None and not source.has_audio:
        raise MediaError(f"{given} has no sound; give the speech with --audio")
    sound = Path(given if audio is None else audio)
    waveform = load_audio(sound)
    if len(waveform) * FPS < SAMPLE_RATE:
        raise MediaError(
            f"{sound} holds only {len(waveform)} samples of sound; give at least one frame, 0.04 s"
        )
    return Job(
        source=source,
        out=out,
        bundle=with_backend(bundle.to(place), backend=backend, precision=precision),
        parser=build_parser(parser, scheme=bundle.scheme),
        device=place,
        waveform=waveform,
        sound=sound,
        duration_s=None if audio is None else len(waveform) / SAMPLE_RATE,
        background=open_backdrop(plan.background),
        swaps=list(plan.swaps),
        blinks=plan.schedule(_duration_s(source, waveform)),
        masks=load_masks(plan.masks, scheme=bundle.scheme),
        face=face,
        on_short_video=on_short_video,
        on_long_video=on_long_video,
        batch_size=batch_size,
        model_file=_model_file(model),
        plan=plan,
        certificate=signs,
        backend=backend,
        precision=precision,
    )


def _check_choice(name: str, choice: str, known: Sequence[str]) -> None:
    if choice not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {choice!r}")


def _with_edits(
    options: EditPlan, edits: str | Path | EditPlan | None, scheme: RegionScheme
) -> EditPlan:
    """Put an edit file and the options beside it together."""
    if edits is None:
        return options
    if isinstance(edits, EditPlan):
        return merged(edits, options, names=("the plan", "the options"))
    return merged(read_edits(edits, scheme=scheme), options, names=(str(edits), "the options"))


def _duration_s(source: FilmSource | PictureSource, waveform: Tensor) -> float:
    """Return a length that the output does not exceed; a film's own may be unknown."""
    shown_s = source.duration_s if isinstance(source, FilmSource) else 0.0
    return max(shown_s, len(waveform) / SAMPLE_RATE)


def _model_file(model: str | Path | Bundle | None) -> Path | None:
    if isinstance(model, Bundle):
        return None
    return builtin_bundle_path() if model is None else Path(model)


def _refuse_input_as_output(out: Path, inputs: Sequence[str | Path | None]) -> None:
    for path in inputs:
        if path is not None and Path(path).exists() and out.exists() and out.samefile(path):
            raise ValueError(f"{out} is also an input; write to another file")
