"""What users did, kept: one table, in SQLite or any database that SQLAlchemy speaks to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.schema import CreateIndex, CreateTable

from market.core.errors import MarketError
from market.data.ids import LONGEST_ID

FORMER_LONGEST_ID = 100  # in tables that an earlier version made
WAIT = 10  # seconds for a database that is busy, locked or gone: whoever asked is not kept longer

_METADATA = sa.MetaData()
_EVENTS = sa.Table(
    "events",
    _METADATA,
    # SQLite numbers rows by itself only where the column is called INTEGER.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("user_id", sa.String(LONGEST_ID), nullable=False),
    sa.Column("product_id", sa.String(LONGEST_ID), nullable=False),
    sa.Column("event", sa.String(20), nullable=False),
    sa.Column("timestamp", sa.DateTime(), nullable=False),  # UTC
    sa.Index("events_of_user", "user_id", "id"),
)
# What EVENTS_URL says of waiting where it does not say so itself, by driver. Without, a server that
# is lost without a word (a cable, a firewall) is waited for for minutes, and a lock for ever.
_WAITS = {
    "pysqlite": {"timeout": str(WAIT)},
    "psycopg": {
        "connect_timeout": str(WAIT),
        "keepalives_idle": str(WAIT),
        "tcp_user_timeout": str(1000 * WAIT),
        "options": f"-c statement_timeout={1000 * WAIT}",
    },
}


class EventStore:
    """Durable: when `add` has returned, the event survives a kill and a power cut."""

    def __init__(self, url: str) -> None:
        """Connect, and make the table where it is not there.

        Raises MarketError for a URL that cannot be used and a database that does not answer.
        """
        try:
            parsed = sa.make_url(url)
            of_sqlite = parsed.get_backend_name() == "sqlite"
            if of_sqlite:
                if not parsed.database or parsed.database == ":memory:":
                    raise MarketError(f"EVENTS_URL={url}: name a file, sqlite:///data/….sqlite")
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            waits = _WAITS.get(parsed.get_driver_name(), {})
            # A database that was restarted has closed its connections: look before using one.
            self._engine = sa.create_engine(
                parsed.set(query={**waits, **parsed.query}),
                pool_pre_ping=not of_sqlite,
                pool_timeout=WAIT,
            )
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, OSError) as error:
            raise MarketError(f"EVENTS_URL cannot be used: {_one_line(error)}") from None
        if of_sqlite:
            sa.event.listen(self._engine, "connect", _set_up_sqlite)
        try:
            self._create()
        except DBAPIError:
            # Two workers that start together may both find the table absent; the second look
            # finds the other's. Any other fault comes again.
            try:
                self._create()
            except DBAPIError as error:
                shown = parsed.render_as_string(hide_password=True)
                raise MarketError(
                    f"EVENTS_URL={shown} does not answer: {_one_line(error.orig)}"
                ) from None

    def _create(self) -> None:
        """Make what is not there. Looking first: PostgreSQL's CREATE INDEX waits for every open
        transaction that wrote to the table, and keeps all writers waiting behind it, even where
        the index is there."""
        with self._engine.begin() as connection:
            there = sa.inspect(connection)
            if not there.has_table(_EVENTS.name):
                connection.execute(CreateTable(_EVENTS, if_not_exists=True))
            elif connection.dialect.name == "postgresql":  # SQLite does not hold to lengths
                for column in there.get_columns(_EVENTS.name):
                    if getattr(column["type"], "length", None) == FORMER_LONGEST_ID:
                        longer = f"ALTER COLUMN {column['name']} TYPE VARCHAR({LONGEST_ID})"
                        connection.execute(sa.text(f"ALTER TABLE {_EVENTS.name} {longer}"))
            for index in _EVENTS.indexes:
                if not there.has_index(_EVENTS.name, str(index.name)):
                    connection.execute(CreateIndex(index, if_not_exists=True))

    def add(
        self, user_id: str, product_id: str, event: str, timestamp: datetime | None = None
    ) -> int:
        """Keep an event, by default of now, and return its number. Naive timestamps are UTC."""
        row = {
            "user_id": user_id,
            "product_id": product_id,
            "event": event,
            "timestamp": _utc(timestamp or datetime.now(UTC)),
        }
        with self._engine.begin() as connection:
            result = connection.execute(_EVENTS.insert(), row)
        (number,) = result.inserted_primary_key or (0,)
        return int(number)

    def history(self, user_id: str, last: int) -> pd.DataFrame:
        """The `last` events that came in, in order of time: product_id, event, timestamp."""
        query = (
            sa.select(_EVENTS)
            .where(_EVENTS.c.user_id == user_id)
            .order_by(_EVENTS.c.id.desc())
            .limit(last)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        rows = sorted(rows, key=lambda row: (row.timestamp, row.id))
        return pd.DataFrame(
            {
                "product_id": pd.Series([row.product_id for row in rows], dtype="str"),
                "event": pd.Series([row.event for row in rows], dtype="str"),
                "timestamp": pd.Series([row.timestamp for row in rows], dtype="datetime64[us]"),
            }
        )

    def check(self) -> None:
        """Raise sqlalchemy.exc.DBAPIError where the database does not answer."""
        with self._engine.connect() as connection:
            connection.execute(sa.select(1))

    def close(self) -> None:
        self._engine.dispose()


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """WAL: readers and the writer do not wait for one another.

    synchronous=FULL: with NORMAL a commit is on the disk only some time later, so that a power cut
    loses events that were answered 201; FULL costs one fsync for each event, and shoppers click no
    faster than that.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _utc(time: datetime) -> datetime:
    return (time.astimezone(UTC) if time.tzinfo else time).replace(tzinfo=None)


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:200]
