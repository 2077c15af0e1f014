"""What every request and answer passes through: a bound on bodies, and headers for browsers."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Listings are written by strangers: no script but the page's own runs, whatever they hold. blob:
# is the photo that a person is about to search by.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Swagger UI starts from a script within its page and draws its icons from data: URLs. It shows the
# service's own words only.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class BodyLimit:
    """Answers 413 to a body over `limit` bytes, before it is read where it says its length."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        length = Headers(scope=scope).get("content-length", "0")
        said = int(length) if length.isdecimal() else 0
        read = 0

        async def bounded() -> Message:
            # Raised where the body is read, within the app, whose error handler makes the answer.
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if max(said, read) > self.limit:
                raise HTTPException(413, f"the request is over {self.limit / 1e6:g} MB")
            return message

        await self.app(scope, bounded, send)


class BrowserHeaders:
    """Adds what tells a browser to trust nothing but this service."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        is_docs = scope["path"].endswith("/docs")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = DOCS_POLICY if is_docs else PAGE_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                # Answers follow the last click, the page's files the last deployment.
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self.app(scope, receive, with_headers)
