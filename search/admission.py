"""Room for so many requests at once: the rest wait a little, or are told to come again.

A search keeps every core busy, so more at once are not sooner done: they would only all be late.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import HTTPException
from prometheus_client import Counter

GONE = 499  # a proxy's usual code for "hung up before the answer": nobody reads it


class Admission:
    """`at_once` requests under way and `waiting` more, none of which waits over `seconds`."""

    def __init__(self, at_once: int, waiting: int, seconds: float, refused: Counter) -> None:
        """`refused` counts those that found no room."""
        self._places = asyncio.Semaphore(at_once)
        self._free = waiting
        self._seconds = seconds
        self._refused = refused

    @asynccontextmanager
    async def turn(self, is_gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
        """Wait for a turn, and have it until the end of the block. First come, first served.

        Raises HTTPException 503 with Retry-After where the queue is full or takes too long, and
        GONE for whoever hung up meanwhile (`is_gone`): a page asks anew with every letter typed,
        and only its last question is worth an answer.
        """
        if self._places.locked():
            if not self._free:
                raise self._full()
            self._free -= 1
            try:
                async with asyncio.timeout(self._seconds):
                    await self._places.acquire()
            except TimeoutError:
                raise self._full() from None
            finally:
                self._free += 1
            if await is_gone():
                self._places.release()
                raise HTTPException(GONE, "nobody is there any more")
        else:
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    def _full(self) -> HTTPException:
        self._refused.inc()
        # By then whoever waits now was answered, or refused.
        retry = {"Retry-After": str(math.ceil(self._seconds))}
        return HTTPException(503, "too many requests at once: try again in a moment", retry)
