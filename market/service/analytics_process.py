"""Analytics in a process of their own.

Reading a day with 30,000 searches keeps Python busy for a second. In the process of the service,
searches would wait for it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from threading import Lock, Thread
from typing import Any

import pandas as pd

from market.core.errors import MarketError
from market.search.analytics import Grouping
from market.service.daily_outcomes import DailyOutcomes
from market.service.database import Database

NICENESS = 10  # searches come first
_outcomes: list[DailyOutcomes] = []  # of the process that computes


class AnalyticsProcess:
    """Analytics of the recorded searches, computed by another process.

    The process starts with the first request, so that a service without such requests needs no
    memory for it. It ends with the service, also if that is killed.

    Parameters
    ----------
    database
        The database of searches and events.
    """

    def __init__(self, database: Database) -> None:
        self._url = database.engine.url.render_as_string(hide_password=False)
        self._executor: ProcessPoolExecutor | None = None
        self._lock = Lock()

    def rates(self, first: date, last: date, by: Grouping | None, min_users: int) -> pd.DataFrame:
        """Return what `DailyOutcomes.rates` returns, and raise what it raises.

        Raises
        ------
        MarketError
            Also if the process was killed. The next request starts a new one.
        """
        return self._run(_rates, first, last, by, min_users)

    def queries_without_results(self, first: date, last: date, min_users: int) -> pd.DataFrame:
        """Return what `DailyOutcomes.queries_without_results` returns; raise as `rates` does."""
        return self._run(_queries_without_results, first, last, min_users)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._executor is not None:
                self._executor.shutdown(cancel_futures=True)
                self._executor = None

    def _run(self, function: Callable[..., pd.DataFrame], *arguments: Any) -> pd.DataFrame:
        with self._lock:
            if self._executor is None:
                self._executor = ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn"), _start, (self._url,)
                )
            executor = self._executor
        try:
            return executor.submit(function, *arguments).result()
        except BrokenProcessPool:
            with self._lock:
                if self._executor is executor:
                    self._executor = None
            raise MarketError("the process of the analytics ended: try again") from None


def _start(url: str) -> None:
    """Prepare the process that computes."""
    # Signals of the terminal are ignored: the service ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.nice(NICENESS)
    Thread(target=_end_with_parent, daemon=True).start()
    _outcomes.append(DailyOutcomes(Database(url)))


def _end_with_parent() -> None:
    """Wait for the end of the service, and end this process if it is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _rates(first: date, last: date, by: Grouping | None, min_users: int) -> pd.DataFrame:
    return _outcomes[0].rates(first, last, by, min_users)


def _queries_without_results(first: date, last: date, min_users: int) -> pd.DataFrame:
    return _outcomes[0].queries_without_results(first, last, min_users)
