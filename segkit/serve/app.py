"""The application of `segkit web`: the page and the API on one port, behind the guard."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from segkit import __version__
from segkit.serve.api import make_router
from segkit.serve.guard import Guard
from segkit.serve.limits import Limits
from segkit.serve.models import Models
from segkit.serve.ownership import Ownership
from segkit.serve.queue import JobQueue
from segkit.serve.store import QUEUED

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Settings:
    """How a server is set up.

    Args:
        folder: private; keeps jobs over restarts. None takes a temporary one, removed at the end.
        models: folder of bundles to offer.
        limits: of uploads, time and number.
        token: asked for by the API and the page; None asks for none.
        hosts: names by which the server may be called; empty for any.
        page: whether the page is served beside the API.
        device: where models compute; None takes a GPU where there is one.
        run_jobs: whether jobs are run; without, they only wait.
    """

    folder: Path | None = None
    models: Path | None = None
    limits: Limits = field(default_factory=Limits)
    token: str | None = None
    hosts: tuple[str, ...] = LOOPBACK
    page: bool = True
    device: str | None = None
    run_jobs: bool = True


class Server:
    """Everything of a running server; close it at the end.

    Args:
        settings: how it is set up.

    Attributes:
        app: the ASGI application.
        queue: of jobs.

    Raises:
        PermissionError: the folder is readable by others.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if settings.folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="segkit-web-")
        folder = settings.folder if self._temporary is None else Path(self._temporary.name)
        self.folder = private_folder(folder)
        self.queue = JobQueue(self.folder, limits=settings.limits, start=settings.run_jobs)
        self.models = Models(self.queue, settings.models)
        self.ownership: Ownership | None = None
        self._closed = False
        self._close_page: Callable[[], None] = lambda: None
        app = FastAPI(
            title="segkit",
            version=__version__,
            summary="Make a face say what a voice says.",
            docs_url=None,  # its pages load scripts from elsewhere
            redoc_url=None,
            openapi_url="/api/openapi.json",
            lifespan=self._lifespan,
        )
        asks_token = settings.token is not None
        app.include_router(
            make_router(self.queue, self.models, device=settings.device, asks_token=asks_token)
        )
        if settings.page:
            app = self._with_page(app)
        self.api = app
        self.app = Guard(
            app,
            limits=settings.limits,
            hosts=settings.hosts,
            token=settings.token,
            ownership=self.ownership,
            has_room=lambda: self.queue.store.count(QUEUED) < settings.limits.waiting,
        )

    def _with_page(self, app: FastAPI) -> FastAPI:
        # Read by the page's library when it is first imported.
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        cache = private_folder(self.folder / "page")
        os.environ["GRADIO_TEMP_DIR"] = str(cache)
        from segkit.web.page import mount_page

        self.ownership = Ownership(cache)
        app, self._close_page = mount_page(app, self)
        return app

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        del app
        yield
        self.close()

    def close(self) -> None:
        """Stop working; jobs that have not ended stay for the next start."""
        if self._closed:
            return
        self._closed = True
        self._close_page()
        self.queue.close()
        if self._temporary is not None:
            self._temporary.cleanup()


def private_folder(path: Path | None) -> Path:
    """Make a folder that only this user can read, or check that it is one.

    Raises:
        PermissionError: others can read it.
    """
    assert path is not None
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        raise PermissionError(
            f"{path} can be read by others; run `chmod 700 {path}`, or choose another folder"
        )
    return path.resolve()


def serve(server: Server, *, host: str, port: int) -> None:
    """Serve until Ctrl-C."""
    import uvicorn

    arguments: dict[str, Any] = {"host": host, "port": port, "log_level": "warning"}
    # A job may take minutes, a stream of progress too: they do not hold up the end.
    uvicorn.run(server.app, timeout_graceful_shutdown=3, server_header=False, **arguments)
