"""The HTTP API: submit a job, watch it, take its result, stop it, forget it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse
from fastapi.security import HTTPBearer

from segkit import __version__
from segkit.serve.desk import OWNER, Desk, told
from segkit.serve.models import Models
from segkit.serve.queue import JobQueue
from segkit.serve.schemas import Health, JobView, ModelView
from segkit.serve.store import QUEUED, RUNNING
from segkit.serve.submissions import add_fits, add_talks

_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}
}


def make_router(
    queue: JobQueue, models: Models, *, device: str | None = None, asks_token: bool = False
) -> APIRouter:
    """Make the routes below ``/api``.

    Args:
        queue: where jobs go.
        models: what they may choose.
        device: where models compute; None takes a GPU where there is one.
        asks_token: whether the guard asks for a token; told in the schema.
    """
    # Only for the schema: the guard has read the token before anything else of a request.
    bearer = [Depends(HTTPBearer(auto_error=False))] if asks_token else []
    router = APIRouter(prefix="/api", dependencies=bearer, responses=told(401, 403, 413))
    desk = Desk(queue, models, device)
    add_talks(router, desk)
    add_fits(router, desk)
    _add_jobs(router, desk)

    @router.get("/health")
    def health() -> Health:
        """Tell the version and how busy the server is."""
        count = queue.store.count
        return Health(version=__version__, queued=count(QUEUED), running=count(RUNNING))

    @router.get("/models")
    def list_models() -> list[ModelView]:
        """List the models that a job may name."""
        titles = models.titles(owner=OWNER)
        return [ModelView(name=name, title=title) for name, title in titles.items()]

    return router


def _add_jobs(router: APIRouter, desk: Desk) -> None:
    @router.get("/jobs/{id}", responses=told(404))
    def show_job(id: str) -> JobView:
        """Tell the state of a job."""
        return desk.view(desk.find(id))

    @router.post("/jobs/{id}/cancel", responses=told(404))
    def cancel_job(id: str) -> JobView:
        """Stop a job, waiting or running; one that has ended stays as it is."""
        return desk.view(desk.queue.cancel(desk.find(id)))

    @router.delete("/jobs/{id}", status_code=204, responses=told(404))
    def delete_job(id: str) -> None:
        """Stop a job and remove its files, uploads and results."""
        desk.queue.delete(desk.find(id))

    @router.get(
        "/jobs/{id}/result",
        response_class=FileResponse,
        responses=_FILE | told(404, 409),
    )
    def take_result(id: str) -> FileResponse:
        """Download the video, or the bundle of a fit."""
        return desk.file(id, "result")

    @router.get("/jobs/{id}/masks", response_class=FileResponse, responses=_FILE | told(404, 409))
    def take_masks(id: str) -> FileResponse:
        """Download the masks of a talk: a zip file of one palette PNG per frame."""
        return desk.file(id, "masks")
