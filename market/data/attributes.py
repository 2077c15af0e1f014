"""Columns of the listings beyond the usual six: coordinates, times, sellers, attributes."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from market.core.errors import MarketError
from market.core.settings import Input
from market.data.dates import order_messages
from market.data.html_text import html_to_text
from market.data.interactions import read_times
from market.data.listings import clean_description, squeeze
from market.data.raw_folder import ATTRIBUTE
from market.data.statuses import count_unknown_statuses
from market.data.tables import MAX_SHOWN, RawTable
from market.data.values import (
    LATITUDES,
    LONGITUDES,
    Values,
    parse_booleans,
    parse_coordinates,
    parse_numbers,
)

FIELD_TYPES = {
    "latitude": "latitude",
    "longitude": "longitude",
    "created": "date",
    "expires": "date",  # from the live catalogue
    "status": "category",
    "seller_id": "category",
}

ATTRIBUTE_TYPES = "attributes"  # key of `DataFrame.attrs`: `type` and `unit` of each attribute
MAX_STATUSES = 10  # of unknown meaning, in a message


class Details(NamedTuple):
    """Further columns of listings, and how they were read."""

    columns: pd.DataFrame  # typed, a row for each listing
    attributes: dict[str, dict[str, str]]  # `type` and `unit` of each attribute
    metrics: dict[str, dict[str, Any]]  # by the file's name of the column
    messages: list[str]


def clean_details(
    table: RawTable, rows: pd.DataFrame, settings: Input, *, max_share: float
) -> Details:
    """Type the columns of further fields and of attributes.

    Parameters
    ----------
    table
        The table of listings.
    rows
        Those rows (n) of `table.rows` that are kept.
    settings
        The types of the attributes.
    max_share
        The largest share of a column's values that may be unreadable.

    Returns
    -------
    Details
        The columns latitude and longitude (float, both or neither), created (datetime64[s], UTC),
        status and seller_id (str) and `attribute_<column>`, as far as the table has them: str,
        missing where empty, for text and category; float for number; nullable boolean; and
        datetime64[s] for date. Unreadable values are missing.

    Raises
    ------
    MarketError
        If more than `max_share` of a column's values are unreadable.
    """
    types = {**FIELD_TYPES, **{f"{ATTRIBUTE}{name}": kind for name, kind in
                               settings.attributes.items()}}  # fmt: skip
    columns, attributes, metrics, messages = {}, {}, {}, []
    for name, kind in types.items():
        if name not in rows:
            continue
        own = table.own_name(name)
        values = _parse(rows[name], kind, settings)
        message = _unreadable_message(table, own, rows[name], values.faults)
        unreadable = int(values.faults.ne("").sum())
        if unreadable > max_share * rows[name].notna().sum():
            raise MarketError(f"{message}: {_remedy(name, own, max_share)}")
        if unreadable:
            messages.append(f"{message}: left empty")
        columns[name] = values.values
        if name.startswith(ATTRIBUTE):
            attributes[name.removeprefix(ATTRIBUTE)] = {"type": kind, "unit": values.unit}
        if name == "status":
            messages += _unknown_status_messages(table, own, values.values)
        elif kind == "date":
            messages += order_messages(table, name, settings.country)
        metrics[own] = {
            "type": kind,
            "values": int(values.values.notna().sum()),
            "missing": int(rows[name].isna().sum()),
            "unreadable": unreadable,
            **({"unit": values.unit} if values.unit else {}),
        }
    typed = _pair_coordinates(pd.DataFrame(columns, index=rows.index))
    return Details(typed, attributes, metrics, messages)


def _remedy(name: str, own: str, max_share: float) -> str:
    """Return the remedy for a column with too many unreadable values."""
    is_attribute = name.startswith(ATTRIBUTE)
    key = f"attributes.{own} to text" if is_attribute else f"columns.{name} to null"
    return f"correct them, set input.{key}, or raise clean.max_rejected_share ({max_share:g})"


def _parse(texts: pd.Series, kind: str, settings: Input) -> Values:
    if kind == "number":
        return parse_numbers(texts, settings.decimal)
    if kind == "boolean":
        return parse_booleans(texts)
    if kind == "date":
        times, faults = read_times(texts, settings.country)
        return Values(times.dt.as_unit("s"), faults)
    if kind in ("latitude", "longitude"):
        return parse_coordinates(texts, LATITUDES if kind == "latitude" else LONGITUDES)
    if kind == "text":
        cleaned = clean_description(texts, country=settings.country)
    else:
        cleaned = squeeze(html_to_text(texts))
    return Values(cleaned.where(texts.notna()), pd.Series("", index=texts.index))


def _pair_coordinates(columns: pd.DataFrame) -> pd.DataFrame:
    """Remove a latitude without a longitude, the reverse, and the place 0, 0 in the ocean."""
    pair = ["latitude", "longitude"]
    if not set(pair) <= set(columns):
        return columns.drop(columns=pair, errors="ignore")
    known = columns[pair].notna().all(axis=1) & columns[pair].ne(0).any(axis=1)
    return columns.assign(**{name: columns[name].where(known) for name in pair})


def _unknown_status_messages(table: RawTable, own: str, statuses: pd.Series) -> list[str]:
    """Return a line that names the statuses without a known meaning, if there are any."""
    counts = count_unknown_statuses(statuses)
    if not counts:
        return []
    shown = ", ".join(
        f"{status!r:.{MAX_SHOWN}} ({count})" for status, count in [*counts.items()][:MAX_STATUSES]
    )
    more = f" and {len(counts) - MAX_STATUSES} others" if len(counts) > MAX_STATUSES else ""
    return [
        f"{table.path}: {own!r} has values of unknown meaning: {shown}{more}: their listings count "
        "as available"
    ]


def _unreadable_message(table: RawTable, own: str, texts: pd.Series, faults: pd.Series) -> str:
    """Return a clause on the unreadable values of a column, with the first one."""
    unreadable = faults[faults.ne("")]
    if unreadable.empty:
        return ""
    first = unreadable.index[0]
    return (
        f"{table.path}: {len(unreadable)} of {texts.notna().sum()} values of {own!r} cannot be "
        f"read: {unreadable[first]} (the first is row {first + 1}, {texts[first]!r:.{MAX_SHOWN}})"
    )
