"""Limits of request bodies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from market.service.bodies import BodyLimitMiddleware


def test_endless_body_times_out() -> None:
    """A client that sends a byte now and then must not hold a connection forever."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    async def trickle() -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    limited = BodyLimitMiddleware(app, max_bytes=1000, seconds=0.1)
    scope = {"type": "http", "headers": []}
    with pytest.raises(HTTPException) as raised:
        asyncio.run(limited(scope, trickle, None))  # type: ignore[arg-type]
    assert raised.value.status_code == 408


def test_time_of_a_body_starts_with_the_first_read() -> None:
    """The wait for a turn does not count."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.3)
        assert (await receive())["type"] == "http.request"

    async def receive_later() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": False}

    limited = BodyLimitMiddleware(app, max_bytes=1000, seconds=0.2)
    asyncio.run(limited({"type": "http", "headers": []}, receive_later, None))  # type: ignore[arg-type]


def test_declared_length_over_the_limit_is_refused_unread() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the app ran")

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    limited = BodyLimitMiddleware(app, max_bytes=1000, seconds=60)
    scope = {"type": "http", "headers": [(b"content-length", b"1001")]}
    asyncio.run(limited(scope, receive, send))
    assert sent[0]["status"] == 413 and b"the request is over 0.001 MB" in sent[1]["body"]
