"""Checks of request bodies: size, time to arrive, media type and completeness."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from fastapi import HTTPException, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
JSON = ("application/json",)
REPLAY_BYTES = 1 << 16  # size of the pieces in which a received body is passed on


class BodyLimitMiddleware:
    """Refuse bodies that are too large or too slow.

    The answer is 413 for a body over `max_bytes`, before it is read if Content-Length says so, and
    408 for a body that takes over `seconds`. The time starts with the first read, so it excludes
    the wait for a turn.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        too_large = too_large_message(self.max_bytes)
        if declared_length(Headers(scope=scope)) > self.max_bytes:
            return await JSONResponse({"error": too_large}, 413)(scope, receive, send)
        received = 0
        is_complete = False
        deadline: float | None = None

        async def receive_bounded() -> Message:
            # Raised while the app reads the body, so the app's error handler makes the answer.
            nonlocal received, is_complete, deadline
            if is_complete:  # the next message reports a disconnect, which may come any time later
                return await receive()
            if deadline is None:
                deadline = asyncio.get_running_loop().time() + self.seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the request took over {self.seconds:g} s") from None
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise HTTPException(413, too_large)
            is_complete = not message.get("more_body", False)
            return message

        await self.app(scope, receive_bounded, send)


def too_large_message(max_bytes: int) -> str:
    """Return the error of a body over `max_bytes`."""
    return f"the request is over {max_bytes / 1e6:g} MB"


def declared_length(headers: Headers) -> int:
    """Return the Content-Length in bytes, or 0 without a valid one."""
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


def check_media_type(headers: Headers, accepted: tuple[str, ...]) -> None:
    """Check that a body has an accepted media type; FastAPI would read another one as empty.

    Raises
    ------
    HTTPException
        415: the Content-Type is missing or not accepted.
    """
    content_type = headers.get("content-type")
    is_empty = "transfer-encoding" not in headers and declared_length(headers) == 0
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if accepted == JSON and re.fullmatch(r"application/[^/]+\+json", media_type):
        return
    if media_type in accepted or (content_type is None and is_empty):
        return
    given = f"Content-Type {content_type!r}" if content_type else "no Content-Type"
    raise HTTPException(415, f"the request has {given}: send {' or '.join(accepted)}")


def check_form_end(headers: Headers, body: bytearray) -> None:
    """Check that a multipart form is complete; otherwise its last field would be lost.

    Raises
    ------
    HTTPException
        400: the closing boundary is missing.
    """
    _, options = parse_options_header(headers.get("content-type"))
    boundary = options.get(b"boundary")
    if body and boundary and b"--" + boundary + b"--" not in body:
        raise HTTPException(400, "the form is incomplete: its closing boundary is missing")


def replay(body: bytearray, request: Request) -> Callable[[], Awaitable[Message]]:
    """Return a `receive` function that passes on a received body and frees it piece by piece."""
    is_complete = False

    async def receive() -> Message:
        nonlocal is_complete
        if is_complete:
            return await request.receive()
        piece = bytes(body[:REPLAY_BYTES])
        del body[:REPLAY_BYTES]
        is_complete = not body
        return {"type": "http.request", "body": piece, "more_body": not is_complete}

    return receive
