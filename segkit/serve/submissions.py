"""Submitting over HTTP: the forms of a talk and of a fit, and how their files are taken in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Response, UploadFile
from fastapi.concurrency import run_in_threadpool

from segkit.regions import SCHEME_12
from segkit.serve.desk import OWNER, Desk, told
from segkit.serve.intake import save_edits, save_face, save_reference, save_voice
from segkit.serve.models import BUILTIN
from segkit.serve.schemas import JobView, OnShortVideo


def add_talks(router: APIRouter, desk: Desk) -> None:
    """Add the route that takes talking videos."""

    @router.post("/jobs", status_code=202, responses=told(400, 429))
    async def submit_job(
        response: Response,
        face: Annotated[UploadFile, File(description="Film or picture of the person.")],
        voice: Annotated[
            UploadFile | None, File(description="Speech; default: the film's own.")
        ] = None,
        edits: Annotated[
            UploadFile | None, File(description="Edit file, as for `segkit talk --edits`.")
        ] = None,
        references: Annotated[
            list[UploadFile] | None, File(description="Pictures and films that the edits name.")
        ] = None,
        model: Annotated[str, Form(description="See /api/models.", max_length=100)] = BUILTIN,
        on_short_video: Annotated[OnShortVideo, Form()] = OnShortVideo.pingpong,
        face_number: Annotated[int | None, Form(ge=0, le=99, description="0 = leftmost.")] = None,
        credentials: Annotated[bool, Form(description="Say in the video how it was made.")] = True,
    ) -> JobView:
        """Submit a talking video. It is accepted for good: a restart of the server keeps it."""

        def take_in(folder: Path) -> dict[str, Any]:
            path = desk.models.path_of(model, owner=OWNER)
            files = take_files(desk, folder, face, voice, edits, references or [])
            return files | {
                "model": path, "on_short_video": on_short_video.value, "device": desk.device,
                "face_number": face_number, "credentials": credentials,
            }  # fmt: skip

        view = await run_in_threadpool(desk.submit, "talk", take_in)
        response.headers["Location"] = f"/api/jobs/{view.id}"
        return view


def take_files(
    desk: Desk,
    folder: Path,
    face: UploadFile,
    voice: UploadFile | None,
    edits: UploadFile | None,
    references: list[UploadFile],
) -> dict[str, Any]:
    """Keep the files of a talk; returns the names they got.

    Raises:
        ValueError: files that do not fit, or are too large.
    """
    limits = desk.queue.limits
    most = limits.upload_bytes
    name, is_film = save_face(face.file, folder, most_bytes=most)
    if voice is None and not is_film:
        raise ValueError("a picture has no sound; send the speech as 'voice'")
    said = None if voice is None else save_voice(voice.file, folder, most_bytes=most)
    if len(references) > limits.references:
        raise ValueError(f"expected at most {limits.references} references, got {len(references)}")
    for item in references:
        save_reference(item.file, folder, item.filename, most_bytes=most)
    if edits is not None:
        save_edits(edits.file, folder, scheme=SCHEME_12)
    return {"face": name, "is_film": is_film, "voice": said}


def add_fits(router: APIRouter, desk: Desk) -> None:
    """Add the route that takes films to fit a model to."""
    limits = desk.queue.limits

    @router.post("/fits", status_code=202, responses=told(400, 429))
    async def submit_fit(
        response: Response,
        film: Annotated[UploadFile, File(description="Film of one talking person.")],
        minutes: Annotated[float, Form(gt=0, le=600)] = 5.0,
        start_s: Annotated[float, Form(ge=0, le=86_400)] = 0.0,
        end_s: Annotated[float | None, Form(gt=0, le=86_400)] = None,
        model: Annotated[str, Form(max_length=100)] = BUILTIN,
        face_number: Annotated[int | None, Form(ge=0, le=99)] = None,
    ) -> JobView:
        """Fit a model to one person. When done, its name for /api/jobs is ``fit:`` and its id."""

        def take_in(folder: Path) -> dict[str, Any]:
            path = desk.models.path_of(model, owner=OWNER)
            if minutes > limits.fit_minutes:
                raise ValueError(f"minutes: expected at most {limits.fit_minutes:g} here")
            name, is_film = save_face(film.file, folder, most_bytes=limits.upload_bytes)
            if not is_film:
                raise ValueError("expected a film of a talking person, got a picture")
            return {
                "face": name, "model": path, "minutes": minutes, "start_s": start_s,
                "end_s": end_s, "face_number": face_number, "device": desk.device, "steps": None,
            }  # fmt: skip

        view = await run_in_threadpool(desk.submit, "fit", take_in)
        response.headers["Location"] = f"/api/jobs/{view.id}"
        return view
