"""What became of recorded searches, read from the database by day and kept for a while."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import Any

import pandas as pd
import sqlalchemy as sa
from cachetools import TLRUCache

from market.core.errors import MarketError
from market.search.analytics import Grouping, SearchAnalytics
from market.search.search_outcomes import PAGE_GAP
from market.service.database import Database
from market.service.events import EVENTS
from market.service.search_log import SEARCHES
from market.service.user_data import ERASED_USERS

MAX_DAYS = 366
MAX_SEARCHES = 2_000_000  # rows of one period; a million take about 0.2 GB of memory
RECENT_SECONDS = 30  # a day is kept while its clicks still arrive
SETTLED_SECONDS = 24 * 3600  # an earlier day is kept
READ_COLUMNS = (
    "search_id", "user_id", "timestamp", "query", "product_ids", "kind", "variant", "offset",
    "total", "filters", "suggest_id",
)  # fmt: skip


class PeriodError(MarketError):
    """A period is too long, or has too many searches."""


class DailyOutcomes:
    """Outcomes of the searches of each day (UTC), without ids of users.

    A day is read once and kept for a day; today and yesterday for seconds. An erasure of a user
    empties what is kept.

    Parameters
    ----------
    database
        The database of searches and events.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._days: TLRUCache[date, SearchAnalytics] = TLRUCache(
            MAX_SEARCHES,
            ttu=lambda day, _, now: now + _lifetime(day),
            timer=time.monotonic,
            getsizeof=lambda analytics: len(analytics.outcomes) + 1,
        )
        self._erasures: Any = None

    def rates(self, first: date, last: date, by: Grouping | None, min_users: int) -> pd.DataFrame:
        """Return `SearchAnalytics.rates` of a period; raises as `between` does."""
        return self.between(first, last).rates(by, min_users=min_users)

    def queries_without_results(self, first: date, last: date, min_users: int) -> pd.DataFrame:
        """Return `SearchAnalytics.queries_without_results`; raises as `between` does."""
        return self.between(first, last).queries_without_results(min_users=min_users)

    def between(self, first: date, last: date) -> SearchAnalytics:
        """Return the analytics of the days from `first` to `last`.

        Raises
        ------
        PeriodError
            If the period has more than MAX_DAYS days or MAX_SEARCHES searches.
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer.
        """
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        if len(days) > MAX_DAYS:
            raise PeriodError(
                f"from {first} to {last} are {len(days)} days: choose {MAX_DAYS} at most"
            )
        with self._lock:
            self._check(first, last)
            return SearchAnalytics.join([self._read_or_kept(day) for day in days])

    def _check(self, first: date, last: date) -> None:
        """Empty what is kept after an erasure, and refuse a period with too many searches."""
        erasures = sa.select(sa.func.count(), sa.func.max(ERASED_USERS.c.erased_at))
        searches = sa.select(sa.func.count()).where(*_within(_start(first), _end(last)))
        with self._database.connect() as connection:
            found = tuple(connection.execute(erasures).one())
            count = connection.execute(searches).scalar() or 0
        if found != self._erasures:
            self._days.clear()
            self._erasures = found
        if count > MAX_SEARCHES:
            raise PeriodError(
                f"from {first} to {last} there are {count:,} searches: choose a period with "
                f"{MAX_SEARCHES:,} at most"
            )

    def _read_or_kept(self, day: date) -> SearchAnalytics:
        kept = self._days.get(day)
        if kept is None:
            kept = self._read(_start(day), _end(day))
            if len(kept.outcomes) < MAX_SEARCHES:
                self._days[day] = kept
        return kept

    def _read(self, start: datetime, end: datetime) -> SearchAnalytics:
        """Return the analytics of the searches that begin in a period."""
        # Pages and new questions just outside of the period belong to searches in it.
        wide = _within(start - PAGE_GAP, end + PAGE_GAP)
        events = sa.select(
            *(EVENTS.c[name] for name in ("search_id", "product_id", "event", "timestamp"))
        ).join(SEARCHES, SEARCHES.c.search_id == EVENTS.c.search_id)
        searches = sa.select(*(SEARCHES.c[name] for name in READ_COLUMNS))
        with self._database.connect() as connection:
            rows = [tuple(row) for row in connection.execute(searches.where(*wide))]
            acts = [tuple(row) for row in connection.execute(events.where(*wide))] if rows else []
        if not rows:
            return SearchAnalytics.join([])
        log = pd.DataFrame(rows, columns=READ_COLUMNS, dtype=object)
        clicks = pd.DataFrame(
            acts, columns=["search_id", "product_id", "event", "timestamp"], dtype=object
        ).astype({"timestamp": "datetime64[us]"})
        has_click = log["search_id"].isin(clicks["search_id"])
        # Only clicks need the ids. Reading all of them would take most of the time.
        log["product_ids"] = pd.Series(
            [
                json.loads(text) if clicked else [""] * (text != "[]")
                for text, clicked in zip(log["product_ids"], has_click, strict=True)
            ],
            dtype=object,
        )
        log = log.astype({"timestamp": "datetime64[us]", "offset": int, "total": "Int64"})
        outcomes = SearchAnalytics.of(log, clicks).outcomes
        is_inside = (outcomes["timestamp"] >= start) & (outcomes["timestamp"] < end)
        outcomes = outcomes[is_inside]
        users = outcomes["user_id"]
        hashes = pd.Series(pd.util.hash_array(users.astype("str").to_numpy(object)), users.index)
        return SearchAnalytics(
            outcomes.assign(user_id=hashes.astype("UInt64").where(users.notna(), pd.NA))
        )


def _within(start: datetime, end: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return SEARCHES.c.timestamp >= start, SEARCHES.c.timestamp < end


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def _end(day: date) -> datetime:
    return _start(day) + timedelta(days=1)


def _lifetime(day: date) -> float:
    age = (datetime.now(UTC).date() - day).days
    return RECENT_SECONDS if age <= 1 else SETTLED_SECONDS
