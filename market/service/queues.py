"""One queue for each kind of request, so that no kind waits for another.

A search keeps all cores busy, so more searches at once would only make all of them late. A request
is admitted before its body is read, which bounds the memory that bodies take.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.params import Form
from starlette.requests import ClientDisconnect

from market.service.admission import CLIENT_CLOSED, Admission
from market.service.bodies import (
    FORMS,
    JSON,
    check_form_end,
    check_media_type,
    declared_length,
    replay,
    too_large_message,
)
from market.service.keys import Scope
from market.service.metrics import Metrics
from market.service.scopes import ScopedRoute
from market.service.settings import Settings

MAX_EVENT_BYTES = 100_000  # an event has a few hundred; parsed JSON takes ten times its size
CATALOGUE_WRITERS = (
    4  # they share the models, the lock of the store and the rebuilding of the engine
)
EVENT_WRITERS = 8  # events written at once; the store has 15 connections, which searches use too


class Queue:
    """Requests of one kind: each first receives its body, then waits for its turn to run.

    The two steps are separate so that a slow upload never blocks a search.

    Parameters
    ----------
    bodies
        Limits the bodies received or held at once.
    turns
        Limits the requests that run at once.
    max_bytes
        Largest body.
    """

    def __init__(self, bodies: Admission, turns: Admission, max_bytes: int) -> None:
        self.bodies, self.turns, self.max_bytes = bodies, turns, max_bytes
        self.bytes_held = 0

    @asynccontextmanager
    async def admit(self, request: Request, accepted: tuple[str, ...]) -> AsyncIterator[Request]:
        """Admit a request and hold its turn until the block ends.

        Parameters
        ----------
        request
            Request whose body has not been read.
        accepted
            Media types of the body. Empty: the body is not read.

        Yields
        ------
        Request
            Request to handle, with the body in memory.

        Raises
        ------
        HTTPException
            503 or 499 as in `Admission.turn`; 400 for an incomplete form; 413 for a body over
            `max_bytes`; 415 for a body of another type.
        """
        if not accepted:
            async with self.turns.turn(request.is_disconnected):
                yield request
            return
        check_media_type(request.headers, accepted)
        if declared_length(request.headers) > self.max_bytes:
            raise self._too_large()
        self.turns.check_room()  # refuse before the client sends the body for nothing
        async with (
            self.bodies.turn(),
            self._receive_body(request) as body,
            self.turns.turn(request.is_disconnected),
        ):
            check_form_end(request.headers, body)
            yield Request(request.scope, replay(body, request))

    @asynccontextmanager
    async def _receive_body(self, request: Request) -> AsyncIterator[bytearray]:
        """Receive the whole body, and count it as held until the block ends."""
        body = bytearray()  # not a list of chunks: a chunk of one byte would take 40
        received = 0
        try:
            try:
                async for chunk in request.stream():
                    self.bytes_held += len(chunk)
                    received += len(chunk)
                    if received > self.max_bytes:
                        raise self._too_large()
                    body += chunk
            except ClientDisconnect:
                raise HTTPException(CLIENT_CLOSED, "the request ended before its body") from None
            yield body
        finally:
            self.bytes_held -= received

    def _too_large(self) -> HTTPException:
        return HTTPException(413, too_large_message(self.max_bytes))


def make_queues(settings: Settings, metrics: Metrics) -> dict[str, Queue]:
    """Return the queues by name: `search`, `predict`, `catalogue`, `events` and `analytics`."""
    upload_bytes = int(settings.max_upload_mb * 1e6)
    limits = {
        "search": (settings.max_at_once, upload_bytes),
        "predict": (1, upload_bytes),
        "catalogue": (CATALOGUE_WRITERS, upload_bytes),
        "analytics": (1, upload_bytes),
        "events": (EVENT_WRITERS, min(MAX_EVENT_BYTES, upload_bytes)),
    }
    return {
        name: _make_queue(name, at_once, max_bytes, settings, metrics)
        for name, (at_once, max_bytes) in limits.items()
    }


def _make_queue(
    name: str, at_once: int, max_bytes: int, settings: Settings, metrics: Metrics
) -> Queue:
    bodies, turns = (
        Admission(
            limit, settings.max_waiting, settings.max_wait_seconds, metrics.refused.labels(name)
        )
        for limit in (settings.max_uploads, at_once)
    )
    queue = Queue(bodies, turns, max_bytes)
    metrics.under_way.labels(name).set_function(lambda: turns.under_way)
    metrics.body_bytes.labels(name).set_function(lambda: queue.bytes_held)
    return queue


def queued_route(name: str, scope: Scope) -> type[ScopedRoute]:
    """Return a route class whose requests pass through the queue `name` of the service.

    `scope` is what a key must be allowed to do.
    """

    class QueuedRoute(ScopedRoute):
        needs = scope

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            # FastAPI's handler reads the body, then runs the dependencies and the endpoint.
            handle = super().get_route_handler()
            accepted: tuple[str, ...] = ()
            if self.body_field is not None:
                accepted = FORMS if isinstance(self.body_field.field_info, Form) else JSON
            elif self.openapi_extra:  # the endpoint reads the body itself
                accepted = tuple(self.openapi_extra["requestBody"]["content"])

            async def handle_in_turn(request: Request) -> Response:
                queue: Queue = request.app.state.service.queues[name]
                async with queue.admit(request, accepted) as admitted:
                    return await handle(admitted)

            return handle_in_turn

    return QueuedRoute
