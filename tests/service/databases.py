"""Databases without tables, for tests on SQLite and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from market.service import store


def empty_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the URL of a database without tables, on "sqlite" or "postgresql".

    The file of a new SQLite database is in a subfolder of `folder` that does not exist yet.
    """
    if kind == "sqlite":
        return f"sqlite:///{folder}/{len(list(folder.iterdir()))}/events.sqlite"
    url: str = request.getfixturevalue("postgres").url
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for table in store.TABLES:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table.name}"))
    engine.dispose()
    return url
