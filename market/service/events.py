"""The event store: a table of user events in SQLite, PostgreSQL or another SQL database."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa

from market.data.ids import LONGEST_ID
from market.data.interactions import COLUMNS, OPTIONAL_COLUMNS
from market.service.database import Database

OLD_ID_LENGTH = 100  # in tables created by an earlier version

_METADATA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    _METADATA,
    # SQLite assigns row numbers only to a column of type INTEGER.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("user_id", sa.String(LONGEST_ID), nullable=False),
    sa.Column("product_id", sa.String(LONGEST_ID), nullable=False),
    sa.Column("event", sa.String(20), nullable=False),
    sa.Column("timestamp", sa.DateTime(), nullable=False),  # UTC
    sa.Column("search_id", sa.String(LONGEST_ID)),
    sa.Column("dwell_seconds", sa.Float()),
    sa.Index("events_of_user", "user_id", "id"),
    sa.Index("events_of_search", "search_id"),
)


TABLES = (EVENTS,)


class EventStore:
    """Durable storage of events: once `add` returns, the event survives a kill and a power cut.

    Parameters
    ----------
    url
        SQLAlchemy URL. The table is created if it does not exist.

    Attributes
    ----------
    database
        The database, which may hold other tables too.

    Raises
    ------
    MarketError
        The URL cannot be used, or the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self._engine = self.database.engine
        self.database.create_missing([EVENTS], {EVENTS.name: (OLD_ID_LENGTH, LONGEST_ID)})

    def add(
        self,
        user_id: str,
        product_id: str,
        event: str,
        timestamp: datetime | None = None,
        *,
        search_id: str | None = None,
        dwell_seconds: float | None = None,
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
        search_id
            The search from which the event follows.
        dwell_seconds
            How long the user looked at the listing.

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
            "search_id": search_id,
            "dwell_seconds": dwell_seconds,
        }
        with self._engine.begin() as connection:
            result = connection.execute(EVENTS.insert(), row)
        (event_id,) = result.inserted_primary_key or (0,)
        return int(event_id)

    def set_dwell(self, event_id: int, user_id: str, seconds: float) -> bool:
        """Set how long a user looked at the listing of an event.

        Returns
        -------
        bool
            False if the user has no such event.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer.
        """
        own = (EVENTS.c.id == event_id) & (EVENTS.c.user_id == user_id)
        with self._engine.begin() as connection:
            result = connection.execute(EVENTS.update().where(own).values(dwell_seconds=seconds))
        return result.rowcount > 0

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
            sa.select(EVENTS)
            .where(EVENTS.c.user_id == user_id)
            .order_by(EVENTS.c.id.desc())
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

    def all_events(self) -> pd.DataFrame:
        """Return all events, in the order of storage, as the strings of a log.

        Returns
        -------
        pandas.DataFrame
            user_id, product_id, event, timestamp (ISO 8601, UTC), search_id and dwell_seconds, the
            last two NaN where unknown.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer.
        """
        names = [*COLUMNS, *OPTIONAL_COLUMNS]
        columns = [EVENTS.c[name] for name in names]
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(*columns).order_by(EVENTS.c.id)).all()
        events = pd.DataFrame(rows, columns=names, dtype=object)
        events["timestamp"] = [time.isoformat() for time in events["timestamp"]]
        return events.astype("str")

    def check(self) -> None:
        """Run a trivial query.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer.
        """
        self.database.check()

    def close(self) -> None:
        """Close all connections."""
        self.database.close()


def _utc(time: datetime) -> datetime:
    return (time.astimezone(UTC) if time.tzinfo else time).replace(tzinfo=None)
