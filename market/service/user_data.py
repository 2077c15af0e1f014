"""The data of one user in the service's database: all of it, and its erasure."""

from __future__ import annotations

import contextlib
import secrets
from datetime import UTC, datetime
from threading import Lock

import pandas as pd
import sqlalchemy as sa

from market.data.erasures import Erasures, hash_user
from market.service.database import Database
from market.service.events import EVENTS

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
TABLES = (ERASED_USERS, ERASURE_KEY)


class UserData:
    """Shows and erases what the service stores about one user.

    Parameters
    ----------
    database
        The database with the events. Missing tables are created.

    Raises
    ------
    MarketError
        The database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._key: bytes | None = None
        database.create_missing(TABLES)

    def erase(self, user_id: str) -> int:
        """Delete all events of a user, and remember the erasure; both or neither.

        An event that is stored after this is new data and stays.

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
        user_hash = hash_user(self._existing_key() or self._new_key(), user_id)
        of_user = EVENTS.c.user_id == user_id
        with self._database.begin() as connection:
            latest = connection.execute(sa.select(sa.func.max(EVENTS.c.timestamp)).where(of_user))
            # The clock of a client may be ahead.
            now = datetime.now(UTC).replace(tzinfo=None)
            erased_at = max(now, latest.scalar() or now)
            connection.execute(ERASED_USERS.delete().where(ERASED_USERS.c.user_hash == user_hash))
            connection.execute(
                ERASED_USERS.insert(), {"user_hash": user_hash, "erased_at": erased_at}
            )
            return connection.execute(EVENTS.delete().where(of_user)).rowcount

    def events(self, user_id: str) -> pd.DataFrame:
        """Return all stored events of a user in order of storage.

        Returns
        -------
        pandas.DataFrame
            user_id, product_id, event and timestamp (UTC). Empty for an unknown user.
        """
        names = ["user_id", "product_id", "event", "timestamp"]
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
        key = self._existing_key()
        if key is None:
            return None
        query = sa.select(ERASED_USERS.c.erased_at).where(
            ERASED_USERS.c.user_hash == hash_user(key, user_id)
        )
        with self._database.connect() as connection:
            return connection.execute(query).scalar()

    def erasures(self) -> Erasures:
        """Return all erasures, for the stages that read a log."""
        key = self._existing_key()
        if key is None:
            return Erasures()
        with self._database.connect() as connection:
            rows = connection.execute(sa.select(ERASED_USERS)).all()
        return Erasures(key, {row.user_hash: row.erased_at for row in rows})

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
