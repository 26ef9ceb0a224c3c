"""`segkit talk`: a film or picture and speech to a talking video, in two streaming passes."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from segkit.edits import EditPlan
from segkit.faces import FaceChoice, FaceTrack, apply_transform, crop_transforms, track_face
from segkit.memory import give_back_freed_memory, let_go_of_pages
from segkit.progress import counted, progress_bars
from segkit.talk.alongside import Aside, ahead
from segkit.talk.bundle import Bundle, check_writable
from segkit.talk.description import describe
from segkit.talk.frame_labels import archived
from segkit.talk.identity import (
    Identity,
    crops_of,
    donors_of,
    identity_of_crops,
    identity_of_person,
    reference_frames,
)
from segkit.talk.job import Job, prepare_job
from segkit.talk.rendering import Scene, decoded, join_segments, rendered, write_segments
from segkit.talk.resume import WorkFolder
from segkit.talk.sources import FilmSource
from segkit.talk.speech import embed_speech
from segkit.talk.stopwatch import Stopwatch
from segkit.talk.stream import Placement, Shot
from segkit.talk.windows import SEGMENT_FRAMES, first_frame, windows
from segkit.video_writer import check_quality

logger = logging.getLogger("segkit.talk")

_CALLS_ASIDE = 12
"""Steps that may wait to be done aside; two for each frame, which is pasted, then encoded."""


def talk(
    *,
    out: str | Path,
    video: str | Path | None = None,
    image: str | Path | None = None,
    audio: str | Path | None = None,
    model: str | Path | Bundle | None = None,
    face: FaceChoice | int | None = None,
    background: str | Path | None = None,
    swaps: Sequence[str] = (),
    blinks: Sequence[str] = (),
    mask_edits: Sequence[str] = (),
    edits: str | Path | EditPlan | None = None,
    on_short_video: str = "pingpong",
    on_long_video: str = "trim",
    parser: str | Path | nn.Module | dict[str, Any] | None = None,
    batch_size: int = 8,
    crf: int = 17,
    preset: str = "veryfast",
    device: str | None = None,
    backend: str = "torch",
    precision: str = "fp32",
    force: bool = False,
    progress: bool = True,
    credentials: bool = True,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    masks: str | Path | None = None,
    resume: bool = True,
    segment_frames: int = SEGMENT_FRAMES,
) -> dict[str, Any]:
    """Make a face say something.

    Args:
        out: video to write; it appears whole or not at all.
        video: film of the person; its size, rate and time stamps are kept. Give this or ``image``.
        image: a still picture of the person, shown at 25 fps.
        audio: speech, any sound or video file; None takes the film's own sound. The output is as
            long as the speech, but see ``on_long_video``.
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
        on_long_video: when the film is longer than the speech: ``"trim"`` ends with the speech,
            ``"keep"`` lets the person be silent, with closed mouth and without sound, to the end.
        parser: labels the face, see `build_parser`; None takes `MeshParser`.
        batch_size: frames per step.
        crf: quality of the H.264 output, 0 (lossless) to 51.
        preset: how much work x264 does for a frame, one of ``PRESETS``; slower ones keep a little
            more at the same size.
        device: such as ``"cpu"``; None takes a GPU where there is one.
        backend: what runs the networks of every frame: ``"torch"``, ``"compile"``,
            ``"onnxruntime"`` or ``"openvino"``, see `with_backend`.
        precision: ``"fp32"``, ``"bf16"`` (torch, OpenVINO) or ``"int8"`` (of the masks alone).
        force: replace an existing output.
        progress: show progress bars.
        credentials: let the output say, signed, how it was made (C2PA; .mp4, .m4v and .mov).
        certificate: PEM chain that signs; None takes one made on this computer.
        key: PEM file of its private key.
        masks: zip file to write with the mask of every frame, see `MaskArchive`; such a talk does
            not go on after a stop.
        resume: go on where the same talk was stopped; see `WorkFolder`.
        segment_frames: frames encoded at once; a stop loses at most as many.

    Returns:
        A report: ``frames``, ``resumed_frames`` (made before a stop), ``fps``, ``width``,
        ``height``, ``passed_through`` (ranges in seconds without a face, shown as they were),
        ``signed``, ``seconds`` per stage and in ``total``, ``meanwhile`` (seconds per stage in
        threads beside), ``peak_memory_mb`` of the process.

    Raises:
        FileNotFoundError: an input or the output's folder is not there.
        FileExistsError: the output is there and ``force`` is not set.
        ValueError: an input that cannot be used, or no face, or several; the message says what to
            do.
        KeyError: an unknown region or component.
    """
    begun = time.perf_counter()
    check_quality(crf=crf, preset=preset)
    if masks is not None:
        check_writable(Path(masks), force=force)
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
        on_long_video=on_long_video,
        parser=parser,
        batch_size=batch_size,
        device=device,
        backend=backend,
        precision=precision,
        force=force,
        credentials=credentials,
        certificate=certificate,
        key=key,
    )
    if masks is not None and resume:
        # The archive holds the masks of all frames, and finished segments keep none.
        resume = False
    watch = Stopwatch()
    description = describe(job, crf=crf, preset=preset, segment_frames=segment_frames)
    with (
        WorkFolder(job.out, description, resume=resume) as work,
        progress_bars(show=progress) as bars,
        Aside(most=_CALLS_ASIDE) as aside,
        torch.no_grad(),
    ):
        with watch.stage("track"):
            track = _track(job, work, bars)
            transforms = crop_transforms(track, job.bundle.size, fps=float(job.source.fps))
        with watch.stage("identity"):
            donors = donors_of(job.swaps, job.bundle, job.parser, job.device)
            identity = _identity(job, track, transforms)
        with watch.stage("speech"):
            speech = embed_speech(
                job.bundle.modules["audio_encoder"],
                job.waveform.to(job.device),
                delay_s=job.sound_delay_s,
            )
        # Both passes over the whole clip are done, and nothing listens to it again: from here on
        # memory is that of a segment.
        job = replace(job, waveform=job.waveform[:0].clone())
        let_go_of_pages(track.landmarks)
        give_back_freed_memory()
        placement = Placement(transforms, track.valid, track.landmarks, float(job.source.fps))
        scene = Scene(job, placement, identity, donors, speech)
        resumed = sum(len(segment.times_s) for segment in work.segments())
        shots = _shots(scene, bars, watch, aside, done=resumed, size=segment_frames)
        shots = archived(shots, masks, scheme=job.bundle.scheme)
        write_segments(shots, job, work, watch, aside, size=segment_frames, crf=crf, preset=preset)
        made = join_segments(job, work, watch, force=force)
    seconds, meanwhile = (
        {name: round(value, 3) for name, value in stages.items()}
        for stages in (watch.seconds, watch.meanwhile)
    )
    return {
        "frames": made.num_frames,
        "resumed_frames": resumed,
        "fps": float(job.source.fps),
        "width": job.source.width,
        "height": job.source.height,
        "passed_through": made.passed_through,
        "signed": made.signed,
        "seconds": {**seconds, "total": round(time.perf_counter() - begun, 3)},
        "meanwhile": meanwhile,
        "peak_memory_mb": _peak_memory_mb(),
    }


def _track(job: Job, work: WorkFolder, bars: Any) -> FaceTrack:
    """First pass: only landmarks and times are kept, and those in a file."""
    known = work.load_track()
    if known is not None:
        track, job.source.times_s = known
        return track
    end_s = job.first_pass_s()
    frames: Iterator[np.ndarray] = ahead(job.source.first_pass(end_s), most=4)
    if isinstance(job.source, FilmSource):
        shown_s = min(job.source.duration_s, end_s or job.source.duration_s)
        frames = counted(frames, bars, "track", round(shown_s * job.source.fps))
    track = track_face(frames, face=job.face, fps=float(job.source.fps))
    return work.save_track(track, job.source.times_s)


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
    scene: Scene, bars: Any, watch: Stopwatch, aside: Aside, *, done: int, size: int
) -> Iterator[Shot]:
    """Second pass, from the first frame that is not done yet."""
    job = scene.job
    duration_s = job.played_s()
    total = job.source.num_played(duration_s, job.on_short_video)
    first = done // size
    if done >= total:
        return iter(())
    if done:
        logger.warning("going on at frame %d of %d", done, total)
    played = job.source.play(duration_s, job.on_short_video, first=first_frame(first, size=size))
    cut = windows(decoded(played, watch), total=total, first=first, size=size)
    return counted(rendered(cut, scene, watch, aside), bars, "talk ", total - done)


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)
