"""The log of interactions: read, checked and typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.data.dates import to_iso_dates
from market.data.rejects import PRODUCT_REJECTED, reject_rows, unknown_product_reasons
from market.data.tables import RawTable

COLUMNS = ["user_id", "product_id", "event", "timestamp"]
# Of logs that know which search led to an event, and how long the user then read.
SEARCH_ID, DWELL = "search_id", "dwell_seconds"
OPTIONAL_COLUMNS = [SEARCH_ID, DWELL]
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
DATE = r"[0-9]{4}([-/]?)[0-9]{2}\1[0-9]{2}(?:[Tt ].*)?"
COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by the number of digits
UNITS = (1, 10**3, 10**6, 10**9)  # of unix times, for each second
UTC = re.compile(r"\s*(?:UTC|GMT)$")


def read_times(text: pd.Series, country: str | None = None) -> tuple[pd.Series, pd.Series]:
    """Parse a column of times.

    Parameters
    ----------
    text
        Times (n) in ISO 8601 with or without separators ("2024-03-05T10:30+01:00",
        "20240305103000"; UTC without an offset), as dates of `dates.to_iso_dates` such as
        "05.03.2024" or "3/5/2024 4:05 PM", or in unix seconds, milliseconds, microseconds or
        nanoseconds, whichever gives a time between EARLIEST and LATEST.
    country
        ISO 3166 code; decides between day and month where the column does not.

    Returns
    -------
    times, faults
        The times (n), datetime64[us] in UTC, NaT where missing or not read; and the reason why each
        was not read: UNREAD, IMPLAUSIBLE, `dates.OPEN`, or "" where it was read or is missing.

    Examples
    --------
    >>> times, faults = read_times(pd.Series(["2024-03-05T10:30+01:00", "1709631000", "05/03/24"]))
    >>> times.tolist()
    [Timestamp('2024-03-05 09:30:00'), Timestamp('2024-03-05 09:30:00'), NaT]
    >>> faults.tolist()
    ['', '', 'is neither ISO 8601 nor unix seconds']
    """
    text = text.astype("str").str.strip()
    text, open_faults, _ = to_iso_dates(text, country)
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
    faults[open_faults.ne("")] = open_faults
    year = text.where(written).str.slice(0, 4).astype(float)  # pandas reads none after 2262
    strange = times.lt(EARLIEST) | times.ge(LATEST) | (number.abs().lt(np.inf) & times.isna())
    faults[strange | year.lt(EARLIEST.year) | year.ge(LATEST.year)] = IMPLAUSIBLE
    return times.where(faults.eq("")), faults


def read_seconds(text: pd.Series) -> pd.Series:
    """Return durations (n,) as floats; NaN where missing, negative or no finite number.

    Examples
    --------
    >>> read_seconds(pd.Series(["12.5", "0", "-1", "soon", None])).tolist()
    [12.5, 0.0, nan, nan, nan]
    """
    seconds = pd.to_numeric(text, errors="coerce").astype(float)
    return seconds.where(seconds.ge(0) & seconds.lt(np.inf))


def log_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return the name of each of COLUMNS in a log.

    A column that is called so counts before ALIASES, of which the first counts. A column that the
    log does not have keeps its name.

    Examples
    --------
    >>> log_columns(["userId", "movieId", "rating", "timestamp"])
    {'user_id': 'userId', 'product_id': 'movieId', 'event': 'rating', 'timestamp': 'timestamp'}
    """
    present = list(columns)
    names = {name: name for name in COLUMNS}
    for name in reversed(present):
        standard = ALIASES.get(name)
        if standard is not None and standard not in present:
            names[standard] = name
    return names


def unknown_events(log: pd.DataFrame) -> dict[str, int]:
    """Return the number of rows of each event that has no weight, the commonest first.

    These events count as views. Ratings, which are numbers, are left out.

    Examples
    --------
    >>> unknown_events(pd.DataFrame({"event": ["view", "click", "4.5", "click"]}))
    {'click': 2}
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
    """Return the log and its rejects as `sort_interactions` does, of a table with any columns.

    Raises MarketError if a column is absent or no row is left.
    """
    raw = RawTable.select(path, table, log_columns(table.columns))
    raw.require("input.event_columns", {name: name for name in COLUMNS if name != "event"})
    log, rejects = sort_interactions(raw, products, id_rules=id_rules)
    if log.empty:
        cause = f": {rejects['reason'].iloc[0]} in row 1" if len(rejects) else ""
        raise MarketError(f"{path} holds no interaction that can be read{cause}")
    return log, rejects


def sort_interactions(
    table: RawTable,
    products: pd.Series | None = None,
    rejected: pd.Series | None = None,
    *,
    products_file: str = "Products.csv",
    id_rules: Mapping[str, re.Pattern[str]] | None = None,
    country: str | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separate the rows of a log that can be used from those that cannot.

    Parameters
    ----------
    table
        The log, with the columns user_id, product_id and timestamp, and any of OPTIONAL_COLUMNS.
        Without the column event every row is a view.
    products
        The known product ids; None allows any.
    rejected
        The ids of products that were rejected.
    products_file
        The name of the table of products, for the reasons.
    id_rules
        Patterns that a user_id must match whole, by the fault of one that does not
        (`ids.ID_RULES`).
    country
        As for `read_times`.

    Returns
    -------
    log, rejects
        The log (COLUMNS, and those of OPTIONAL_COLUMNS that the table has) by time, ties in the
        order of the file, with ids and events as str, timestamps as `read_times` returns them, and
        seconds as `read_seconds` does; and the rejects (`rejects.REJECT_COLUMNS`), whose id is the
        user's.
    """
    rows = table.rows
    if "event" not in rows:
        rows = rows.assign(event="view")
    rows = rows[[*COLUMNS, *(name for name in OPTIONAL_COLUMNS if name in rows)]]
    times, faults = read_times(rows["timestamp"], country)
    reason = pd.Series("", index=rows.index)
    if products is not None:
        unknown = ~rows["product_id"].isin(products)
        reason[unknown] = unknown_product_reasons(
            rows.loc[unknown, "product_id"], products, products_file
        )
        if rejected is not None:
            reason[unknown & rows["product_id"].isin(rejected)] = PRODUCT_REJECTED
    reason = reason.where(faults.eq(""), f"{table.own_name('timestamp')} " + faults)
    for fault, rule in reversed([*(id_rules or {}).items()]):
        malformed = ~rows["user_id"].fillna("").str.fullmatch(rule)
        reason[malformed] = f"{table.own_name('user_id')} {fault}"
    for name in reversed(COLUMNS):
        reason[rows[name].isna()] = f"{table.own_name(name)} is missing"
    rejects = reject_rows(table.path.name, reason, rows["user_id"])
    log = rows.assign(timestamp=times)
    if DWELL in log:
        log[DWELL] = read_seconds(log[DWELL])
    log = log[reason.eq("")]
    return log.sort_values("timestamp", kind="stable", ignore_index=True), rejects
