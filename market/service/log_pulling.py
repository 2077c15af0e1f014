"""The way home of the service's searches and events, into the raw logs or beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from filelock import FileLock, Timeout

from market.core.errors import MarketError
from market.data.erasures import Erasures
from market.data.log_appending import append_events, append_searches
from market.data.pulled_logs import PulledLogs, raw_searches
from market.data.raw_folder import ERASED_USERS, RawFolder
from market.service.folding import without_unused
from market.service.pipeline_store import open_store
from market.service.search_log import SearchLog
from market.service.user_data import UserData

AT_ONCE = 5_000  # searches that are read from the database together
PER_WRITE = 50_000  # searches that are added to the file together: each time it is written anew


class Pulled(NamedTuple):
    """Numbers of rows that were added to the raw logs."""

    searches: int
    events: int


def read_logs(store: str, key: str) -> PulledLogs:
    """Return all searches and events that a database holds now.

    Parameters
    ----------
    store, key
        As for `open_store`.

    Raises
    ------
    MarketError
        The database does not exist or does not answer.
    """
    with open_store(store, key) as events:
        return PulledLogs(
            raw_searches(SearchLog(events.database).all_searches()),
            without_unused(events.all_events()),
            UserData(events.database).erasures(),
        )


def pull_logs(store: str, key: str, folder: RawFolder) -> Pulled:
    """Add the searches and events of a database to the raw logs, which keep all rows they have.

    A second call adds nothing twice, and a killed one loses nothing: each file is replaced in one
    step, and a row that it has is not added again.

    Parameters
    ----------
    store, key
        As for `open_store`.
    folder
        The raw folder.

    Raises
    ------
    MarketError
        The database does not answer, a log cannot be read or hold the rows, or another call is at
        work on the folder.
    """
    with _alone(folder.path), open_store(store, key) as events:
        searches = _pull_searches(SearchLog(events.database), folder)
        added = append_events(folder, without_unused(events.all_events()))
        _add_erasures(UserData(events.database).erasures(), folder.path / ERASED_USERS)
    return Pulled(searches, added)


def _pull_searches(log: SearchLog, folder: RawFolder) -> int:
    """Add the searches of a database that the raw log does not have; return their number."""
    known = {*folder.searches().rows["search_id"]} if folder.has_searches else set()
    new = [search_id for search_id in log.ids() if search_id not in known]
    added = 0
    for start in range(0, len(new), PER_WRITE):
        ids = new[start : start + PER_WRITE]
        parts = [
            raw_searches(log.of_ids(ids[first : first + AT_ONCE]))
            for first in range(0, len(ids), AT_ONCE)
        ]
        added += append_searches(folder, pd.concat(parts, ignore_index=True))
    return added


def _add_erasures(erasures: Erasures, path: Path) -> None:
    """Keep the erased users beside the logs, so that stage clean leaves out their rows."""
    if erasures.times and erasures != Erasures.load(path):
        erasures.save(path)


def lock_of(folder: Path) -> Path:
    """Return the path of a folder's lock: beside the folder, whose hash DVC keeps."""
    folder = folder.resolve()
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which a kill releases; raises MarketError if another process does."""
    if not folder.is_dir():
        raise MarketError(f"{folder} does not exist: name the raw folder of your dataset in --raw")
    try:
        with FileLock(lock_of(folder), timeout=0):
            yield
    except Timeout:
        raise MarketError(
            f"another pull_logs is adding rows to {folder}: run it again when that is done"
        ) from None
