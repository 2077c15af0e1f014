"""Replacement of the search index while requests continue, on SIGHUP."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import Counter

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
        self._is_requested = False
        self._task: asyncio.Task[None] | None = None

    def request(self) -> None:
        """Start a reload, or another one after a running reload, as the files have changed."""
        self._is_requested = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._is_requested:
            self._is_requested = False
            started = time.monotonic()
            log.info("Reload: loading the new index while the old one serves.")
            try:
                await asyncio.to_thread(self._replace)
            except Exception as error:
                self._outcomes.labels("failed").inc()
                message = " ".join(str(error).split()) or type(error).__name__
                log.error("Reload failed, the old index still serves: %s", message)
            else:
                # Reference cycles keep some of the old index until Python's next full collection,
                # which in a process of this size may be many reloads away.
                await asyncio.to_thread(gc.collect)
                self._outcomes.labels("done").inc()
                log.info("Reload done in %.1f s.", time.monotonic() - started)

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
