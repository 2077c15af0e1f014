"""The log of searches: a table of what users searched for and which listings they were shown."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from secrets import randbits
from typing import Any, Literal
from uuid import UUID

import pandas as pd
import sqlalchemy as sa

from market.data.ids import LONGEST_ID
from market.service.database import Database

DEFAULT_VARIANT = "A"
DELETED_AT_ONCE = 1000  # rows: a long transaction would keep the events of users waiting

Kind = Literal["search", "photo", "similar", "recommendation", "suggest"]

_METADATA = sa.MetaData()
SEARCHES = sa.Table(
    "searches",
    _METADATA,
    sa.Column("search_id", sa.String(LONGEST_ID), primary_key=True),
    sa.Column("user_id", sa.String(LONGEST_ID)),
    sa.Column("timestamp", sa.DateTime(), nullable=False),  # UTC
    sa.Column("query", sa.Text(), nullable=False),
    sa.Column("product_ids", sa.Text(), nullable=False),  # JSON
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("variant", sa.String(LONGEST_ID), nullable=False),
    sa.Column("offset", sa.Integer(), nullable=False),
    sa.Column("total", sa.Integer()),
    sa.Column("filters", sa.Text(), nullable=False),  # JSON
    sa.Column("propensities", sa.Text()),  # JSON
    sa.Column("rules", sa.Text(), nullable=False),  # JSON
    sa.Column("suggest_id", sa.String(LONGEST_ID)),
    sa.Column("experiment", sa.String(LONGEST_ID)),
    sa.Column("teams", sa.Text()),  # JSON
    sa.Index("searches_by_time", "timestamp"),
    sa.Index("searches_of_user", "user_id"),
)
TABLES = (SEARCHES,)
_LISTS = ("product_ids", "propensities", "rules", "teams")  # columns that hold JSON


@dataclass(frozen=True)
class RecordedSearch:
    """A search and its answer.

    Attributes
    ----------
    search_id
        From `new_search_id`.
    user_id
        None without a user.
    timestamp
        Time of the answer; UTC without a time zone.
    query
        The text as the user typed it; "" without one.
    product_ids
        The listings in the order shown.
    kind
        Kind of the answer.
    variant
        Name of the ranking that made the answer.
    offset
        Number of hits before the first of `product_ids`.
    total
        Number of hits on all pages.
    filters
        The parameters of the request that choose or order listings, as a JSON object.
    propensities
        With exploration, the probability that each listing stands at its place.
    rules
        The shown listings that a rule placed or raised.
    suggest_id
        The search_id of the suggestions that led to this search.
    experiment
        The experiment that chose the variant; None outside of one.
    teams
        With interleaving, the variant of each listing: A, B, or "" for neither.
    """

    search_id: str
    user_id: str | None
    timestamp: datetime
    query: str
    product_ids: Sequence[str]
    kind: Kind = "search"
    variant: str = DEFAULT_VARIANT
    offset: int = 0
    total: int | None = None
    filters: str = "{}"
    propensities: Sequence[float] | None = None
    rules: Sequence[str] = ()
    suggest_id: str | None = None
    experiment: str | None = None
    teams: Sequence[str] | None = None


COLUMNS = [field.name for field in fields(RecordedSearch)]


def new_search_id() -> str:
    """Return a UUID of version 7: it cannot be guessed, and sorts by time."""
    milliseconds = time.time_ns() // 1_000_000
    version, variant = 7 << 76, 2 << 62
    number = milliseconds << 80 | version | randbits(12) << 64 | variant | randbits(62)
    return str(UUID(int=number))


class SearchLog:
    """Storage of searches, in the database of the events.

    Parameters
    ----------
    database
        The database. The table is created if it does not exist.

    Raises
    ------
    MarketError
        The database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create_missing(TABLES)

    def add(self, searches: Sequence[RecordedSearch]) -> None:
        """Store searches, all or none.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer, or refuses a row.
        """
        if searches:
            with self._database.begin() as connection:
                insert_searches(connection, searches)

    def between(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Return the searches of a period.

        Parameters
        ----------
        start, end
            The period; UTC without a time zone, `end` excluded.

        Returns
        -------
        pandas.DataFrame
            COLUMNS by time: `timestamp` as datetime64[us], `product_ids`, `propensities` and
            `rules` as lists, `filters` as JSON, null as None.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer.
        """
        return self._read(SEARCHES.c.timestamp >= start, SEARCHES.c.timestamp < end)

    def all_searches(self) -> pd.DataFrame:
        """Return all searches as `between` does."""
        return self._read()

    def of_user(self, user_id: str) -> pd.DataFrame:
        """Return the searches of a user as `between` does."""
        return self._read(SEARCHES.c.user_id == user_id)

    def ids(self) -> list[str]:
        """Return the ids of all searches, by time."""
        query = sa.select(SEARCHES.c.search_id).order_by(SEARCHES.c.timestamp, SEARCHES.c.search_id)
        with self._database.connect() as connection:
            return list(connection.execute(query).scalars())

    def of_ids(self, search_ids: Sequence[str]) -> pd.DataFrame:
        """Return the searches with these ids (at most 10,000), as `between` does."""
        return self._read(SEARCHES.c.search_id.in_(search_ids))

    def delete_before(self, time: datetime) -> int:
        """Delete at most DELETED_AT_ONCE of the searches before a time (UTC); return how many."""
        old = (
            sa.select(SEARCHES.c.search_id)
            .where(SEARCHES.c.timestamp < time)
            .order_by(SEARCHES.c.timestamp)
            .limit(DELETED_AT_ONCE)
        )
        with self._database.begin() as connection:
            deleted = connection.execute(SEARCHES.delete().where(SEARCHES.c.search_id.in_(old)))
        return deleted.rowcount

    def _read(self, *conditions: sa.ColumnElement[bool]) -> pd.DataFrame:
        query = (
            sa.select(*(SEARCHES.c[name] for name in COLUMNS))
            .where(*conditions)
            .order_by(SEARCHES.c.timestamp, SEARCHES.c.search_id)
        )
        with self._database.connect() as connection:
            rows = connection.execute(query).all()
        searches = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
        for name in _LISTS:
            searches[name] = pd.Series(
                [None if text is None else json.loads(text) for text in searches[name]],
                dtype=object,
            )
        kinds = {"timestamp": "datetime64[us]", "offset": int, "total": "Int64"}
        return searches.astype(kinds)


def insert_searches(connection: sa.Connection, searches: Sequence[RecordedSearch]) -> None:
    """Insert at least one search in the transaction of a connection."""
    connection.execute(SEARCHES.insert(), [_to_row(search) for search in searches])


def _to_row(search: RecordedSearch) -> dict[str, Any]:
    row = {name: getattr(search, name) for name in COLUMNS}
    # PostgreSQL stores neither NUL nor half of a surrogate pair.
    row["query"] = search.query.replace("\0", "").encode("utf-8", "replace").decode()
    for name in _LISTS:
        if row[name] is not None:
            row[name] = json.dumps([*row[name]])
    return row
