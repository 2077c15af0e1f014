"""The log of interactions: read, checked and typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.data.rejects import PRODUCT_REJECTED, UNKNOWN_PRODUCT, reject_rows
from market.data.tables import MAX_QUOTED

COLUMNS = ["user_id", "product_id", "event", "timestamp"]
# Other names of the columns, as in MovieLens. A rating becomes an event of that name ("4.0").
ALIASES = {
    "userId": "user_id", "movieId": "product_id", "movie_id": "product_id",
    "itemId": "product_id", "item_id": "product_id", "rating": "event",
}  # fmt: skip
EVENTS = ("view", "save", "message", "buy")  # with a weight each; all others count as views

# Plausible times: nothing was sold online before 1990, and a time after 2100 is one in an unknown
# format. The limit is not the current time, so that a log always gives the same table.
EARLIEST, LATEST = pd.Timestamp("1990"), pd.Timestamp("2100")
UNREAD = "is neither ISO 8601 nor unix seconds"
IMPLAUSIBLE = f"is not between {EARLIEST.year} and {LATEST.year}"
NUMBER = r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?"
DATE = r"[0-9]{4}([-/]?)[0-9]{2}\1[0-9]{2}(?:[Tt ].*)?"  # year first: 03/05 is ambiguous
COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by the number of digits
UNITS = (1, 10**3, 10**6, 10**9)  # of unix times, for each second
UTC = re.compile(r"\s*(?:UTC|GMT)$")


def read_times(text: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Parse a column of times.

    Parameters
    ----------
    text
        Times (n) in ISO 8601 with or without separators ("2024-03-05T10:30+01:00",
        "20240305103000"; UTC without an offset), or in unix seconds, milliseconds, microseconds or
        nanoseconds, whichever gives a time between EARLIEST and LATEST.

    Returns
    -------
    times, faults
        The times (n), datetime64[us] in UTC, NaT where missing or not read; and why each was not
        read: UNREAD, IMPLAUSIBLE, or "" where it was read or is missing.
    """
    text = text.astype("str").str.strip()
    times = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    faults = pd.Series("", index=text.index)
    number = pd.to_numeric(text.where(text.str.fullmatch(NUMBER)), errors="coerce").astype(float)
    digits = text.where(text.str.fullmatch("[0-9]+")).str.len()
    for count, form in COMPACT.items():
        written = digits.eq(count)
        times[written] = pd.to_datetime(text[written], format=form, errors="coerce")
    for unit in UNITS:
        seconds = number / unit
        known = seconds.ge(EARLIEST.timestamp()) & seconds.lt(LATEST.timestamp())
        known &= ~times.ge(EARLIEST) | ~times.lt(LATEST)
        times[known] = pd.to_datetime(seconds[known], unit="s").astype("datetime64[us]")
    written = number.isna() & text.str.fullmatch(DATE).eq(True)
    dates = text[written].str.upper().str.replace(UTC, "Z", regex=True)
    read = pd.to_datetime(dates, format="ISO8601", utc=True, errors="coerce")
    times[written] = read.dt.tz_localize(None).astype("datetime64[us]")
    faults[text.notna() & times.isna()] = UNREAD
    year = text.where(written).str.slice(0, 4).astype(float)  # pandas reads none after 2262
    strange = times.lt(EARLIEST) | times.ge(LATEST) | (number.abs().lt(np.inf) & times.isna())
    faults[strange | year.lt(EARLIEST.year) | year.ge(LATEST.year)] = IMPLAUSIBLE
    return times.where(faults.eq("")), faults


def columns_read(columns: pd.Index) -> dict[str, str]:
    """Return the standard name of each column of a log; a column that is not read keeps its own.

    If two columns have one standard name, the one that is called so counts, else the first.
    """
    names: dict[str, str] = {}
    for name in columns:
        standard = ALIASES.get(name, name)  # in a log with event and rating, the event counts
        names[name] = name if standard in columns or standard in names.values() else standard
    return names


def unknown_events(log: pd.DataFrame) -> dict[str, int]:
    """Return the number of rows of each event that has no weight, the commonest first.

    These events count as views. Ratings, which are numbers, are left out.
    """
    counts = log["event"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    names = counts.index.astype("str")
    known = names.isin(EVENTS) | pd.to_numeric(names, errors="coerce").notna()
    return {str(name): int(count) for name, count in counts[~known].items()}


def check_interactions(
    table: pd.DataFrame,
    path: Path,
    products: pd.Series | None = None,
    *,
    id_rules: Mapping[str, re.Pattern[str]] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the log and its rejects as `sort_interactions` does.

    Raises MarketError if a column is absent or no row is left.
    """
    log, rejects = sort_interactions(table, path, products, id_rules=id_rules)
    if log.empty:
        cause = f": {rejects['reason'].iloc[0]} in row 1" if len(rejects) else ""
        raise MarketError(f"{path} holds no interaction that can be read{cause}")
    return log, rejects


def sort_interactions(
    table: pd.DataFrame,
    path: Path,
    products: pd.Series | None = None,
    rejected: pd.Series | None = None,
    *,
    id_rules: Mapping[str, re.Pattern[str]] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separate the rows of a log that can be used from those that cannot.

    Parameters
    ----------
    table
        The rows of `path`, as `tables.read_table` returns them. Without the columns event and
        rating every row is a view.
    path
        The file.
    products
        The known product ids; None allows any.
    rejected
        The ids of products that were rejected.
    id_rules
        Patterns that a user_id must match whole, by the fault of one that does not
        (`ids.ID_RULES`).

    Returns
    -------
    log, rejects
        The log (COLUMNS) by time, ties in the order of the file, with ids and events as str and
        timestamps as `read_times` returns them; and the rejects (`rejects.REJECT_COLUMNS`), whose
        id is the user's.

    Raises
    ------
    MarketError
        If a column is absent.
    """
    table = _standard_columns(table, path)
    times, faults = read_times(table["timestamp"])
    reason = pd.Series("", index=table.index)
    if products is not None:
        unknown = ~table["product_id"].isin(products)
        reason[unknown] = UNKNOWN_PRODUCT
        if rejected is not None:
            reason[unknown & table["product_id"].isin(rejected)] = PRODUCT_REJECTED
    reason = reason.where(faults.eq(""), "timestamp " + faults)
    for fault, rule in reversed([*(id_rules or {}).items()]):
        reason[~table["user_id"].fillna("").str.fullmatch(rule)] = f"user_id {fault}"
    for name in reversed(COLUMNS):
        reason[table[name].isna()] = f"{name} is missing"
    rejects = reject_rows(path.name, reason, table["user_id"])
    log = table.assign(timestamp=times)[reason.eq("")]
    return log.sort_values("timestamp", kind="stable", ignore_index=True), rejects


def _standard_columns(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return COLUMNS of a log, in their standard names; MarketError if one is absent."""
    names = columns_read(table.columns)
    table = table.rename(columns=names)
    if "event" not in table:
        table["event"] = "view"
    absent = [name for name in COLUMNS if name not in table]
    if absent:
        raise MarketError(
            f"{path}: no column {', '.join(map(repr, absent))} "
            f"(it has {', '.join(map(repr, names))[:MAX_QUOTED]}): rename or add it"
        )
    return table[COLUMNS]
