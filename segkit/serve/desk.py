"""The desk of the HTTP API: from a request to a job, and from what went wrong to an answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fastapi import HTTPException
from fastapi.responses import FileResponse

from segkit.serve.intake import TooLargeError
from segkit.serve.models import Models
from segkit.serve.queue import JobQueue
from segkit.serve.schemas import JobView, Problem, view_of
from segkit.serve.store import Job, QueueFullError

OWNER = "api"
"""Of all jobs that come this way; their ids are secrets."""

T = TypeVar("T")


def told(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return what the schema says of answers that tell a problem."""
    return {code: {"model": Problem} for code in codes}


@dataclass(frozen=True)
class Desk:
    """Where submissions are taken in and results handed out.

    Args:
        queue: where jobs go.
        models: what they may choose.
        device: where models compute; None takes a GPU where there is one.
    """

    queue: JobQueue
    models: Models
    device: str | None

    def submit(self, kind: str, take_in: Callable[[Path], dict[str, Any]]) -> JobView:
        """Take files and options into a folder, and make them a job."""
        id, folder = self.queue.new_folder()
        try:
            options = or_problem(lambda: take_in(folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        try:
            job = self.queue.submit(id, owner=OWNER, kind=kind, options=options)
        except QueueFullError:
            raise HTTPException(
                429, "the queue is full; try again later", {"Retry-After": "30"}
            ) from None
        return self.view(job)

    def view(self, job: Job) -> JobView:
        """Return a job as it is told."""
        return view_of(job, ahead=self.queue.store.ahead_of(job))

    def find(self, id: str) -> Job:
        """Return a job, or answer that there is none."""
        try:
            return self.queue.store.get(id, owner=OWNER)
        except KeyError:
            raise HTTPException(404, "no such job") from None

    def file(self, id: str, what: str) -> FileResponse:
        """Answer with a file that a job made."""
        job = self.find(id)
        try:
            path = self.queue.result(job, what)
        except FileNotFoundError as error:
            raise HTTPException(409, str(error)) from None
        return FileResponse(path, filename=path.name, media_type="application/octet-stream")


def or_problem(do: Callable[[], T]) -> T:
    """Turn what is wrong with a request into the answer that says so."""
    try:
        return do()
    except TooLargeError as error:
        raise HTTPException(413, str(error)) from None
    except (ValueError, KeyError) as error:
        raise HTTPException(400, str(error.args[0] if error.args else error)) from None
