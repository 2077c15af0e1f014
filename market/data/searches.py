"""The clean table of searches: a row for each search, with the listings that it showed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from market.core import paths

KINDS = ("search", "photo", "similar", "recommendation", "suggest")
SCHEMA = pa.schema(
    [
        pa.field("search_id", pa.large_string(), nullable=False),
        ("user_id", pa.large_string()),  # null: no user is known
        pa.field("timestamp", pa.timestamp("us"), nullable=False),  # UTC
        pa.field("query", pa.large_string(), nullable=False),  # "" for none
        ("product_ids", pa.list_(pa.large_string())),  # in the order shown
        pa.field("kind", pa.large_string(), nullable=False),  # one of KINDS
        pa.field("variant", pa.large_string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),  # hits before the first of product_ids
        ("total", pa.int64()),  # of hits; null: unknown
        pa.field("filters", pa.large_string(), nullable=False),  # a JSON object
        # With exploration, the probability that each listing stands at its place; else null.
        ("propensities", pa.list_(pa.float64())),
        ("rules", pa.list_(pa.large_string())),  # the ids that a rule placed or raised
        ("suggest_id", pa.large_string()),  # of the suggestions that led to this search
        # Of each of product_ids, its place among all that were shown, from 0: stage clean leaves
        # out listings that are gone, which must not move the others up.
        ("places", pa.list_(pa.int64())),
    ]
)
SEARCH_COLUMNS = SCHEMA.names
CLICK_COLUMNS = ["search_id", "product_id", "event", "timestamp", "dwell_seconds"]
DEFAULTS: dict[str, Any] = {
    "query": "", "kind": "search", "variant": "A", "offset": 0, "filters": "{}",
}  # fmt: skip


def read_searches(path: Path = paths.SEARCHES) -> pd.DataFrame:
    """Return the searches that stage clean wrote, by timestamp; none if the file does not exist.

    Parameters
    ----------
    path
        A Parquet file of `write_searches`.

    Returns
    -------
    pandas.DataFrame
        SEARCH_COLUMNS. `product_ids`, `places`, `rules` and `propensities` hold a list in each row,
        or None for unknown propensities; `total` is Int64, and the texts `user_id` and `suggest_id`
        may be missing.
    """
    return _to_frame(pq.read_table(path, schema=SCHEMA)) if path.exists() else no_searches()


def no_searches() -> pd.DataFrame:
    """Return an empty table of searches, typed as `read_searches` returns it."""
    return _to_frame(SCHEMA.empty_table())


def _to_frame(table: pa.Table) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {}
    for field in SCHEMA:
        column = table[field.name]
        if pa.types.is_list(field.type):  # to_pandas() would give arrays
            columns[field.name] = pd.Series(column.to_pylist(), dtype=object)
        elif field.type == pa.int64() and field.nullable:
            columns[field.name] = pd.Series(column.to_pylist(), dtype="Int64")
        elif field.type == pa.large_string():
            columns[field.name] = pd.Series(column.to_pylist(), dtype="str")
        else:
            columns[field.name] = column.to_pandas()
    return pd.DataFrame(columns)


def write_searches(searches: pd.DataFrame, path: Path) -> None:
    """Write a table of searches as `read_searches` reads it; equal tables give equal bytes.

    Without the column `places`, all listings that were shown are in `product_ids`.
    """
    if "places" not in searches:
        places = [[*range(len(product_ids))] for product_ids in searches["product_ids"]]
        searches = searches.assign(places=pd.Series(places, index=searches.index, dtype=object))
    columns = {field.name: pa.array(_values(searches[field.name]), field.type) for field in SCHEMA}
    pq.write_table(pa.table(columns, schema=SCHEMA), path)


def _values(column: pd.Series) -> list[Any]:
    """Return the cells of a column, with None where one is missing."""
    if column.dtype == object:
        return [cell if isinstance(cell, list | tuple) else None for cell in column]
    return column.astype(object).where(column.notna(), None).tolist()


def clicks_of(searches: pd.DataFrame, interactions: pd.DataFrame) -> pd.DataFrame:
    """Return the events of each search on listings that it showed.

    Parameters
    ----------
    searches
        As `read_searches` returns them.
    interactions
        The clean log: product_id, event, timestamp and, if the log has them, search_id and
        dwell_seconds.

    Returns
    -------
    pandas.DataFrame
        CLICK_COLUMNS in the order of `interactions`; `dwell_seconds` is NaN where unknown. Empty
        for a log without `search_id`.

    Examples
    --------
    >>> searches = pd.DataFrame({"search_id": ["s1"], "product_ids": [["a", "b"]]})
    >>> log = pd.DataFrame({"search_id": ["s1", "s1", None], "product_id": ["b", "z", "a"],
    ...     "event": "view", "timestamp": pd.to_datetime(["2026-01-01"] * 3)})
    >>> clicks_of(searches, log)["product_id"].tolist()
    ['b']
    """
    if "search_id" not in interactions:
        interactions = interactions.assign(search_id=pd.Series(dtype="str"))
    if "dwell_seconds" not in interactions:
        interactions = interactions.assign(dwell_seconds=float("nan"))
    is_logged = interactions["search_id"].isin(searches["search_id"])
    events = interactions.loc[is_logged, CLICK_COLUMNS].reset_index(drop=True)
    clicked = searches["search_id"].isin(events["search_id"])
    shown = {
        (search_id, product_id)
        for search_id, product_ids in zip(
            searches.loc[clicked, "search_id"], searches.loc[clicked, "product_ids"], strict=True
        )
        for product_id in product_ids
    }
    pairs = zip(events["search_id"], events["product_id"], strict=True)
    is_shown = [pair in shown for pair in pairs]
    return events[pd.Series(is_shown, index=events.index, dtype=bool)].reset_index(drop=True)
