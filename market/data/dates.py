"""Dates as people write them, such as 05/03/2024, turned into ISO 8601.

Whether 05/03/2024 is the fifth of March or the third of May is decided for a column as a whole: by
its dates that fit one order only, such as 25/03/2024, or else by the order that the country uses.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import pandas as pd
from babel import Locale, UnknownLocaleError

from market.data.month_names import number_months
from market.data.tables import RawTable

DAY, MONTH, YEAR = "day", "month", "year"
DAY_FIRST, MONTH_FIRST = (DAY, MONTH, YEAR), (MONTH, DAY, YEAR)
YEAR_FIRST = (YEAR, MONTH, DAY)
Order = tuple[str, str, str]

# Three numbers with the same mark between them, then a time or nothing.
NUMBERS = re.compile(
    r"^(?P<first>\d{1,4})(?P<mark>[./-]) ?(?P<second>\d{1,2})(?P=mark) ?(?P<third>\d{1,4})"
    r"\.?(?:,? (?P<clock>\d.*)|T(?P<iso_clock>\d.*))?$",
    re.ASCII,
)
JAPANESE = re.compile(
    r"^(?P<first>\d{4})年(?P<second>\d{1,2})月(?P<third>\d{1,2})日 ?(?P<clock>.*)$", re.ASCII
)
CLOCK = re.compile(
    r"^(?P<hour>\d{1,2})(?P<rest>:\d\d(?::\d\d(?:\.\d+)?)?)"
    r"(?: ?(?P<half>[ap])\.?m\.?)?(?P<zone>.*)$",
    re.ASCII | re.IGNORECASE,
)
ISO = re.compile(r"^\d{4}(?P<mark>[-/]?)\d\d(?P=mark)\d\d(?:[T ]\d\d:\d\d[^APap]*)?$", re.ASCII)
SPACES = re.compile(r"\s+")
OPEN = "may have the day or the month first"
CENTURY = 70  # 69 is 2069, 70 is 1970


class WrittenDates(NamedTuple):
    """A column of dates and times, as far as possible in ISO 8601."""

    texts: pd.Series  # (n,) str; a text that is no such date is unchanged
    faults: pd.Series  # (n,) why a date cannot be read, or ""
    note: str  # a clause on the order of day and month that was assumed, or ""


@lru_cache
def date_order(country: str) -> Order:
    """Return the order of day, month and year in the short dates of a country (CLDR, by Babel).

    Examples
    --------
    >>> date_order("GB"), date_order("US")
    (('day', 'month', 'year'), ('month', 'day', 'year'))
    """
    try:
        pattern = Locale.parse(f"und_{country}").date_formats["short"].pattern.lower()
    except UnknownLocaleError:
        return DAY_FIRST
    if pattern.find("y") < pattern.find("d"):
        return YEAR_FIRST
    return DAY_FIRST if pattern.find("d") < pattern.find("m") else MONTH_FIRST


def to_iso_dates(texts: pd.Series, country: str | None = None) -> WrittenDates:
    """Rewrite the dates of a column in ISO 8601.

    Parameters
    ----------
    texts
        (n,) str, without spaces around them; missing ones stay missing.
    country
        ISO 3166 code; decides between day and month where the column does not. None leaves such
        dates unread, and dates with a year of two digits too.

    Examples
    --------
    >>> dates = to_iso_dates(pd.Series(["5.3.2024", "05/03/2024 4:05 PM"]), "US")
    >>> dates.texts.tolist()
    ['2024-03-05', '2024-05-03T16:05']
    >>> dates.note
    "dates such as '05/03/2024 4:05 PM' are read as month/day/year, as in US: none shows the order"
    """
    faults = pd.Series("", index=texts.index)
    original, texts = texts, number_months(texts)
    likely = texts.str.contains(r"^\d{1,4}\s?[./年-]", regex=True).eq(True)
    likely &= ~texts.where(likely).str.fullmatch(ISO).eq(True)  # most of them, in long logs
    if not likely.any():
        return WrittenDates(texts, faults, "")
    written = texts[likely].str.replace(SPACES, " ", regex=True)
    parts = written.str.extract(NUMBERS)
    japanese = written.str.extract(JAPANESE).dropna(subset="first")
    parts.loc[japanese.index, japanese.columns] = japanese
    parts = parts.dropna(subset="first")
    orders, note = _orders(parts, country)
    parts = parts.assign(order=orders, clock=parts["clock"].fillna(parts["iso_clock"]).fillna(""))
    known = parts["order"].notna()
    if country:
        faults[parts.index[~known & parts["third"].str.len().eq(4)]] = OPEN
    iso = pd.Series(
        [_iso(*values) for values in
         parts.loc[known, ["first", "second", "third", "order", "clock"]].itertuples(index=False)],
        index=parts.index[known], dtype="str",
    )  # fmt: skip
    rewritten = texts.copy()
    rewritten[iso.index] = iso
    return WrittenDates(
        rewritten, faults, f"dates such as {original[note[0]]!r} {note[1]}" if note else ""
    )


def order_note(texts: pd.Series, country: str) -> str:
    """Return a clause on the order of day and month that a column (n,) does not settle, or ""."""
    return to_iso_dates(texts.astype("str").str.strip(), country).note


def order_messages(table: RawTable, column: str, country: str) -> list[str]:
    """Return a line if the order of day and month in a column of a table was assumed."""
    note = order_note(table.rows[column], country) if column in table.rows else ""
    return [f"{table.path}: {table.own_name(column)!r}: {note}"] if note else []


def _orders(parts: pd.DataFrame, country: str | None) -> tuple[pd.Series, tuple | None]:
    """Return the order of each date (n,), missing if it is not known, and what was assumed.

    The assumption is the index of a date that may be read in two ways, and a clause.
    """
    orders = pd.Series(None, index=parts.index, dtype=object)
    orders[parts["first"].str.len().eq(4)] = pd.Series([YEAR_FIRST] * len(parts), parts.index)
    own = date_order(country) if country else None
    last = parts["first"].str.len().le(2)
    whole_year = last & parts["third"].str.len().eq(4)
    short_year = last & parts["third"].str.len().eq(2) & parts["mark"].ne("-") & (own is not None)
    if own == YEAR_FIRST:
        short_year &= False
        two_digits = parts["first"].str.len().eq(2) & parts["third"].str.len().le(2)
        orders[two_digits] = pd.Series([YEAR_FIRST] * len(parts), parts.index)
    year_last = whole_year | short_year
    dotted = year_last & parts["mark"].eq(".")  # 5.3.2024 is written with the day first everywhere
    orders[dotted] = pd.Series([DAY_FIRST] * len(parts), parts.index)
    open_dates = parts[year_last & ~dotted]
    if open_dates.empty:
        return orders, None
    order, note = _order_of_day_and_month(open_dates, own, country)
    orders[open_dates.index] = pd.Series([order] * len(open_dates), open_dates.index)
    return orders, note


def _order_of_day_and_month(
    dates: pd.DataFrame, own: Order | None, country: str | None
) -> tuple[Order | None, tuple | None]:
    """Return the order of dates with the year last, None if it is open, and what was assumed."""
    first, second = dates["first"].astype(int), dates["second"].astype(int)
    day_first = dates.index[first.gt(12) & second.le(12)]
    month_first = dates.index[second.gt(12) & first.le(12)]
    if bool(len(day_first)) != bool(len(month_first)):  # the column tells
        order, telling = (DAY_FIRST, day_first) if len(day_first) else (MONTH_FIRST, month_first)
        if own in (order, YEAR_FIRST, None):
            return order, None
        return order, (telling[0], f"are read as {'/'.join(order)}, unlike in {country}")
    if own is None or own == YEAR_FIRST:
        return None, None
    reason = "others fit the other order only" if len(day_first) else "none shows the order"
    return own, (dates.index[0], f"are read as {'/'.join(own)}, as in {country}: {reason}")


def _iso(first: str, second: str, third: str, order: Order, clock: str) -> str:
    """Return a date and a time in ISO 8601; a day or month that does not exist stays so."""
    values = dict(zip(order, (first, second, third), strict=True))
    year = values[YEAR]
    if len(year) <= 2:
        year = str(int(year) + (2000 if int(year) < CENTURY else 1900))
    date = f"{year}-{values[MONTH]:0>2}-{values[DAY]:0>2}"
    return f"{date}T{_iso_clock(clock)}" if clock else date


def _iso_clock(clock: str) -> str:
    match = CLOCK.match(clock.strip())
    if match is None:
        return clock
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            return clock
        hour = hour % 12 + (12 if match["half"].lower() == "p" else 0)
    return f"{hour:02d}{match['rest']}{match['zone']}"
