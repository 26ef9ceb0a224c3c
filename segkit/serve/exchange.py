"""A request and its answer as the guard sees them: head, counted body, and headers of our own."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

COOKIE = "segkit_session"

_HEADERS = {
    # No address but our own: neither fonts nor counters, and no other page may frame this one.
    "content-security-policy": "default-src 'self'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' data: blob:; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class RefusedError(HTTPException):
    """A request that goes no further; the application, too, knows how to answer with it."""


class RequestHead:
    """The head of a request."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path = scope["path"]
        self._query = scope.get("query_string", b"").decode("latin-1")
        self._headers = {
            key.decode("latin-1").lower(): value.decode("latin-1")
            for key, value in scope["headers"]
        }

    @property
    def is_json(self) -> bool:
        """Tell whether the body says that it is JSON."""
        return self.header("content-type").startswith("application/json")

    def header(self, name: str) -> str:
        """Return a header, by its name in small letters; empty if it is not there."""
        return self._headers.get(name, "")

    def query(self, name: str) -> str:
        """Return a value of the query; empty if it is not there."""
        return parse_qs(self._query).get(name, [""])[0]

    def cookie(self, name: str) -> str | None:
        """Return a cookie."""
        try:
            found = SimpleCookie(self.header("cookie")).get(name)
        except CookieError:
            return None
        return None if found is None else found.value


class CountedBody:
    """The body of a request, up to some size."""

    def __init__(self, receive: Receive, request: RequestHead, most: int) -> None:
        self._receive, self._most, self._count = receive, most, 0
        self._ready: bytes | None = None
        declared = request.header("content-length")
        if declared.isdigit() and int(declared) > most:
            raise self._too_large()

    async def __call__(self) -> Message:
        """Receive the next piece."""
        if self._ready is not None:
            content, self._ready = self._ready, None
            return {"type": "http.request", "body": content, "more_body": False}
        message = await self._receive()
        self._count += len(message.get("body", b""))
        if self._count > self._most:
            raise self._too_large()
        return message

    async def whole(self) -> bytes:
        """Read everything."""
        content = b""
        while True:
            message = await self()
            if message["type"] != "http.request":
                raise RefusedError(400, "the connection was closed")
            content += message.get("body", b"")
            if not message.get("more_body"):
                return content

    def put_back(self, content: bytes) -> None:
        """Let the application read what was read already."""
        self._ready = content

    def _too_large(self) -> RefusedError:
        return RefusedError(413, f"at most {self._most / 1e6:g} MB are accepted here")


class GuardedAnswer:
    """The answer to a request, with the headers that all answers get."""

    def __init__(self, send: Send, new_session: str | None) -> None:
        self._send, self._new_session = send, new_session
        self._kept: bytearray | None = None
        self.status = 0

    def keep(self) -> bytearray:
        """Remember the body while it passes."""
        self._kept = bytearray()
        return self._kept

    async def __call__(self, message: Message) -> None:
        """Send the next piece."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", []), *self._extra()]}
        elif message["type"] == "http.response.body" and self._kept is not None:
            self._kept += message.get("body", b"")
        await self._send(message)

    async def refuse(self, refused: RefusedError, *, is_page: bool = False) -> None:
        """Answer in the place of the application, unless that has begun to."""
        if self.status:
            return
        content = refused.detail if is_page else json.dumps({"detail": refused.detail})
        kind = "text/html; charset=utf-8" if is_page else "application/json"
        headers = {"content-type": kind, "content-length": str(len(content.encode()))}
        headers |= dict(refused.headers or {})
        pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
        await self({"type": "http.response.start", "status": refused.status_code, "headers": pairs})
        await self({"type": "http.response.body", "body": content.encode()})

    def _extra(self) -> list[tuple[bytes, bytes]]:
        pairs = [(key.encode(), value.encode()) for key, value in _HEADERS.items()]
        if self._new_session is not None:
            cookie = f"{COOKIE}={self._new_session}; HttpOnly; SameSite=Strict; Path=/"
            pairs.append((b"set-cookie", cookie.encode()))
        return pairs
