"""New searches and events below the raw logs of a folder, in the form that its files have."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from market.core.errors import MarketError
from market.data.interactions import COLUMNS, OPTIONAL_COLUMNS, log_columns
from market.data.log_files import LogFile
from market.data.merged_changes import new_events
from market.data.raw_folder import RawFolder
from market.data.search_cleaning import LISTS, RAW_COLUMNS, search_columns
from market.data.searches import DEFAULTS
from market.data.tables import JSON_ENDINGS, PARQUET_ENDINGS, RawTable, table_ending

SPACE = re.compile(r"\s")
OTHER_SEPARATOR = re.compile(r"[,;|]")  # of a list that an export wrote
# Values of an optional column that need no column.
NOTHING = {"[]", *(str(value) for value in DEFAULTS.values())}


def append_events(folder: RawFolder, events: pd.DataFrame) -> int:
    """Add the events that the log of interactions does not have.

    Parameters
    ----------
    folder
        The raw folder. Without a log, the file that input.interactions names is created.
    events
        `interactions.COLUMNS` and any of OPTIONAL_COLUMNS, as strings.

    Returns
    -------
    int
        Number of events added.

    Raises
    ------
    MarketError
        The log cannot be read, or cannot hold the events.
    """
    settings = folder.settings
    _check_named(settings.interactions, "interactions")
    table = folder.interactions() if folder.has_log else None
    if table is not None:
        rows = table.rows if "event" in table.columns else table.rows.assign(event="view")
        events = new_events(events, rows[COLUMNS])
    if events.empty:
        return 0
    usual = log_columns(table.read.columns) if table is not None else {}
    own = {name: name for name in (*COLUMNS, *OPTIONAL_COLUMNS)} | usual | settings.event_columns
    if own["event"] is None and events["event"].ne("view").any():
        raise MarketError(
            f"{folder.log_path}: input.event_columns.event is null, so a purchase would count as a "
            "view: give the log a column event, or set pull_logs.store in params.yaml instead"
        )
    # The log's word for an event that input.events takes for another one.
    words = {event: word for word, event in reversed(settings.events.items())}
    taken = {word for word, event in settings.events.items() if word != event}
    events = events.assign(
        event=[words.get(event, event) if event in taken else event for event in events["event"]]
    )
    rows = _own_columns(events, COLUMNS, table, own)
    file = LogFile(folder.log_path, encoding=settings.encoding, separator=settings.separator)
    file.append(rows, {own["event"]: "view"} if own["event"] else {})
    return len(rows)


def append_searches(folder: RawFolder, searches: pd.DataFrame) -> int:
    """Add the searches that the log of searches does not have, by their search_id.

    Parameters
    ----------
    folder
        The raw folder. Without a log, the file that input.searches names is created; as JSON Lines
        if an id holds a space.
    searches
        `search_cleaning.RAW_COLUMNS`, as `pulled_logs.raw_searches` returns them.

    Returns
    -------
    int
        Number of searches added.

    Raises
    ------
    MarketError
        The log cannot be read, or cannot hold the searches.
    """
    settings = folder.settings
    _check_named(settings.searches, "searches")
    table = folder.searches() if folder.has_searches else None
    if table is not None:
        searches = searches[~searches["search_id"].isin(table.rows["search_id"])]
    if searches.empty:
        return 0
    usual = search_columns(table.read.columns) if table is not None else {}
    own = {name: name for name in RAW_COLUMNS} | usual | settings.search_columns
    lists = {name: searches[name].map(json.loads, na_action="ignore") for name in LISTS}
    path = folder.searches_path
    spaced = any(SPACE.search(each) for ids in lists["product_ids"] for each in ids)
    if table is None and spaced and not _is_typed(path):
        path = path.with_name(f"{path.name.partition('.')[0]}.jsonl")
    as_json = _is_typed(path) or (table is not None and _is_divided_otherwise(table))
    if not as_json:
        texts = {name: cells.map(_list_text, na_action="ignore") for name, cells in lists.items()}
        searches = searches.assign(**texts)
    required = ["search_id", "user_id", "timestamp", "query", "product_ids"]
    rows = _own_columns(searches, RAW_COLUMNS if table is None else required, table, own)
    file = LogFile(
        path,
        encoding=settings.encoding,
        separator=settings.separator,
        lists=frozenset(own[name] or "" for name in LISTS),
    )
    file.append(rows, {})
    return len(rows)


def _check_named(name: str, key: str) -> None:
    if not name:
        raise MarketError(f"input.{key} is empty: name the file of the log in params.yaml")


def _own_columns(
    rows: pd.DataFrame, required: list[str], table: RawTable | None, own: Mapping[str, str | None]
) -> pd.DataFrame:
    """Return the columns to write under the file's names.

    These are the required ones, those that the file has, and those with a value of use.
    """
    present = table.columns if table is not None else {}
    columns = {}
    for name in rows:
        column = own[name]
        has_values = bool((rows[name].notna() & ~rows[name].isin(NOTHING)).any())
        if column is not None and (name in required or name in present or has_values):
            columns[column] = rows[name]
    return pd.DataFrame(columns)


def _is_typed(path: Path) -> bool:
    return table_ending(path.name) in JSON_ENDINGS + PARQUET_ENDINGS


def _is_divided_otherwise(table: RawTable) -> bool:
    """Return whether the lists of a log of searches are divided by another sign than spaces."""
    lists = table.rows["product_ids"].dropna()
    lists = lists[~lists.str.startswith("[")]
    others = lists.str.contains(OTHER_SEPARATOR) & ~lists.str.contains(SPACE)
    return bool(others.any())


def _list_text(cells: list) -> str:
    """Return a list with spaces between its elements; as JSON if an element holds one."""
    texts = [str(cell) for cell in cells]
    if any(SPACE.search(text) for text in texts) or (texts and texts[0].startswith("[")):
        return json.dumps(cells, ensure_ascii=False)
    return " ".join(texts)
