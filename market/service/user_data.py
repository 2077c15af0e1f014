"""The data of one user in the service's database: all of it, and its erasure."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Lock

import pandas as pd
import sqlalchemy as sa

from market.data.erasures import Erasures, hash_user
from market.data.interactions import OPTIONAL_COLUMNS
from market.service.database import Database
from market.service.events import EVENTS
from market.service.search_log import SEARCHES, RecordedSearch, SearchLog, insert_searches

_METADATA = sa.MetaData()
ERASED_USERS = sa.Table(
    "erased_users",
    _METADATA,
    sa.Column("user_hash", sa.String(64), primary_key=True),
    sa.Column("erased_at", sa.DateTime(), nullable=False),  # UTC
)
# The key of the hashes. It protects against lists of ids that are tried without this database.
ERASURE_KEY = sa.Table(
    "erasure_key",
    _METADATA,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(64), nullable=False),  # hexadecimal
)
OPTED_OUT_USERS = sa.Table(
    "opted_out_users",
    _METADATA,
    sa.Column("user_hash", sa.String(64), primary_key=True),
    sa.Column("opted_out_at", sa.DateTime(), nullable=False),  # UTC
)
TABLES = (ERASED_USERS, ERASURE_KEY, OPTED_OUT_USERS)


class UserData:
    """Shows and erases what the service stores about one user.

    Parameters
    ----------
    database
        The database with the events and the searches. Missing tables are created, but for events.

    Raises
    ------
    MarketError
        The database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._key: bytes | None = None
        database.create_missing((*TABLES, SEARCHES))

    def erase(self, user_id: str) -> int:
        """Delete all events and searches of a user, and remember the erasure; all or nothing.

        Events and searches after this are new data and stay.

        Parameters
        ----------
        user_id
            Id of the user, who need not be known.

        Returns
        -------
        int
            Number of events deleted.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer. Nothing was erased then.
        """
        user_hash = self._hash(user_id)
        of_user = EVENTS.c.user_id == user_id
        with self._database.begin() as connection:
            # Wait for searches that are being stored, which may be older than the erasure. In
            # SQLite one transaction writes at a time.
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("LOCK TABLE searches IN SHARE ROW EXCLUSIVE MODE")
            latest = connection.execute(sa.select(sa.func.max(EVENTS.c.timestamp)).where(of_user))
            # The clock of a client may be ahead.
            now = _now()
            erased_at = max(now, latest.scalar() or now)
            connection.execute(ERASED_USERS.delete().where(ERASED_USERS.c.user_hash == user_hash))
            connection.execute(
                ERASED_USERS.insert(), {"user_hash": user_hash, "erased_at": erased_at}
            )
            connection.execute(SEARCHES.delete().where(SEARCHES.c.user_id == user_id))
            return connection.execute(EVENTS.delete().where(of_user)).rowcount

    def add_searches(self, searches: Sequence[RecordedSearch]) -> int:
        """Store searches, but those of users who have opted out, or were erased afterwards.

        Parameters
        ----------
        searches
            At least one.

        Returns
        -------
        int
            Number of searches stored.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer, or refuses a row. Nothing was stored then.
        """
        with self._database.begin() as connection:
            # Insert first: that excludes an erasure at the same time.
            insert_searches(connection, searches)
            refused = self._refused(connection, searches)
            if refused:
                connection.execute(SEARCHES.delete().where(SEARCHES.c.search_id.in_(refused)))
        return len(searches) - len(refused)

    def _refused(self, connection: sa.Connection, searches: Sequence[RecordedSearch]) -> list[str]:
        """Return the ids of the searches that must not be stored."""
        key = self._existing_key()
        users = {search.user_id for search in searches if search.user_id is not None}
        if key is None or not users:
            return []
        hashes = {user: hash_user(key, user) for user in users}
        refused_until: dict[str, datetime] = {}
        for table in (ERASED_USERS, OPTED_OUT_USERS):
            query = sa.select(table).where(table.c.user_hash.in_(hashes.values()))
            for user_hash, time in connection.execute(query):
                refused_until[user_hash] = datetime.max if table is OPTED_OUT_USERS else time
        return [
            search.search_id
            for search in searches
            if search.user_id is not None
            and search.timestamp <= refused_until.get(hashes[search.user_id], datetime.min)
        ]

    def opt_out(self, user_id: str) -> None:
        """Record no search of a user from now on, until `opt_in`."""
        row = {"user_hash": self._hash(user_id), "opted_out_at": _now()}
        with contextlib.suppress(sa.exc.IntegrityError), self._database.begin() as connection:
            connection.execute(OPTED_OUT_USERS.insert(), row)  # else the user opted out earlier

    def opt_in(self, user_id: str) -> None:
        """Undo `opt_out`; without one, do nothing."""
        of_user = OPTED_OUT_USERS.c.user_hash == self._hash(user_id)
        with self._database.begin() as connection:
            connection.execute(OPTED_OUT_USERS.delete().where(of_user))

    def opted_out_at(self, user_id: str) -> datetime | None:
        """Return the time (UTC) at which a user opted out; None for a user who did not."""
        return self._time_of(OPTED_OUT_USERS.c.opted_out_at, user_id)

    def searches(self, user_id: str) -> pd.DataFrame:
        """Return the recorded searches of a user as `SearchLog.between` does."""
        return SearchLog(self._database).of_user(user_id)

    def events(self, user_id: str) -> pd.DataFrame:
        """Return all stored events of a user in order of storage.

        Returns
        -------
        pandas.DataFrame
            user_id, product_id, event, timestamp (UTC), search_id and dwell_seconds. Empty for an
            unknown user.
        """
        names = ["user_id", "product_id", "event", "timestamp", *OPTIONAL_COLUMNS]
        query = (
            sa.select(*(EVENTS.c[name] for name in names))
            .where(EVENTS.c.user_id == user_id)
            .order_by(EVENTS.c.id)
        )
        with self._database.connect() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        return pd.DataFrame(rows, columns=names)

    def erased_at(self, user_id: str) -> datetime | None:
        """Return the time (UTC) of the last erasure of a user; None without one."""
        return self._time_of(ERASED_USERS.c.erased_at, user_id)

    def erasures(self) -> Erasures:
        """Return all erasures, for the stages that read a log."""
        key = self._existing_key()
        if key is None:
            return Erasures()
        with self._database.connect() as connection:
            rows = connection.execute(sa.select(ERASED_USERS)).all()
        return Erasures(key, {row.user_hash: row.erased_at for row in rows})

    def _time_of(self, column: sa.Column, user_id: str) -> datetime | None:
        key = self._existing_key()
        if key is None:
            return None
        of_user = column.table.c.user_hash == hash_user(key, user_id)
        with self._database.connect() as connection:
            return connection.execute(sa.select(column).where(of_user)).scalar()

    def _hash(self, user_id: str) -> str:
        return hash_user(self._existing_key() or self._new_key(), user_id)

    def _existing_key(self) -> bytes | None:
        """Return the key of the hashes, which never changes; None before the first erasure."""
        with self._lock:
            if self._key is None:
                with self._database.connect() as connection:
                    found = connection.execute(sa.select(ERASURE_KEY.c.key)).scalar()
                self._key = bytes.fromhex(found) if found else None
            return self._key

    def _new_key(self) -> bytes:
        """Store a key, unless another process did so first, and return the stored one."""
        row = {"id": 1, "key": secrets.token_hex(32)}
        with contextlib.suppress(sa.exc.IntegrityError), self._database.begin() as connection:
            connection.execute(ERASURE_KEY.insert(), row)
        key = self._existing_key()
        assert key is not None  # the row exists now, whoever stored it
        return key


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
