"""Replacement of the index while requests continue: on SIGHUP, or when models are promoted."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from prometheus_client import Counter

from market.service.errors import one_line

WATCH_SECONDS = 1.0  # between two looks at whether models were promoted

log = logging.getLogger("uvicorn.error")


class Reloader:
    """Replace the index in a thread.

    Parameters
    ----------
    replace
        Loads the new models, then swaps them in at once. If it raises anything, it must have
        swapped nothing, and the log says why.
    outcomes
        Counter with the label `outcome`: done or failed.
    """

    def __init__(self, replace: Callable[[], None], outcomes: Counter) -> None:
        self._replace, self._outcomes = replace, outcomes
        self._requested: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    def request(self, replace: Callable[[], None] | None = None) -> None:
        """Start a reload, or another one after a running reload, as the files have changed.

        Parameters
        ----------
        replace
            Replaces a part of the index, as the Reloader's own function replaces all of it.
        """
        chosen = replace or self._replace
        if chosen not in self._requested:
            self._requested.append(chosen)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._requested:
            replace = self._requested.pop(0)
            started = time.monotonic()
            log.info("Reload: loading new models while the old ones serve.")
            try:
                await asyncio.to_thread(replace)
            except Exception as error:
                self._outcomes.labels("failed").inc()
                log.error("Reload failed, the old index still serves: %s", one_line(error))
            else:
                # Reference cycles keep some of the old index until Python's next full collection,
                # which in a process of this size may be many reloads away.
                await asyncio.to_thread(gc.collect)
                self._outcomes.labels("done").inc()
                log.info("Reload done in %.1f s.", time.monotonic() - started)

    @asynccontextmanager
    async def on_change(
        self, stamp: Callable[[], object], replace: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Request `replace` whenever `stamp` returns something new while the block runs."""
        task = asyncio.get_running_loop().create_task(self._watch(stamp, replace))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self, stamp: Callable[[], object], replace: Callable[[], None]) -> None:
        known = stamp()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if (current := stamp()) != known:
                known = current
                self.request(replace)

    @contextmanager
    def on_hangup(self) -> Iterator[None]:
        """Reload on SIGHUP while the block runs.

        It has no effect outside the main thread, which alone receives signals, and on Windows,
        which has no SIGHUP.
        """
        in_main_thread = threading.current_thread() is threading.main_thread()
        hangup = getattr(signal, "SIGHUP", None) if in_main_thread else None
        loop = asyncio.get_running_loop()
        if hangup is not None:
            loop.add_signal_handler(hangup, self.request)
        try:
            yield
        finally:
            if hangup is not None:
                loop.remove_signal_handler(hangup)
