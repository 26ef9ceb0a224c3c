"""The second pass of a talk: from the frames of a window to finished frames, and to a film."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from segkit.film_join import join_films
from segkit.memory import give_back_freed_memory, let_go_of_pages
from segkit.provenance import add_credentials, statement_of
from segkit.talk.alongside import Aside, ahead
from segkit.talk.finishing import Finisher
from segkit.talk.identity import Identity
from segkit.talk.job import Job
from segkit.talk.looks import Donor, Looks
from segkit.talk.portrait import Portrait
from segkit.talk.resume import Segment, WorkFolder
from segkit.talk.sources import PictureSource, Played
from segkit.talk.speech import Speech
from segkit.talk.stopwatch import Stopwatch
from segkit.talk.stream import Placement, Shot, cropped, drawn, parsed, speaking, voted
from segkit.talk.windows import Window
from segkit.video import VideoWriter

T = TypeVar("T")

_FRAMES_AHEAD = 8
"""Frames decoded before they are wanted."""

_KEPT_FRAMES = 50
"""Frames after which freed memory is given back: what is kept falls to pieces that nothing fits
in, and more is taken, half as much again in 250 frames. Taking it anew is 2 % of a small model's
work."""

_WAITING = "waiting"
"""The stage of the networks' thread in which it waits for decoding, pasting or encoding."""


@dataclass(frozen=True, eq=False)
class Scene:
    """All that is known once the first pass is over.

    Args:
        job: what was asked for.
        placement: where the face is.
        identity: the person.
        donors: pictures that regions are taken from.
        speech: the voice.
    """

    job: Job
    placement: Placement
    identity: Identity
    donors: list[Donor]
    speech: Speech

    def looks(self) -> Looks:
        """Prepare the style codes over time."""
        bundle = self.job.bundle
        return Looks(
            bundle.modules["generator"],
            self.identity.styles,
            donors=self.donors,
            scheme=bundle.scheme,
        )

    def portrait(self) -> Portrait | None:
        """Return what a still picture's frames have in common; None for a film."""
        if not isinstance(self.job.source, PictureSource):
            return None
        bundle = self.job.bundle
        return Portrait(self.job.parser, bundle.modules["mask_decoder"], mask_size=bundle.mask_size)


def decoded(played: Iterable[Played], watch: Stopwatch) -> Iterator[Played]:
    """Read the frames of the source in a thread of its own, a few ahead."""
    return watch.over(ahead(watch.over(played, "decode"), most=_FRAMES_AHEAD), _WAITING)


def rendered(
    windows: Iterable[Window], scene: Scene, watch: Stopwatch, aside: Aside
) -> Iterator[Shot]:
    """Make the frames of all segments, in order; the last step of each is done aside."""
    looks, portrait = scene.looks(), scene.portrait()
    for window in windows:
        yield from _segment(window, scene, looks, portrait, watch, aside)
        let_go_of_pages(scene.placement.landmarks)


def _segment(
    window: Window,
    scene: Scene,
    looks: Looks,
    portrait: Portrait | None,
    watch: Stopwatch,
    aside: Aside,
) -> Iterator[Shot]:
    """Make the frames of one segment: every stage pulls a few from the one before."""
    job, size = scene.job, scene.job.batch_size
    found = cropped(window.frames, scene.placement, job.bundle.size)
    labelled = (
        parsed(found, scene.placement, job.parser)
        if portrait is None
        else portrait.parsed(found, scene.placement)
    )
    spoken = speaking(
        watch.over(labelled, "parse"),
        job.bundle,
        scene.identity,
        scene.speech,
        batch_size=size,
        decoder=None if portrait is None else portrait.logits,
    )
    shots = watch.over(spoken, "masks")
    finisher = Finisher(job.background, scheme=job.bundle.scheme)
    voices = voted(shots)
    for shot in itertools.islice(voices, window.lead):
        with watch.stage(_WAITING):
            aside.do(_timed, finisher.see, shot, watch, "paste")
    edited = drawn(
        itertools.islice(voices, window.size),
        job.bundle,
        scene.identity,
        blinks=job.blinks,
        masks=job.masks,
        looks=looks,
        batch_size=size,
    )
    for shot in watch.over(edited, "faces"):
        with watch.stage(_WAITING):
            shot.finished = aside.do(_timed, finisher, shot, watch, "paste")
        yield shot


def _timed(step: Callable[[Shot], T], shot: Shot, watch: Stopwatch, name: str) -> T:
    with watch.stage(name):
        return step(shot)


def write_segments(
    shots: Iterator[Shot],
    job: Job,
    work: WorkFolder,
    watch: Stopwatch,
    aside: Aside,
    *,
    size: int,
    crf: int,
    preset: str,
) -> None:
    """Encode finished frames, ``size`` at a time, each segment by an encoder of its own."""
    for number in itertools.count(len(work.segments())):
        first = next(shots, None)
        if first is None:
            return
        some = itertools.chain([first], itertools.islice(shots, size - 1))
        with VideoWriter(
            work.film_of(number),
            width=job.source.width,
            height=job.source.height,
            fps=job.source.fps,
            crf=crf,
            preset=preset,
            force=True,
        ) as writer:
            try:
                segment = _encoded(some, writer, watch, aside)
            except BaseException:
                # The encoder must not be closed under the thread that feeds it.
                aside.drop()
                raise
        work.finish(number, segment)
        # The encoder, the largest thing in memory, goes before the next comes: at 1080p 300 MB,
        # which the next one may not find in one piece.
        del writer
        give_back_freed_memory()


def _encoded(shots: Iterator[Shot], writer: VideoWriter, watch: Stopwatch, aside: Aside) -> Segment:
    """Encode the frames of one segment, each as soon as it is finished."""
    segment = Segment([], [])

    def write(picture: Future[np.ndarray], time_s: float) -> None:
        # Finished already: the same thread did it before.
        with watch.stage("encode"):
            writer.write(picture.result(), time_s)

    for shot in shots:
        assert shot.finished is not None
        segment.times_s.append(shot.time_s)
        segment.passed.append(shot.generated is None)
        with watch.stage(_WAITING):
            aside.do(write, shot.finished, shot.time_s - segment.times_s[0])
        if len(segment.times_s) % _KEPT_FRAMES == 0:
            give_back_freed_memory()
    with watch.stage(_WAITING):
        aside.finish()
        writer.close()
    return segment


@dataclass(frozen=True)
class Made:
    """What became of a talk.

    Args:
        num_frames: of the output.
        passed_through: ``(start_s, end_s)`` of every run of frames without a face.
        signed: whether the output carries credentials.
    """

    num_frames: int
    passed_through: list[tuple[float, float]]
    signed: bool


def join_segments(job: Job, work: WorkFolder, watch: Stopwatch, *, force: bool) -> Made:
    """Put the segments together with the sound, sign the film, and put it in its place."""
    segments = work.segments()
    times_s = [time_s for segment in segments for time_s in segment.times_s]
    passed = [flag for segment in segments for flag in segment.passed]
    step_s = float(1 / job.source.fps)
    ranges = _ranges([time_s for time_s, flag in zip(times_s, passed, strict=True) if flag], step_s)
    signed: list[bool] = []
    # A film that stops before the voice does takes the voice with it.
    stops = job.on_short_video == "stop" and job.duration_s is not None
    with watch.stage("join"):
        join_films(
            job.out,
            [work.film_of(number) for number in range(len(segments))],
            times_s=times_s,
            fps=job.source.fps,
            audio_from=job.sound,
            audio_until_s=times_s[-1] + step_s if stops else None,
            force=force,
            finish=_signing(job, ranges, signed, watch),
        )
    return Made(len(times_s), ranges, any(signed))


def _ranges(times_s: list[float], step_s: float) -> list[tuple[float, float]]:
    """Return ``(start_s, end_s)`` of every run of times."""
    ranges: list[tuple[float, float]] = []
    for time_s in times_s:
        if ranges and time_s - ranges[-1][1] < 0.5 * step_s:
            ranges[-1] = (ranges[-1][0], time_s + step_s)
        else:
            ranges.append((time_s, time_s + step_s))
    return [(round(start_s, 3), round(end_s, 3)) for start_s, end_s in ranges]


def _signing(
    job: Job, ranges: list[tuple[float, float]], signed: list[bool], watch: Stopwatch
) -> Callable[[Path], None]:
    def sign(path: Path) -> None:
        with watch.stage("sign"):
            signed.append(
                add_credentials(
                    path, statement=lambda: statement_of(job, ranges), certificate=job.certificate
                )
            )

    return sign
