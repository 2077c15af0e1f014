"""The service's database as stages and commands of the pipeline open it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from market.core.errors import MarketError
from market.core.fold_settings import EVENTS_URL
from market.service.database import STORE_ERRORS
from market.service.events import EventStore
from market.service.settings import Settings


@contextmanager
def open_store(store: str, key: str) -> Iterator[EventStore]:
    """Yield the events of a database, and close it at the end of the block.

    Parameters
    ----------
    store
        SQLAlchemy URL of the service's database, or EVENTS_URL for that of the environment.
    key
        The setting or option that names it, for messages.

    Raises
    ------
    MarketError
        The database does not exist, or does not answer at any time in the block.
    """
    url = os.environ.get(EVENTS_URL, default_url()) if store == EVENTS_URL else store
    _check_exists(url, key)
    events = EventStore(url)
    try:
        yield events
    except STORE_ERRORS as error:
        reason = " ".join(str(error).split())[:200]
        raise MarketError(f"{key} does not answer: {reason}") from None
    finally:
        events.close()


def default_url() -> str:
    """Return the URL that the service uses unless EVENTS_URL is set."""
    return str(Settings.model_fields["events_url"].default)


def _check_exists(url: str, key: str) -> None:
    """Raise MarketError for a SQLite file that does not exist: opening it would create it."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise MarketError(f"{key} cannot be used: {error}") from None
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite and not Path(parsed.database or "").is_file():
        remedy = f' or set {key} to ""' if "." in key else " or name another one"
        raise MarketError(
            f"{key}: {parsed.database} does not exist: start the service once, correct the "
            f"path,{remedy}"
        )
