"""A limit on concurrent requests, with a bounded queue of requests that wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import HTTPException
from prometheus_client import Counter

CLIENT_CLOSED = 499  # the usual code of a proxy for a client that disconnected; nobody reads it


class Admission:
    """Admit `at_once` requests, let `waiting` more wait, and refuse the rest.

    Parameters
    ----------
    at_once
        Requests admitted at the same time.
    waiting
        Requests that may wait, first come, first served.
    seconds
        Longest wait.
    refused
        Counter of refused requests.
    """

    def __init__(self, at_once: int, waiting: int, seconds: float, refused: Counter) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._under_way = 0
        self._free_places = waiting
        self._seconds = seconds
        self._refused = refused

    @property
    def under_way(self) -> int:
        """Number of requests admitted now."""
        return self._under_way

    def check_room(self) -> None:
        """Check that the next request could at least wait.

        Raises
        ------
        HTTPException
            503 with Retry-After: all slots and all waiting places are taken.
        """
        if self._slots.locked() and not self._free_places:
            raise self._full()

    @asynccontextmanager
    async def turn(
        self, is_disconnected: Callable[[], Awaitable[bool]] | None = None
    ) -> AsyncIterator[None]:
        """Wait for a slot, then hold it until the block ends.

        Parameters
        ----------
        is_disconnected
            Returns, after a wait, whether the client has disconnected. The page sends a search for
            every letter typed, and only the last search needs an answer.

        Raises
        ------
        HTTPException
            503 with Retry-After: no place to wait, or the wait took too long. 499: the client
            disconnected while it waited.
        """
        had_to_wait = self._slots.locked()
        async with self._slot():
            if had_to_wait and is_disconnected is not None and await is_disconnected():
                raise HTTPException(CLIENT_CLOSED, "the client disconnected")
            yield

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Hold a slot until the block ends, and release it whatever happens."""
        await self._wait()
        # No await between _wait and try: a cancellation in between would lose the slot.
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._slots.release()

    async def _wait(self) -> None:
        self.check_room()
        if not self._slots.locked():
            await self._slots.acquire()  # returns at once
            return
        self._free_places -= 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise self._full() from None
        finally:
            self._free_places += 1

    def _full(self) -> HTTPException:
        self._refused.inc()
        # After this time every request that waits now has been admitted or refused.
        retry = {"Retry-After": str(math.ceil(self._seconds))}
        return HTTPException(503, "too many requests at once: try again in a moment", retry)
