"""The event store: a table of user events in SQLite, PostgreSQL or another SQL database."""

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

# Exceptions of a statement while the database is away, locked or too busy.
STORE_ERRORS = (DBAPIError, sa.exc.TimeoutError)
OLD_ID_LENGTH = 100  # in tables created by an earlier version
TIMEOUT = 10  # seconds to wait for a database that is busy, locked or away

_METADATA = sa.MetaData()
_EVENTS = sa.Table(
    "events",
    _METADATA,
    # SQLite assigns row numbers only to a column of type INTEGER.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("user_id", sa.String(LONGEST_ID), nullable=False),
    sa.Column("product_id", sa.String(LONGEST_ID), nullable=False),
    sa.Column("event", sa.String(20), nullable=False),
    sa.Column("timestamp", sa.DateTime(), nullable=False),  # UTC
    sa.Index("events_of_user", "user_id", "id"),
)
# Default timeouts by driver; EVENTS_URL may set others. Without them a statement waits for minutes
# for a server that vanished (a cable, a firewall), and forever for a lock.
_TIMEOUTS = {
    "pysqlite": {"timeout": str(TIMEOUT)},
    "psycopg": {
        "connect_timeout": str(TIMEOUT),
        "keepalives_idle": str(TIMEOUT),
        "tcp_user_timeout": str(1000 * TIMEOUT),
        "options": f"-c statement_timeout={1000 * TIMEOUT}",
    },
}


class EventStore:
    """Durable storage of events: once `add` returns, the event survives a kill and a power cut.

    Parameters
    ----------
    url
        SQLAlchemy URL. The table is created if it does not exist.

    Raises
    ------
    MarketError
        The URL cannot be used, or the database does not answer.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
            is_sqlite = parsed.get_backend_name() == "sqlite"
            if is_sqlite:
                if not parsed.database or parsed.database == ":memory:":
                    raise MarketError(
                        f"EVENTS_URL={url} names no file: use sqlite:///data/events.sqlite"
                    )
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            timeouts = _TIMEOUTS.get(parsed.get_driver_name(), {})
            self._engine = sa.create_engine(
                parsed.set(query={**timeouts, **parsed.query}),
                # A restarted database has closed its connections: test each before using it.
                pool_pre_ping=not is_sqlite,
                pool_timeout=TIMEOUT,
            )
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, OSError) as error:
            raise MarketError(f"EVENTS_URL cannot be used: {_one_line(error)}") from None
        if is_sqlite:
            sa.event.listen(self._engine, "connect", _set_up_sqlite)
        try:
            self._create_missing()
        except DBAPIError:
            # Two workers that start together may both find the table missing. The second attempt
            # finds the table of the other worker; any other error comes again.
            try:
                self._create_missing()
            except DBAPIError as error:
                shown = parsed.render_as_string(hide_password=True)
                raise MarketError(
                    f"EVENTS_URL={shown} does not answer: {_one_line(error.orig)}"
                ) from None

    def _create_missing(self) -> None:
        """Create the table and its index if they are missing, and widen the columns of old tables.

        It inspects first because PostgreSQL's CREATE INDEX IF NOT EXISTS waits for every open
        transaction that wrote to the table, and blocks all writers meanwhile, even if the index
        exists.
        """
        with self._engine.begin() as connection:
            inspector = sa.inspect(connection)
            if not inspector.has_table(_EVENTS.name):
                connection.execute(CreateTable(_EVENTS, if_not_exists=True))
            elif connection.dialect.name == "postgresql":  # SQLite ignores lengths
                for column in inspector.get_columns(_EVENTS.name):
                    if getattr(column["type"], "length", None) == OLD_ID_LENGTH:
                        change = f"ALTER COLUMN {column['name']} TYPE VARCHAR({LONGEST_ID})"
                        connection.execute(sa.text(f"ALTER TABLE {_EVENTS.name} {change}"))
            for index in _EVENTS.indexes:
                if not inspector.has_index(_EVENTS.name, str(index.name)):
                    connection.execute(CreateIndex(index, if_not_exists=True))

    def add(
        self, user_id: str, product_id: str, event: str, timestamp: datetime | None = None
    ) -> int:
        """Store an event.

        Parameters
        ----------
        user_id, product_id
            Ids of at most LONGEST_ID characters.
        event
            Type of the event, such as "view".
        timestamp
            Time of the event; UTC without a time zone. Defaults to now.

        Returns
        -------
        int
            Id of the event.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer.
        """
        row = {
            "user_id": user_id,
            "product_id": product_id,
            "event": event,
            "timestamp": _utc(timestamp or datetime.now(UTC)),
        }
        with self._engine.begin() as connection:
            result = connection.execute(_EVENTS.insert(), row)
        (event_id,) = result.inserted_primary_key or (0,)
        return int(event_id)

    def history(self, user_id: str, last: int) -> pd.DataFrame:
        """Return the events of a user that were stored last, in order of time.

        Parameters
        ----------
        user_id
            Id of the user.
        last
            Largest number of events.

        Returns
        -------
        pandas.DataFrame
            product_id, event and timestamp (UTC). Empty for an unknown user.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer.
        """
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
        """Run a trivial query.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer.
        """
        with self._engine.connect() as connection:
            connection.execute(sa.select(1))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """Set WAL, with which readers and the writer do not block each other, and full durability.

    With synchronous=NORMAL a commit reaches the disk some time later, so a power cut would lose
    events that were answered with 201. FULL costs one fsync for each event.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _utc(time: datetime) -> datetime:
    return (time.astimezone(UTC) if time.tzinfo else time).replace(tzinfo=None)


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:200]
