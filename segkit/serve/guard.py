"""What stands before every request: host, origin, token, size, and whose page it is."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from segkit.serve.exchange import (
    COOKIE,
    CountedBody,
    GuardedAnswer,
    Receive,
    RefusedError,
    RequestHead,
    Scope,
    Send,
)
from segkit.serve.limits import Limits
from segkit.serve.ownership import Ownership, paths_in

SESSION = "segkit.session"
"""Key of the session in a request's scope."""

_SESSION = re.compile(r"[A-Za-z0-9_-]{43}")
_ROOM = 1_000_000
"""Bytes of a request beside its files."""

_MESSAGE_BYTES = 2_000_000
_PAINTING_BYTES = 40_000_000

# The page's library has more doors than the page needs; only these are open.
_PAGE = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/enter")
_PAGE_FOLDERS = ("/assets/", "/static/", "/svelte/", "/media/")
_LIBRARY = "/gradio_api/"
_LIBRARY_DOORS = (
    "info", "app_id", "login_check", "token", "user", "startup-events", "upload", "upload_progress",
    "queue/join", "queue/data", "component_server", "cancel", "reset",
)  # fmt: skip
_API = "/api/"


class Guard:
    """ASGI middleware that refuses before anything is read or parsed.

    Args:
        app: what is guarded.
        limits: of uploads.
        hosts: names by which the server may be called, against rebinding of names; empty for any.
        token: secret that the API and the page ask for; None asks for none.
        ownership: of the page's files; None when there is no page.
        has_room: tells whether the queue takes another job.
    """

    def __init__(
        self,
        app: Any,
        *,
        limits: Limits,
        hosts: Iterable[str] = (),
        token: str | None = None,
        ownership: Ownership | None = None,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._app, self._limits, self._token = app, limits, token
        self._hosts = frozenset(hosts)
        self._ownership, self._has_room = ownership, has_room
        self._entered: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = RequestHead(scope)
        session, is_new = self._session(request)
        scope[SESSION] = session
        answer = GuardedAnswer(send, session if is_new and self._ownership is not None else None)
        try:
            self._check_caller(request)
            if request.path == "/enter" and self._ownership is not None:
                await self._enter(request, session, receive)
            most = self._check_path(request, session)
            body = CountedBody(receive, request, most)
            if self._ownership is not None and request.path.startswith(_LIBRARY):
                await self._pass_page(scope, request, session, body, answer)
            else:
                await self._app(scope, body, answer)
        except RefusedError as refused:
            await answer.refuse(refused, is_page=refused.detail is _ASK)

    def _session(self, request: RequestHead) -> tuple[str, bool]:
        known = request.cookie(COOKIE)
        if known is not None and _SESSION.fullmatch(known):
            return known, False
        return secrets.token_urlsafe(32), True

    def _check_caller(self, request: RequestHead) -> None:
        host = request.header("host")
        if self._hosts and (urlsplit(f"//{host}").hostname or "") not in self._hosts:
            raise RefusedError(403, "this server is not known by that name")
        origin = request.header("origin")
        if origin and request.method not in ("GET", "HEAD") and urlsplit(origin).netloc != host:
            raise RefusedError(403, "requests of other pages are refused")

    def _check_path(self, request: RequestHead, session: str) -> int:
        """Check the door and the token; returns how many bytes may come."""
        path = request.path
        if path.startswith(_API):
            self._check_token(request)
            if request.method == "POST" and path in ("/api/jobs", "/api/fits"):
                if not self._has_room():
                    raise RefusedError(
                        429, "the queue is full; try again later", {"retry-after": "30"}
                    )
                return self._limits.upload_bytes + _ROOM
            return _ROOM
        if self._ownership is None or not _is_door(path):
            raise RefusedError(404, "not found")
        if self._token is not None and session not in self._entered:
            raise RefusedError(401, _ASK)
        if path == f"{_LIBRARY}upload":
            return self._limits.upload_bytes + _ROOM
        return _PAINTING_BYTES if path.endswith("component_server") else _MESSAGE_BYTES

    def _check_token(self, request: RequestHead) -> None:
        if self._token is None:
            return
        given = request.header("authorization")
        if not _same(given, f"Bearer {self._token}"):
            raise RefusedError(
                401, "send the token: Authorization: Bearer TOKEN", {"www-authenticate": "Bearer"}
            )

    async def _enter(self, request: RequestHead, session: str, receive: Receive) -> None:
        """Read the token that somebody typed, and let their session in."""
        body = await CountedBody(receive, request, 10_000).whole()
        typed = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        if self._token is None or not _same(typed, self._token):
            raise RefusedError(401, _ASK)
        self._entered.add(session)
        raise RefusedError(303, "", {"location": "/"})

    async def _pass_page(
        self,
        scope: Scope,
        request: RequestHead,
        session: str,
        body: CountedBody,
        answer: GuardedAnswer,
    ) -> None:
        """Let through what uses only files and streams of this session."""
        assert self._ownership is not None
        door = request.path.removeprefix(_LIBRARY)
        if door.startswith("file="):
            if not self._ownership.claim_file(door.removeprefix("file="), session):
                raise RefusedError(403, "not your file")
        elif door.startswith("heartbeat/"):
            self._require_stream(door.removeprefix("heartbeat/"), session)
        elif door == "queue/data":
            self._require_stream(request.query("session_hash"), session)
        elif door == "upload":
            uploaded = answer.keep()
            await self._app(scope, body, answer)
            for path in json.loads(uploaded) if answer.status == 200 else ():
                self._ownership.share(path, session)
            return
        elif request.is_json:
            content = await body.whole()
            self._check_message(content, session)
            body.put_back(content)
        await self._app(scope, body, answer)

    def _check_message(self, content: bytes, session: str) -> None:
        assert self._ownership is not None
        try:
            message = json.loads(content)
            paths = list(paths_in(message))
        except (ValueError, RecursionError):
            raise RefusedError(400, "expected JSON") from None
        for path in paths:
            if not self._ownership.claim_file(path, session):
                raise RefusedError(403, "not your file")
        if isinstance(message, dict) and "session_hash" in message:
            self._require_stream(str(message["session_hash"]), session)

    def _require_stream(self, name: str, session: str) -> None:
        assert self._ownership is not None
        if not self._ownership.claim(f"stream:{name}", session):
            raise RefusedError(403, "not your page")


def _is_door(path: str) -> bool:
    if path in _PAGE or path.startswith(_PAGE_FOLDERS):
        return True
    door = path.removeprefix(_LIBRARY).rstrip("/")
    return path.startswith(_LIBRARY) and (
        door in _LIBRARY_DOORS or door.startswith(("file=/", "heartbeat/"))
    )


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


_ASK = """<!doctype html><html lang="en"><meta charset="utf-8"><title>segkit</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<body style="font:1rem system-ui;max-width:22rem;margin:15vh auto;padding:0 1rem">
<h1>segkit</h1><form method="post" action="/enter"><label for="token">Token of this server</label>
<p><input id="token" name="token" type="password" autofocus required style="font:inherit;width:100%;
padding:.5rem;box-sizing:border-box"></p><button style="font:inherit;padding:.5rem 1.2rem">Enter
</button></form></body></html>"""
