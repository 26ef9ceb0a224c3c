"""`segkit web`: a page and an HTTP API on this computer."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.errors import user_errors

TOKEN_VARIABLE = "SEGKIT_WEB_TOKEN"
_LIMITS, _PRIVACY = "Limits", "Who may come"


@user_errors(interrupted="stopped; with --data, jobs that were accepted go on at the next start")
def web(
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")
    ] = 7860,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen on; others than this computer's need a token.",
            rich_help_panel=_PRIVACY,
        ),
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            help=f"File with the secret that page and API ask for; or set {TOKEN_VARIABLE}.",
            metavar="FILE", rich_help_panel=_PRIVACY,
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name", help="Host name by which the server is called from elsewhere; repeatable.",
            metavar="NAME", rich_help_panel=_PRIVACY,
        ),
    ] = None,
    api_only: Annotated[bool, typer.Option("--api-only", help="No page.")] = False,
    models: Annotated[
        Path | None,
        typer.Option("--models", help="Folder of bundles to offer beside the built-in one.",
                     metavar="DIR"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Private folder that keeps jobs over a restart; default: temporary.",
            metavar="DIR",
        ),
    ] = None,
    upload_mb: Annotated[
        float, typer.Option("--upload-mb", min=1, help="Per request.", rich_help_panel=_LIMITS)
    ] = 200,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="Of film and voice.", rich_help_panel=_LIMITS)
    ] = 120,
    megapixels: Annotated[
        float, typer.Option("--megapixels", min=0.01, help="Of a frame.", rich_help_panel=_LIMITS)
    ] = 8.5,
    running: Annotated[
        int, typer.Option("--jobs", min=1, help="Rendered at a time.", rich_help_panel=_LIMITS)
    ] = 1,
    waiting: Annotated[
        int, typer.Option("--queue", min=1, help="Jobs that may wait.", rich_help_panel=_LIMITS)
    ] = 8,
    job_minutes: Annotated[
        float,
        typer.Option("--job-minutes", min=0.1, help="Longest job.", rich_help_panel=_LIMITS),
    ] = 60,
    fit_minutes: Annotated[
        float,
        typer.Option("--fit-minutes", min=0.5, help="Longest fit.", rich_help_panel=_LIMITS),
    ] = 20,
    keep_minutes: Annotated[
        float,
        typer.Option(
            "--keep-minutes", min=1, help="Files are removed so long after their last use.",
            rich_help_panel=_LIMITS,
        ),
    ] = 60,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu or cuda; default: a GPU if there is one.")
    ] = None,
) -> None:  # fmt: skip
    r"""Open a page to make, edit and render talking videos, with an HTTP API beside it.

    Needs: pip install 'segkit\[web]'. The page is for this computer alone; nothing is sent
    anywhere.

    Example: [bold]segkit web[/bold], then open http://127.0.0.1:7860; the API's schema is at
    /api/openapi.json.
    """
    require_web(page=not api_only)
    from segkit.serve.app import LOOPBACK, Server, Settings, serve
    from segkit.serve.limits import Limits

    token = read_token(token_file)
    loopback = host in LOOPBACK
    if not loopback and token is None:
        raise ValueError(
            f"--host {host}: others could use this server; give a secret with --token-file or in "
            f"{TOKEN_VARIABLE}, or stay on 127.0.0.1"
        )
    if models is not None and not models.is_dir():
        raise FileNotFoundError(f"--models: {models} is no folder")
    limits = Limits(
        upload_mb=upload_mb, seconds=seconds, megapixels=megapixels, waiting=waiting,
        running=running, job_minutes=job_minutes, fit_minutes=fit_minutes,
        keep_minutes=keep_minutes,
    )  # fmt: skip
    hosts = (*LOOPBACK, *(name or ())) if loopback or name else ()
    server = Server(
        Settings(
            folder=data,
            models=models,
            limits=limits,
            token=token,
            hosts=hosts,
            page=not api_only,
            device=device,
        )
    )
    typer.echo(f"http://{host}:{port}{'/api/openapi.json' if api_only else ''} (Ctrl-C stops it)")
    serve(server, host=host, port=port)


def require_web(*, page: bool) -> None:
    """Refuse early, naming the extra.

    Args:
        page: whether the page is wanted beside the API.

    Raises:
        ImportError: a library of the extra is missing.
    """
    needed = ["fastapi", "uvicorn", "python_multipart", *(["gradio"] if page else [])]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise ImportError(f"segkit web needs {', '.join(missing)}: run pip install 'segkit[web]'")


def read_token(path: Path | None) -> str | None:
    """Return the secret of a file, or of the environment.

    Raises:
        FileNotFoundError: no such file.
        ValueError: one that is too short.
    """
    if path is not None and not path.is_file():
        raise FileNotFoundError(f"--token-file: {path} does not exist")
    text = os.environ.get(TOKEN_VARIABLE) if path is None else path.read_text(encoding="utf-8")
    token = (text or "").strip()
    if path is None and not token:
        return None
    if len(token) < 16:
        raise ValueError("the token is shorter than 16 letters; make one: openssl rand -hex 24")
    return token
