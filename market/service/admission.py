"""Room for so many requests at once: the rest wait a little, or are told to come again.

A search keeps every core busy, so more at once are not sooner done: they would only all be late. A
request is admitted before its body is read, so the bytes held are bounded as well.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute
from prometheus_client import Counter
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message

from market.service.security import declared_length

GONE = 499  # a proxy's usual code for "hung up before the answer": nobody reads it
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
JSON = ("application/json",)
PIECE = 1 << 16  # bytes of a body that are handed on at a time


class Admission:
    """`at_once` requests under way and `waiting` more, none of which waits over `seconds`."""

    def __init__(self, at_once: int, waiting: int, seconds: float, refused: Counter) -> None:
        """`refused` counts those that found no room."""
        self._at_once = at_once
        self._places = asyncio.Semaphore(at_once)
        self._under_way = 0
        self._free = waiting
        self._seconds = seconds
        self._refused = refused

    @property
    def under_way(self) -> int:
        """How many have a place now."""
        return self._under_way

    def check_room(self) -> None:
        """Raise HTTPException 503 where the next request could not even wait."""
        if self._places.locked() and not self._free:
            raise self._full()

    @asynccontextmanager
    async def turn(
        self, is_gone: Callable[[], Awaitable[bool]] | None = None
    ) -> AsyncIterator[None]:
        """Wait for a turn, and have it until the end of the block. First come, first served.

        Raises HTTPException 503 with Retry-After where the queue is full or takes too long, and
        GONE for whoever hung up meanwhile (`is_gone`): a page asks anew with every letter typed,
        and only its last question is worth an answer.
        """
        waits = self._places.locked()
        async with self._place():
            if waits and is_gone is not None and await is_gone():
                raise HTTPException(GONE, "nobody is there any more")
            yield

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """A place from here to the end of the block, whatever happens in it."""
        await self._wait()
        # No await between this and `try`: nothing can come in between and keep the place.
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._places.release()

    async def _wait(self) -> None:
        self.check_room()
        if not self._places.locked():
            await self._places.acquire()  # at once
            return
        self._free -= 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._places.acquire()
        except TimeoutError:
            raise self._full() from None
        finally:
            self._free += 1

    def _full(self) -> HTTPException:
        self._refused.inc()
        # By then whoever waits now was answered, or refused.
        retry = {"Retry-After": str(math.ceil(self._seconds))}
        return HTTPException(503, "too many requests at once: try again in a moment", retry)


class Queue:
    """Requests of one kind: room for their bodies, then a turn to compute.

    The two are apart so that whoever sends a photo slowly keeps no search from its turn: a body is
    received whole first. At most `bodies`' number of them is held, each of `max_bytes` at most.
    """

    def __init__(self, bodies: Admission, turns: Admission, max_bytes: int) -> None:
        self.bodies, self.turns, self.max_bytes = bodies, turns, max_bytes
        self.bytes_held = 0

    @asynccontextmanager
    async def admit(self, request: Request, accepted: tuple[str, ...]) -> AsyncIterator[Request]:
        """Wait for a turn, and have it until the end of the block; yields the request to handle.

        `accepted` are the media types of the body that is read: without any, none is read.
        Raises HTTPException: 503 and GONE as Admission does, 400 for a form that is cut off, 413
        for a body over `max_bytes`, 415 for one of another type.
        """
        if not accepted:
            async with self.turns.turn(request.is_disconnected):
                yield request
            return
        check_media_type(request.headers, accepted)
        if declared_length(request.headers) > self.max_bytes:
            raise self._too_large()
        self.turns.check_room()  # or the body would be sent for nothing
        async with (
            self.bodies.turn(),
            self._body(request) as body,
            self.turns.turn(request.is_disconnected),
        ):
            check_form_end(request.headers, body)
            yield Request(request.scope, _replay(body, request))

    @asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[bytearray]:
        """The request's body, whole; it counts as held until the end of the block."""
        body = bytearray()  # not a list of chunks: of a single byte, each would take 40
        counted = 0
        try:
            try:
                async for chunk in request.stream():
                    self.bytes_held += len(chunk)
                    counted += len(chunk)
                    if counted > self.max_bytes:
                        raise self._too_large()
                    body += chunk
            except ClientDisconnect:
                raise HTTPException(GONE, "the request broke off before its end") from None
            yield body
        finally:
            self.bytes_held -= counted

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the request is over {self.max_bytes / 1e6:g} MB")


def _replay(body: bytearray, request: Request) -> Callable[[], Awaitable[Message]]:
    """`receive` of a request whose body was received; what is handed on is freed."""
    whole = False

    async def receive() -> Message:
        nonlocal whole
        if whole:
            return await request.receive()
        piece = bytes(body[:PIECE])
        del body[:PIECE]
        whole = not body
        return {"type": "http.request", "body": piece, "more_body": not whole}

    return receive


def check_media_type(headers: Headers, accepted: tuple[str, ...]) -> None:
    """Raise HTTPException 415 where a body has another type: it would be taken for an empty one."""
    given = headers.get("content-type")
    is_empty = "transfer-encoding" not in headers and declared_length(headers) == 0
    media_type = (given or "").partition(";")[0].strip().lower()
    if accepted == JSON and re.fullmatch(r"application/[^/]+\+json", media_type):
        return
    if media_type in accepted or (given is None and is_empty):
        return
    said = f"a Content-Type of {given!r}" if given else "no Content-Type"
    raise HTTPException(415, f"the request has {said}: send {' or '.join(accepted)}")


def check_form_end(headers: Headers, body: bytearray) -> None:
    """Raise HTTPException 400 where a multipart form has no end: its last field would be lost."""
    _, options = parse_options_header(headers.get("content-type"))
    boundary = options.get(b"boundary")
    if body and boundary and b"--" + boundary + b"--" not in body:
        raise HTTPException(400, "the form is cut off: it lacks its closing boundary")


def admitted_to(name: str) -> type[APIRoute]:
    """The class of routes whose requests go through the service's queue of this name."""

    class AdmittedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            # FastAPI's own handler reads the body, then runs dependencies and the endpoint.
            handle = super().get_route_handler()
            accepted: tuple[str, ...] = ()
            if self.body_field is not None:
                accepted = FORMS if isinstance(self.body_field.field_info, Form) else JSON

            async def admitted(request: Request) -> Response:
                queue: Queue = request.app.state.service.queues[name]
                async with queue.admit(request, accepted) as ready:
                    return await handle(ready)

            return admitted

    return AdmittedRoute
