"""Dump the service's database into a file, or restore it from one.

\b
python -m market.service.store dump backup.ndjson.gz
python -m market.service.store restore backup.ndjson.gz

EVENTS_URL names the database, as for the service. A dump of SQLite restores into PostgreSQL, and
the other way round. A dump may run while the service does; stop the service to restore.
"""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.service import catalogue_tables, events, search_log, user_data
from market.service.database import STORE_ERRORS, Database
from market.service.settings import Settings

TABLES: tuple[sa.Table, ...] = (
    *events.TABLES,
    *search_log.TABLES,
    *user_data.TABLES,
    *catalogue_tables.TABLES,
)
FORMAT = "market database 1"
# Exceptions of reading a file that is no dump, or a damaged one.
FAULTS = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError)
BATCH = 1000  # rows that are read or written at once


def dump(database: Database, path: Path) -> int:
    """Write all rows of all tables into a file, as they are at one moment.

    Parameters
    ----------
    database
        The database.
    path
        The file, gzip of lines of JSON, which is replaced when all is written.

    Returns
    -------
    int
        Number of rows.
    """
    written = 0
    with replace_when_done(path) as partial, gzip.open(partial, "wt", encoding="utf-8") as file:
        file.write(json.dumps({"format": FORMAT}) + "\n")
        with _snapshot(database) as connection:
            inspector = sa.inspect(connection)
            existing = set(inspector.get_table_names())
            for table in TABLES:
                if table.name not in existing:
                    continue
                # A table of an earlier version may lack columns.
                names = [column["name"] for column in inspector.get_columns(table.name)]
                rows = connection.execute(
                    sa.select(*(table.c[name] for name in names if name in table.c)).order_by(
                        *table.primary_key
                    ),
                    execution_options={"yield_per": BATCH},
                )
                for row in rows:
                    values = [_to_json(value) for value in row]
                    line = {"table": table.name, "row": dict(zip(row._fields, values, strict=True))}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    written += 1
        file.write(json.dumps({"rows": written}) + "\n")
    return written


@contextmanager
def _snapshot(database: Database) -> Iterator[sa.Connection]:
    """Yield a connection that sees one state of all tables, whatever others write meanwhile."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection
        connection.rollback()


def restore(database: Database, path: Path) -> int:
    """Write the rows of a dump into an empty database, all or none.

    Parameters
    ----------
    database
        The database. Missing tables are created.
    path
        The file that `dump` wrote.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    MarketError
        If a table is not empty, or the file is no complete dump.
    """
    database.create_missing(TABLES)
    tables = {table.name: table for table in TABLES}
    with database.begin() as connection:
        # The service counts from 0 on in a new database.
        counter = catalogue_tables.COUNTER
        connection.execute(counter.delete().where(counter.c.number == 0))
        for table in TABLES:
            if connection.execute(sa.select(sa.func.count()).select_from(table)).scalar():
                raise MarketError(
                    f"the table {table.name!r} of EVENTS_URL is not empty: name an empty database, "
                    "so that nothing is overwritten"
                )
        lines = _read(path, tables)
        rows = 0
        while batch := list(islice(lines, BATCH)):
            for table in dict.fromkeys(table for table, _ in batch):
                chosen = [row for own, row in batch if own is table]
                connection.execute(table.insert(), chosen)
            rows += len(batch)
        _continue_numbers(connection)
    return rows


def _read(path: Path, tables: dict[str, sa.Table]) -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    """Iterate over the rows of a dump with their tables; raises MarketError at the first fault."""
    number, rows, is_complete = 0, 0, False
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                line = json.loads(text)
                if number == 1 and line.get("format") != FORMAT:
                    raise MarketError(f"{path} is no dump of this version ({FORMAT!r} expected)")
                if "rows" in line:
                    is_complete = line["rows"] == rows
                elif number > 1:
                    table = tables[line["table"]]
                    yield (
                        table,
                        {
                            name: _from_json(table.c[name], value)
                            for name, value in line["row"].items()
                        },
                    )
                    rows += 1
    except FileNotFoundError:
        raise MarketError(f"{path} not found: name the file that `dump` wrote") from None
    except FAULTS as error:
        fault = " ".join(str(error).split())
        raise MarketError(
            f"{path}, line {number + 1}: is no line of a dump ({fault}): nothing was restored"
        ) from None
    if not is_complete:
        raise MarketError(f"{path} ends after {rows} rows, before its end: nothing was restored")


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return b64encode(value).decode() if isinstance(value, bytes) else value


def _from_json(column: sa.Column, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, sa.DateTime):
        return datetime.fromisoformat(value)
    return b64decode(value) if isinstance(column.type, sa.LargeBinary) else value


def _continue_numbers(connection: sa.Connection) -> None:
    """Let PostgreSQL number new rows after the restored ones, as SQLite does by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in TABLES:
        column = table.autoincrement_column
        if column is not None:
            sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
            highest = sa.select(sa.func.max(column)).scalar_subquery()
            connection.execute(sa.select(sa.func.setval(sequence, highest)).where(highest > 0))


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("dump")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def dump_command(file: Path) -> None:
    """Write the database into FILE."""
    rows = _run(lambda database: dump(database, file))
    click.echo(f"wrote {rows} rows into {file}")


@main.command("restore")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def restore_command(file: Path) -> None:
    """Write FILE into the database, which must be empty."""
    rows = _run(lambda database: restore(database, file))
    click.echo(f"restored {rows} rows from {file}")


def _run(action: Callable[[Database], int]) -> int:
    """Return the result of an action on the database that EVENTS_URL names."""
    try:
        with closing(Database(Settings.from_environment().events_url)) as database:
            return action(database)
    except MarketError as error:
        raise click.ClickException(str(error)) from None
    except STORE_ERRORS as error:
        raise click.ClickException(f"the database fails: {' '.join(str(error).split())}") from None


if __name__ == "__main__":
    main()
