"""What a page shows and downloads of its jobs; nobody else's session gets it."""

from __future__ import annotations

import io
import zipfile

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse

from segkit.serve.guard import SESSION
from segkit.serve.queue import JobQueue
from segkit.serve.store import Job
from segkit.serve.tasks import EDIT_FOLDER

_TYPES = {"video": "video/mp4", "masks": "application/zip"}
_NAMES = {"video": "talking.mp4", "masks": "masks.zip"}


def make_media_router(queue: JobQueue) -> APIRouter:
    """Make the routes below ``/media``."""
    router = APIRouter(prefix="/media", include_in_schema=False)

    def find(id: str, request: Request) -> Job:
        try:
            return queue.store.get(id, owner=request.scope[SESSION])
        except KeyError:
            raise HTTPException(404, "no such job") from None

    @router.get("/{id}/edits")
    def edits(id: str, request: Request) -> Response:
        """Pack the edit file with its pictures; unpacked, `segkit talk --edits` reads it."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((queue.folder_of(find(id, request)) / EDIT_FOLDER).iterdir()):
                archive.write(path, path.name)
        headers = {"Content-Disposition": 'attachment; filename="edits.zip"'}
        return Response(buffer.getvalue(), media_type="application/zip", headers=headers)

    @router.get("/{id}/{what}")
    def take(id: str, what: str, request: Request) -> FileResponse:
        """Show or download the video or its masks."""
        if what not in _TYPES:
            raise HTTPException(404, "no such file")
        try:
            path = queue.result(find(id, request), "result" if what == "video" else what)
        except FileNotFoundError as error:
            raise HTTPException(404, str(error)) from None
        # Inline: the page plays it; its links say `download` themselves.
        return FileResponse(
            path,
            media_type=_TYPES[what],
            filename=_NAMES[what],
            content_disposition_type="inline",
            headers={"Cache-Control": "private, no-store"},
        )

    return router
