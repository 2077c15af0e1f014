"""The service's database: one set-up of connections for all that the service stores.

SQLite, PostgreSQL, or another database that SQLAlchemy knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.schema import CreateIndex, CreateTable

from market.core.errors import MarketError

# Exceptions of a statement while the database is away, locked or too busy.
STORE_ERRORS = (DBAPIError, sa.exc.TimeoutError)
TIMEOUT = 10  # seconds to wait for a database that is busy, locked or away

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


class Database:
    """A database in which every committed transaction survives a kill and a power cut.

    Parameters
    ----------
    url
        SQLAlchemy URL.

    Raises
    ------
    MarketError
        The URL cannot be used.
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
            self.engine = sa.create_engine(
                parsed.set(query={**timeouts, **parsed.query}),
                # A restarted database has closed its connections: test each before using it.
                pool_pre_ping=not is_sqlite,
                pool_timeout=TIMEOUT,
            )
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, OSError) as error:
            raise MarketError(f"EVENTS_URL cannot be used: {_one_line(error)}") from None
        if is_sqlite:
            sa.event.listen(self.engine, "connect", _set_up_sqlite)
        self._shown = parsed.render_as_string(hide_password=True)

    def begin(self) -> AbstractContextManager[sa.Connection]:
        """Return a connection in a transaction, which commits at the end of the block."""
        return self.engine.begin()

    def connect(self) -> AbstractContextManager[sa.Connection]:
        """Return a connection for queries."""
        return self.engine.connect()

    def create_missing(
        self, tables: Sequence[sa.Table], widened: dict[str, tuple[int, int]] | None = None
    ) -> None:
        """Create the tables, columns and indices that do not exist.

        A column that a table of an earlier version lacks must allow null.

        Parameters
        ----------
        tables
            The tables, with their indices.
        widened
            By the name of a table of an earlier version, the former and the new length of its
            columns of text.

        Raises
        ------
        MarketError
            The database does not answer.
        """
        try:
            self._create(tables, widened or {})
        except DBAPIError:
            # Two workers that start together may both find a table missing. The second attempt
            # finds the table of the other worker; any other error comes again.
            try:
                self._create(tables, widened or {})
            except DBAPIError as error:
                raise MarketError(
                    f"EVENTS_URL={self._shown} does not answer: {_one_line(error.orig)}"
                ) from None

    def _create(self, tables: Sequence[sa.Table], widened: dict[str, tuple[int, int]]) -> None:
        """Create what is missing.

        It inspects first because PostgreSQL's CREATE INDEX IF NOT EXISTS waits for every open
        transaction that wrote to the table, and blocks all writers meanwhile, even if the index
        exists.
        """
        with self.begin() as connection:
            inspector = sa.inspect(connection)
            for table in tables:
                if not inspector.has_table(table.name):
                    connection.execute(CreateTable(table, if_not_exists=True))
                else:
                    _add_columns(connection, inspector, table)
                    if table.name in widened and connection.dialect.name == "postgresql":
                        _widen(connection, inspector, table.name, *widened[table.name])
                for index in table.indexes:
                    if not inspector.has_index(table.name, str(index.name)):
                        connection.execute(CreateIndex(index, if_not_exists=True))

    def check(self) -> None:
        """Run a trivial query.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The database does not answer.
        """
        with self.connect() as connection:
            connection.execute(sa.select(1))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _add_columns(connection: sa.Connection, inspector: sa.Inspector, table: sa.Table) -> None:
    """Add the columns that a table of an earlier version lacks."""
    present = _column_names(inspector, table)
    dialect = connection.dialect
    condition = "IF NOT EXISTS " if dialect.name == "postgresql" else ""  # SQLite knows none
    for column in table.columns:
        if column.name in present:
            continue
        name = dialect.identifier_preparer.format_column(column)
        change = f"ADD COLUMN {condition}{name} {column.type.compile(dialect)}"
        try:
            connection.execute(sa.text(f"ALTER TABLE {table.name} {change}"))
        except DBAPIError:
            # Another worker that starts at the same time may have added it.
            if column.name not in _column_names(sa.inspect(connection), table):
                raise


def _column_names(inspector: sa.Inspector, table: sa.Table) -> set[str]:
    return {column["name"] for column in inspector.get_columns(table.name)}


def _widen(
    connection: sa.Connection, inspector: sa.Inspector, table: str, former: int, new: int
) -> None:
    """Widen the columns of an old table; SQLite ignores lengths."""
    for column in inspector.get_columns(table):
        if getattr(column["type"], "length", None) == former:
            change = f"ALTER COLUMN {column['name']} TYPE VARCHAR({new})"
            connection.execute(sa.text(f"ALTER TABLE {table} {change}"))


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """Set WAL, with which readers and the writer do not block each other, and full durability.

    With synchronous=NORMAL a commit reaches the disk some time later, so a power cut would lose
    what was answered with 201. FULL costs one fsync for each commit. With secure_delete, the data
    of an erased user does not stay in the file.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:200]
