"""A log of interactions: checked and typed, and split for judging, by time or by user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.data.rejects import PRODUCT_REJECTED, UNKNOWN_PRODUCT, reject_rows
from market.data.tables import MAX_QUOTED

COLUMNS = ["user_id", "product_id", "event", "timestamp"]
# Other names that a column goes by: MovieLens'. A rating is an event of its own name, "4.0".
ALIASES = {
    "userId": "user_id", "movieId": "product_id", "movie_id": "product_id",
    "itemId": "product_id", "item_id": "product_id", "rating": "event",
}  # fmt: skip
EVENTS = ("view", "save", "message", "buy")  # that have a weight of their own: others are views

# What a time can be. Nothing was sold online before 1990, and what is read as after 2100 was not
# written as it is read. Fixed, and not "until now": the same log must always give the same table.
EARLIEST, LATEST = pd.Timestamp("1990"), pd.Timestamp("2100")
UNREAD = "is neither ISO 8601 nor unix seconds"
IMPLAUSIBLE = f"is not between {EARLIEST.year} and {LATEST.year}"
NUMBER = r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?"
DATE = r"[0-9]{4}([-/]?)[0-9]{2}\1[0-9]{2}(?:[Tt ].*)?"  # the year first: 03/05 may be May or March
COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by the number of digits
UNITS = (1, 10**3, 10**6, 10**9)  # of a unix time: in a second
UTC = re.compile(r"\s*(?:UTC|GMT)$")


def read_times(text: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the times of a column, datetime64[us] in UTC, and why one was not read.

    ISO 8601 is read with and without its signs ("2024-03-05T10:30+01:00", "20240305103000"; in UTC
    where no offset is written), and so are unix seconds, milli-, micro- and nanoseconds, whichever
    of them is a time between EARLIEST and LATEST. A time that is not read is NaT, and its fault
    UNREAD or IMPLAUSIBLE; the fault of the others, missing ones among them, is "".
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
    """Return what each column of a log is called here; itself where it is not read.

    Of two that mean the same the one that is called so counts, else the first.
    """
    names: dict[str, str] = {}
    for name in columns:
        meant = ALIASES.get(name, name)  # of a log with both, event and rating, the event counts
        names[name] = name if meant in columns or meant in names.values() else meant
    return names


def unknown_events(log: pd.DataFrame) -> dict[str, int]:
    """Return the events of a log that count as views for want of a weight, the commonest first.

    With the number of rows of each. Ratings, which are numbers, are not among them.
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
    """Return the log and its rejects as `sort_interactions`; MarketError if no row is left."""
    log, rejects = sort_interactions(table, path, products, id_rules=id_rules)
    if log.empty:
        why = f": {rejects['reason'].iloc[0]} in row 1" if len(rejects) else ""
        raise MarketError(f"{path} holds no interaction that can be read{why}")
    return log, rejects


def sort_interactions(
    table: pd.DataFrame,
    path: Path,
    products: pd.Series | None = None,
    rejected: pd.Series | None = None,
    *,
    id_rules: Mapping[str, re.Pattern[str]] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the log (COLUMNS, in order of time, ties as in the file) and a table of rejects.

    `table` holds the rows of `path` as raw.read_table returns them; each is in one of the two.
    Ids and events are strings, timestamps as `read_times` reads them. A log without event and
    rating is one of views. Rejects (REJECT_COLUMNS) are rows that lack an id, an event or a time
    that can be read, whose product is not one of `products`, where these are given, or whose
    user_id does not match one of `id_rules` (ids.ID_RULES) whole; `rejected` are products that were
    refused themselves. `record` counts rows from 1, `id` is the user's. Raises MarketError, one
    line, if a column is absent.
    """
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
    table = table[COLUMNS]
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


def leave_last_out(log: pd.DataFrame) -> pd.Series:
    """Say for each row of `log`, in order of time, what part it has: 0, 1 or 2.

    A person's judged event (2) is their first with the last product that was new to them: in a log
    without repetitions their last. What they did after it is 2 as well, and so in no history. The
    event that tunes (1) is the same for the product before that one, with all until the judged one;
    the rest is 0. A person of two products has none that tunes, one of a single product none that
    is judged, either.
    """
    new = ~log.duplicated(["user_id", "product_id"])
    number = new.groupby(log["user_id"]).cumsum()  # of products met so far
    products = new.groupby(log["user_id"]).transform("sum")
    judged = (number == products) & (products >= 2)
    tunes = (number == products - 1) & (products >= 3)
    return tunes * 1 + judged * 2


class Holdout(NamedTuple):
    """What a model may be fitted on, and what it is judged by.

    fit: (n,) bool, the rows of the log to fit on. judged: (k,) positions of the judged events, in
    order of time, at most one per user: each the user's first event with that product.
    """

    fit: np.ndarray
    judged: np.ndarray


def last_out(log: pd.DataFrame, part: int) -> Holdout:
    """Hold out a part of `leave_last_out`: 2 to judge with, 1 to choose settings with.

    The split is by user: events that other users make after the judged one are fitted on.
    """
    parts = leave_last_out(log)
    new = parts.eq(part) & ~log.duplicated(["user_id", "product_id"])
    return Holdout((parts < part).to_numpy(), np.flatnonzero(new))


def cutoff_time(times: pd.Series, share: float) -> pd.Timestamp | None:
    """Return the time from which on there is about `share` of the events, and before it some.

    None if all events have the same time, or there is none.
    """
    moments, counts = np.unique(times.to_numpy(), return_counts=True)
    if len(moments) < 2:
        return None
    later = counts[::-1].cumsum()[::-1][1:] / len(times)
    return pd.Timestamp(moments[1 + np.argmin(np.abs(later - share))])


def after(log: pd.DataFrame, cutoff: pd.Timestamp, end: pd.Timestamp | None = None) -> Holdout:
    """Hold out each user's first new product from `cutoff` on, before `end`.

    All events before `cutoff` are fitted on, none after it. New is a product without any event of
    the user before.
    """
    times = log["timestamp"]
    inside = times.ge(cutoff) if end is None else times.ge(cutoff) & times.lt(end)
    new = np.flatnonzero(inside & ~log.duplicated(["user_id", "product_id"]))
    first = ~log["user_id"].iloc[new].duplicated().to_numpy()
    return Holdout(times.lt(cutoff).to_numpy(), new[first])


def histories(log: pd.DataFrame, judged: np.ndarray) -> list[pd.DataFrame]:
    """Return what each judged event's user did before it: rows of `log`, none for a new user."""
    codes = pd.factorize(log["user_id"])[0]
    order = np.argsort(codes, kind="stable")
    start = np.searchsorted(codes[order], codes[judged])
    place = np.empty(len(log), np.int64)
    place[order] = np.arange(len(log))
    ordered = log.iloc[order]
    return [ordered.iloc[first:end] for first, end in zip(start, place[judged], strict=True)]


def earlier_holdouts(
    log: pd.DataFrame, cutoff: pd.Timestamp, share: float, *, enough: int, most: int
) -> list[Holdout]:
    """Return holdouts (`after`) within the events before `cutoff`, to choose settings with.

    The first is of the last `share` of these events, each further one of the last `share` of those
    before it: as many, up to `most`, as it takes to have `enough` judged events with a history.
    """
    found: list[Holdout] = []
    judged = 0
    while len(found) < most and judged < enough:
        times = log["timestamp"]
        start = cutoff_time(times[times < cutoff], share)
        if start is None:
            break
        holdout = after(log, start, cutoff)
        met_before = log["user_id"][holdout.fit].unique()
        judged += int(log["user_id"].iloc[holdout.judged].isin(met_before).sum())
        found.append(holdout)
        cutoff = start
    return found
