"""What every request and answer passes through: bounds on bodies, a key, HEAD, headers for
browsers."""

from __future__ import annotations

import asyncio
import hmac

from starlette._utils import get_route_path
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Listings are written by strangers: no script but the page's own runs, whatever they hold, and no
# text becomes HTML, as the page may not even try (trusted types). blob: are the photo that a person
# is about to search by, and those that were fetched with a key.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
# Swagger UI starts from a script within its page and draws its icons from data: URLs. It shows the
# service's own words only.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# Of OWASP's list what such a page has a use for. Strict-Transport-Security is of whoever ends TLS.
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class BodyLimit:
    """Answers 413 to a body over `limit` bytes, before it is read where it says its length, and 408
    to one that takes over `seconds`, from when it is begun to be read."""

    def __init__(self, app: ASGIApp, limit: int, seconds: float) -> None:
        self.app = app
        self.limit = limit
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        too_large = f"the request is over {self.limit / 1e6:g} MB"
        if declared_length(Headers(scope=scope)) > self.limit:
            return await JSONResponse({"error": too_large}, 413)(scope, receive, send)
        read = 0
        whole = False
        until: float | None = None

        async def bounded() -> Message:
            # Raised where the body is read, within the app, whose error handler makes the answer.
            nonlocal read, whole, until
            if whole:  # what comes now is that the client has gone: there is no hurry
                return await receive()
            if until is None:  # before that it waited for its turn
                until = asyncio.get_running_loop().time() + self.seconds
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the request took over {self.seconds:g} s") from None
            read += len(message.get("body", b""))
            if read > self.limit:
                raise HTTPException(413, too_large)
            whole = not message.get("more_body", False)
            return message

        await self.app(scope, bounded, send)


def declared_length(headers: Headers) -> int:
    """The length in bytes that a request says its body has; 0 where it says none."""
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


class HeadAsGet:
    """Answers HEAD as GET, without the body (RFC 9110, 9.3.2): the framework's routes do not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        is_head = scope["method"] == "HEAD"

        async def adapted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                allowed = headers.get("allow", "").split(", ")
                if "GET" in allowed and "HEAD" not in allowed:
                    headers["allow"] = ", ".join([*allowed, "HEAD"])
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        asked = {**scope, "method": "GET"} if is_head else scope
        await self.app(asked, receive, adapted)


class ApiKey:
    """Answers 401 under /api/ to whoever does not send `key`, before anything else is read."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app = app
        self.key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The path that the router goes by, so nothing that it would find is let by.
        if scope["type"] != "http" or not get_route_path(scope).startswith("/api/"):
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        given = headers.get("x-api-key")
        if given is None:
            scheme, _, credentials = headers.get("authorization", "").partition(" ")
            given = credentials.strip() if scheme.lower() == "bearer" else ""
        # In the same time, however much of it is right.
        if hmac.compare_digest(given.encode(), self.key):
            return await self.app(scope, receive, send)
        said = "an API key is needed: as the header X-API-Key, or Authorization: Bearer"
        refusal = JSONResponse({"error": said}, 401, {"WWW-Authenticate": "Bearer"})
        await refusal(scope, receive, send)


class BrowserHeaders:
    """Adds what tells a browser to trust nothing but this service."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = get_route_path(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if path == "/docs":
                    headers["Content-Security-Policy"] = DOCS_POLICY
                # Answers follow the last click, and are one person's; the page's files follow the
                # last deployment.
                caching = "no-store" if path.startswith("/api/") else "no-cache"
                headers.setdefault("Cache-Control", caching)
            await send(message)

        await self.app(scope, receive, with_headers)
