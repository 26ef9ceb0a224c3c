"""`segkit talk`: a film or picture and speech to a talking video, in two streaming passes."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from segkit.contracts import SAMPLE_RATE
from segkit.edits import EditPlan
from segkit.faces import FaceTrack, apply_transform, crop_transforms, track_face
from segkit.progress import counted, progress_bars
from segkit.provenance import add_credentials, statement_of
from segkit.talk.bundle import Bundle
from segkit.talk.finishing import Finisher
from segkit.talk.identity import (
    Identity,
    crops_of,
    donors_of,
    identity_of_crops,
    identity_of_person,
    reference_frames,
    with_swaps,
)
from segkit.talk.job import Job, prepare_job
from segkit.talk.looks import Donor, Looks
from segkit.talk.sources import FilmSource, PictureSource
from segkit.talk.speech import Speech, embed_speech
from segkit.talk.stopwatch import Stopwatch
from segkit.talk.stream import Placement, Shot, cropped, drawn, parsed, speaking, voted
from segkit.video import VideoWriter


def talk(
    *,
    out: str | Path,
    video: str | Path | None = None,
    image: str | Path | None = None,
    audio: str | Path | None = None,
    model: str | Path | Bundle | None = None,
    face: int | None = None,
    background: str | Path | None = None,
    swaps: Sequence[str] = (),
    blinks: Sequence[str] = (),
    mask_edits: Sequence[str] = (),
    edits: str | Path | EditPlan | None = None,
    on_short_video: str = "pingpong",
    parser: str | Path | nn.Module | dict[str, Any] | None = None,
    batch_size: int = 8,
    crf: int = 18,
    device: str | None = None,
    force: bool = False,
    progress: bool = True,
    credentials: bool = True,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
) -> dict[str, Any]:
    """Make a face say something.

    Args:
        out: video to write; it appears whole or not at all.
        video: film of the person; its size, rate and time stamps are kept. Give this or ``image``.
        image: a still picture of the person, shown at 25 fps.
        audio: speech, any sound or video file; None takes the film's own sound. The output is as
            long as the speech.
        model: a bundle or its path; None takes the built-in one.
        face: which face, counted from left to right in the first frame with faces; None takes the
            only or largest one.
        background: what to put behind the person: a picture, a film, a colour, or ``"blur"``, see
            `parse_background`.
        swaps: ``REGION=PICTURE`` or ``REGION=PICTURE@STRENGTH`` texts; the region takes its look
            from the picture.
        blinks: ``AMOUNT@SECONDS`` texts; amount 1 closes the eyes; ``auto`` blinks by itself.
        mask_edits: ``FILE.py:FUNCTION`` texts; the functions, which are run, change the masks.
        edits: an edit file or a plan; the four above add to it.
        on_short_video: when the speech is longer than the film: ``"pingpong"``, ``"loop"``,
            ``"freeze"`` or ``"stop"``.
        parser: labels the face, see `build_parser`; None takes `MeshParser`.
        batch_size: frames per step.
        crf: quality of the H.264 output, lower is better.
        device: such as ``"cpu"``; None takes a GPU where there is one.
        force: replace an existing output.
        progress: show progress bars.
        credentials: let the output say, signed, how it was made (C2PA; .mp4, .m4v and .mov).
        certificate: PEM chain that signs; None takes one made on this computer.
        key: PEM file of its private key.

    Returns:
        A report: ``frames``, ``fps``, ``width``, ``height``, ``passed_through`` (ranges in seconds
        without a face, shown as they were), ``signed``, ``seconds`` per stage and in ``total``,
        ``peak_memory_mb`` of the process.

    Raises:
        FileNotFoundError: an input or the output's folder is not there.
        FileExistsError: the output is there and ``force`` is not set.
        ValueError: an input that cannot be used, or no face, or several; the message says what to
            do.
        KeyError: an unknown region or component.
    """
    begun = time.perf_counter()
    job = prepare_job(
        out=out,
        video=video,
        image=image,
        audio=audio,
        model=model,
        face=face,
        background=background,
        swaps=swaps,
        blinks=blinks,
        mask_edits=mask_edits,
        edits=edits,
        on_short_video=on_short_video,
        parser=parser,
        batch_size=batch_size,
        device=device,
        force=force,
        credentials=credentials,
        certificate=certificate,
        key=key,
    )
    watch = Stopwatch()
    with progress_bars(show=progress) as bars, torch.no_grad():
        with watch.stage("track"):
            track = _track(job, bars)
            transforms = crop_transforms(track, job.bundle.size, fps=float(job.source.fps))
        with watch.stage("identity"):
            donors = donors_of(job.swaps, job.bundle, job.parser, job.device)
            identity = _identity(job, track, transforms)
        with watch.stage("speech"):
            speech = embed_speech(job.bundle.modules["audio_encoder"], job.waveform.to(job.device))
        placement = Placement(transforms, track.valid, track.landmarks)
        total = job.source.num_played(job.duration_s, job.on_short_video)
        shots = counted(
            _shots(job, placement, identity, donors, speech, watch), bars, "talk ", total
        )
        passed = _write(job, shots, watch, crf=crf, force=force)
    seconds = {name: round(value, 3) for name, value in watch.seconds.items()}
    return {
        "frames": passed.num_frames,
        "fps": float(job.source.fps),
        "width": job.source.width,
        "height": job.source.height,
        "passed_through": passed.ranges(float(1 / job.source.fps)),
        "signed": passed.signed,
        "seconds": {**seconds, "total": round(time.perf_counter() - begun, 3)},
        "peak_memory_mb": _peak_memory_mb(),
    }


def _track(job: Job, bars: Any) -> FaceTrack:
    """First pass: only landmarks and times stay in memory."""
    if isinstance(job.source, PictureSource):
        return track_face(job.source.frames(), face=job.face)
    total = round(
        min(job.source.duration_s, job.duration_s or job.source.duration_s) * job.source.fps
    )
    frames = counted(job.source.frames(job.duration_s), bars, "track", total)
    return track_face(frames, face=job.face, fps=float(job.source.fps))


def _identity(job: Job, track: FaceTrack, transforms: np.ndarray) -> Identity:
    if job.bundle.person:
        identity = identity_of_person(job.bundle, job.device)
    else:
        wanted = reference_frames(track.landmarks, track.detected)
        crops = crops_of(job.source.frames(), wanted, transforms, job.bundle.size)
        landmarks = [apply_transform(transforms[index], track.landmarks[index]) for index in wanted]
        identity = identity_of_crops(job.bundle, job.parser, crops, landmarks, job.device)
    return identity


def _shots(
    job: Job,
    placement: Placement,
    identity: Identity,
    donors: list[Donor],
    speech: Speech,
    watch: Stopwatch,
) -> Iterator[Shot]:
    """Second pass: every stage pulls a few frames from the one before."""
    size = job.batch_size
    played = watch.over(job.source.play(job.duration_s, job.on_short_video), "decode")
    shots = watch.over(
        parsed(cropped(played, placement, job.bundle.size), placement, job.parser), "parse"
    )
    shots = watch.over(speaking(shots, job.bundle, identity, speech, batch_size=size), "masks")
    lasting = [donor for donor in donors if donor.swap.span.is_whole]
    looks = Looks(
        job.bundle.modules["generator"],
        with_swaps(identity, lasting, job.bundle.scheme).styles,
        timed=[donor for donor in donors if donor not in lasting],
        scheme=job.bundle.scheme,
    )
    edited = drawn(
        voted(shots),
        job.bundle,
        identity,
        blinks=job.blinks,
        swapped=[donor.swap.region for donor in lasting if donor.swap.strength > 0],
        masks=job.masks,
        looks=looks,
        batch_size=size,
    )
    return watch.over(edited, "faces")


class _Passed:
    """Count the frames, and note those shown as they were."""

    def __init__(self) -> None:
        self.num_frames = 0
        self.signed = False
        self._times_s: list[float] = []

    def add(self, shot: Shot) -> None:
        self.num_frames += 1
        if shot.generated is None:
            self._times_s.append(shot.time_s)

    def ranges(self, step_s: float) -> list[tuple[float, float]]:
        """Return ``(start_s, end_s)`` of every run."""
        ranges: list[tuple[float, float]] = []
        for time_s in self._times_s:
            if ranges and time_s - ranges[-1][1] < 0.5 * step_s:
                ranges[-1] = (ranges[-1][0], time_s + step_s)
            else:
                ranges.append((time_s, time_s + step_s))
        return [(round(start_s, 3), round(end_s, 3)) for start_s, end_s in ranges]


def _write(job: Job, shots: Iterator[Shot], watch: Stopwatch, *, crf: int, force: bool) -> _Passed:
    passed = _Passed()
    finished = Finisher(job.background, scheme=job.bundle.scheme)
    cut = job.on_short_video == "stop" and job.duration_s is not None
    sound: dict[str, Any] = (
        {"waveform": job.waveform[: _stop_sample(job)]} if cut else {"audio_from": job.sound}
    )
    source = job.source
    with VideoWriter(
        job.out,
        width=source.width,
        height=source.height,
        fps=source.fps,
        crf=crf,
        force=force,
        finish=_signing(job, passed, watch),
        **sound,
    ) as writer:
        for shot in shots:
            with watch.stage("paste"):
                frame = finished(shot)
            with watch.stage("encode"):
                writer.write(frame, shot.time_s)
            passed.add(shot)
    return passed


def _signing(job: Job, passed: _Passed, watch: Stopwatch) -> Callable[[Path], None]:
    def sign(path: Path) -> None:
        ranges = passed.ranges(float(1 / job.source.fps))
        with watch.stage("sign"):
            passed.signed = add_credentials(
                path, statement=lambda: statement_of(job, ranges), certificate=job.certificate
            )

    return sign


def _stop_sample(job: Job) -> int:
    last_s = (
        job.source.times_s[-1] + float(1 / job.source.fps)
        if isinstance(job.source, FilmSource)
        else np.inf
    )
    return int(min(last_s, job.duration_s or np.inf) * SAMPLE_RATE)


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)
