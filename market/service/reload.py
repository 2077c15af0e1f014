"""A new index in place of the old one while requests go on: on SIGHUP."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import Counter

log = logging.getLogger("uvicorn.error")


class Reloader:
    """Loads in a thread, beside what serves, and puts the whole in its place at once."""

    def __init__(
        self, load: Callable[[], Any], swap: Callable[[Any], None], outcomes: Counter
    ) -> None:
        """`swap` gets what `load` returned, in the event loop. `load` may fail in any way: then
        nothing is swapped, and the log says why. `outcomes` counts by "outcome"."""
        self._load, self._swap, self._outcomes = load, swap, outcomes
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Reload; once more, if it is asked for in the middle of a reload: the files have changed
        since."""
        self._asked = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._asked:
            self._asked = False
            started = time.monotonic()
            log.info("Reload: loading the index beside the one that serves.")
            try:
                loaded = await asyncio.to_thread(self._load)
            except Exception as fault:
                self._outcomes.labels("failed").inc()
                said = " ".join(str(fault).split()) or type(fault).__name__
                log.error("Reload failed, the former index goes on to serve: %s", said)
            else:
                self._swap(loaded)
                # Some of the former waits in cycles for Python's next whole collection, which in a
                # process of this size may be many reloads away.
                await asyncio.to_thread(gc.collect)
                self._outcomes.labels("done").inc()
                log.info("Reload done, after %.1f s.", time.monotonic() - started)

    @contextmanager
    def on_hangup(self) -> Iterator[None]:
        """While the block runs, SIGHUP asks for a reload. Only the main thread hears signals, and
        only where there are such (not on Windows)."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        hangup = getattr(signal, "SIGHUP", None) if in_main_thread else None
        loop = asyncio.get_running_loop()
        if hangup is not None:
            loop.add_signal_handler(hangup, self.ask)
        try:
            yield
        finally:
            if hangup is not None:
                loop.remove_signal_handler(hangup)
