"""The background task that applies changes of listings by other processes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from market.service.live_catalogue import LiveCatalogue

POLL_SECONDS = (
    0.2  # other processes find a listing at most this long, and a rebuild, after a change
)
RETRY_SECONDS = 5  # after an error, such as a database that is away

log = logging.getLogger("uvicorn.error")


@contextlib.asynccontextmanager
async def following(catalogue: LiveCatalogue) -> AsyncIterator[None]:
    """Apply changes of other processes while the block runs."""
    task = asyncio.get_running_loop().create_task(_follow(catalogue))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _follow(catalogue: LiveCatalogue) -> None:
    has_failed = False
    while True:
        try:
            await asyncio.to_thread(catalogue.poll)
            has_failed = False
        except Exception as error:
            if not has_failed:  # one line for each outage
                message = " ".join(str(error).split()) or type(error).__name__
                log.error("Changes of listings cannot be read for now: %.300s", message)
            has_failed = True
        await asyncio.sleep(RETRY_SECONDS if has_failed else POLL_SECONDS)
