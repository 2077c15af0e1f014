"""Finds and reads the tables of a log of searches, however they are named and written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from market.core.errors import MarketError
from market.core.settings import SEARCH_FIELDS, Input
from market.data.id_lists import SEPARATORS, split_list
from market.data.inspection.names import EVENT_NAMES, event_kind, match_name, normalise
from market.data.inspection.searches import SEARCH_NAMES
from market.data.inspection.table_files import open_table
from market.data.interactions import EVENTS, log_columns
from market.data.search_cleaning import ALIASES, LISTS, search_columns
from market.data.tables import is_table_name, read_table
from market.data.typed_tables import CellStyle

SESSION_ID = "session_id"
SESSION_NAMES = {SESSION_ID: "session id | session | sessionid | visit id"}
# By field, the names of a column in many exports.
NAMES_OF_SEARCHES = (
    {name: name.replace("_", " ") for name in SEARCH_FIELDS}
    | SEARCH_NAMES
    | {
        "query": SEARCH_NAMES["query"] + "| search string | searchstring | searchstring tokens",
        "timestamp": SEARCH_NAMES["timestamp"] + "| event time | event date | eventdate",
    }
    | SESSION_NAMES
)
NAMES_OF_EVENTS = (
    EVENT_NAMES
    | {
        "search_id": SEARCH_NAMES["search_id"],
        "timestamp": EVENT_NAMES["timestamp"] + "| event date | eventdate",
        "dwell_seconds": "dwell seconds | dwell time | dwell",
    }
    | SESSION_NAMES
)
SHOWN = ("impression", "impressions", "shown", "show", "exposure", "display", "displayed")
FURTHER_SEPARATORS = (",", ";", "|", ">", ":", "/", "\t", "-", "_")
# In small letters, what some logs have instead of a missing user.
NO_USER = ("null", "none", "nan", "na", "n/a", "nil", "undefined", "unknown", "anonymous", "guest",
           "(not set)", "\\n", "0", "-1")  # fmt: skip
AROUND = " \t'\"[](){}<>"  # what may stand around a list, and around its elements
MAX_COMPARED = 1000  # lists by which it is decided how all are written
WHOLE = re.compile(r"\.0+$")  # of a whole number that was written as a float


def find_table(raw: Path, name: str) -> Path:
    """Return the table of a folder that has a name, in any letter case and format.

    Raises
    ------
    MarketError
        If the folder has none, or several.
    """
    path = raw / name
    if path.exists():
        return path
    stem = path.name.partition(".")[0].lower()
    files = [
        file
        for file in sorted(raw.iterdir())
        if file.name.partition(".")[0].lower() == stem and is_table_name(file.name)
    ]
    if len(files) > 1:
        names = " and ".join(file.name for file in files)
        raise MarketError(f"{raw} has {names}: remove all but one")
    if not files:
        raise MarketError(f"{path} does not exist: put the table there")
    return files[0]


def read_searches_table(raw: Path, settings: Input) -> pd.DataFrame:
    """Return the searches as strings, with lists as JSON, under the names that the code knows."""
    path = find_table(raw, settings.searches)
    return _read(path, settings, search_columns, NAMES_OF_SEARCHES, ("query", "product_ids"))


def read_events_table(raw: Path, settings: Input, notes: list[str]) -> pd.DataFrame:
    """Return the interactions as strings, under the names that the code knows.

    Events have the names that `market.inspect` gives them: a purchase is "buy". Events that say
    that a listing was shown are left out, as they are no interactions.

    Parameters
    ----------
    raw, settings
        The folder, and how its tables are written.
    notes
        Gains a line for each assumption.
    """
    path = find_table(raw, settings.interactions)
    table = _read(path, settings, log_columns, NAMES_OF_EVENTS, ("product_id",))
    if "event" not in table:
        return table
    names = {name: normalise(name) for name in table["event"].dropna().unique()}
    shown = table["event"].map(names).isin(SHOWN)
    if shown.any():
        notes.append(f"{path}: {shown.sum():,} events say that a listing was shown: left out")
    kinds = {name: event_kind(name) for name in names if name not in EVENTS}
    kinds = {name: kind for name, kind in kinds.items() if kind and names[name] not in SHOWN}
    if kinds:
        pairs = ", ".join(f"{name} as {kind}" for name, kind in sorted(kinds.items()))
        notes.append(f"{path}: events are read so: {pairs}")
    return table[~shown].replace({"event": kinds}).reset_index(drop=True)


def _read(
    path: Path,
    settings: Input,
    usual_columns: Callable[[pd.Index], dict[str, str]],
    names: Mapping[str, str],
    required: Sequence[str],
) -> pd.DataFrame:
    """Return a table as strings; without the required columns, its encoding is detected.

    So is its separator. The listings may be written in another way than the log.
    """

    def read(encoding: str, separator: str) -> pd.DataFrame:
        lists = dict.fromkeys([*LISTS, *ALIASES], CellStyle(between=None))
        table = read_table(path, encoding=encoding, separator=separator, styles=lists)
        return _rename(table, usual_columns(table.columns), names)

    failure: MarketError | None = None
    try:
        table = read(settings.encoding, settings.separator)
    except MarketError as error:
        table, failure = pd.DataFrame(), error
    if not {*required} <= {*table}:
        file = open_table(path)
        encoding = file.encoding.value
        written = ("utf-8" if encoding == "ascii" else encoding, file.separator.value)
        if written != (settings.encoding, settings.separator):
            table, failure = read(*written), None
    if failure is not None:
        raise failure
    if table.empty and len(table.columns):
        raise MarketError(f"{path} has no rows: add some")
    missing = [name for name in required if name not in table]
    if missing:
        raise MarketError(
            f"{path}: no column {', '.join(map(repr, missing))} "
            f"(found: {', '.join(table) or 'none'}): rename it"
        )
    return table


def _rename(
    table: pd.DataFrame, usual: Mapping[str, str], names: Mapping[str, str]
) -> pd.DataFrame:
    """Return a table with the names of `usual`, and for other fields the best of `names`.

    A user or session that is one of NO_USER is missing.
    """
    new_names = {own: name for name, own in usual.items() if own in table}
    for name, known in names.items():
        if name in new_names.values():
            continue
        free = [own for own in table if own not in new_names and normalise(own) != "id"]
        scores = {own: match.score for own in free if (match := match_name(own, known)).is_exact}
        if scores:
            new_names[max(scores, key=lambda own: scores[own])] = name
    table = table.rename(columns=new_names)
    for name in {"user_id", SESSION_ID} & {*table}:
        table[name] = table[name].mask(table[name].str.lower().isin(NO_USER))
    return table


# --- Ids ------------------------------------------------------------------------------------------
class KnownIds:
    """Finds the ids of a table in another one, which may write 12 as 12.0.

    Parameters
    ----------
    ids
        The ids as the first table writes them.

    Examples
    --------
    >>> known = KnownIds(["7", "12", "b"])
    >>> known.find("12.0"), known.find("b"), known.find("c")
    ('12', 'b', 'c')
    """

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = {*ids}
        self._by_number = {WHOLE.sub("", known): known for known in ids}

    def __contains__(self, text: str) -> bool:
        """Return whether an id is known, perhaps as another number."""
        return text in self._ids or WHOLE.sub("", text) in self._by_number

    def find(self, text: str) -> str:
        """Return an id as the first table writes it; an unknown one is unchanged."""
        return text if text in self._ids else self._by_number.get(WHOLE.sub("", text), text)

    def find_all(self, texts: pd.Series) -> pd.Series:
        """Return ids (n,) as the first table writes them; missing ones stay missing."""
        known_ids = {text: self.find(text) for text in texts.dropna().unique()}
        return texts.map(known_ids).astype("str")


def match_ids(searches: pd.DataFrame, events: pd.DataFrame, products: Collection[str]) -> None:
    """Write ids as the tables do that they come from, and lists of ids as JSON.

    Parameters
    ----------
    searches, events
        As strings; changed in place.
    products
        The ids of the listings.

    Raises
    ------
    MarketError
        If a table has no id of a listing.
    """
    known = KnownIds(products)
    texts = searches["product_ids"]
    read = _list_reader(texts, known)
    searches["product_ids"] = [
        json.dumps([known.find(each) for each in read(text)], ensure_ascii=False)
        if isinstance(text, str)
        else None
        for text in texts
    ]
    events["product_id"] = known.find_all(events["product_id"])
    for name, read_ids, given in (
        ("searches", (each for text in texts.dropna() for each in read(text)), texts),
        ("interactions", events["product_id"].dropna(), events["product_id"]),
    ):
        if not any(each in known for each in read_ids):
            example = next(iter(given.dropna()), "")
            raise MarketError(
                f"no product of the {name}, such as {example!r:.60}, is among the listings, such "
                f"as {next(iter(products), '')!r}: all three tables need the same ids"
            )
    for name in ("search_id", "user_id", SESSION_ID):
        if name in searches and name in events:
            events[name] = KnownIds(searches[name].dropna().unique()).find_all(events[name])


def _list_reader(texts: pd.Series, known: KnownIds) -> Callable[[str], Sequence[str]]:
    """Return the function that reads the most known ids from some lists (n,)."""
    some = texts.dropna().head(MAX_COMPARED)

    def known_ids(read: Callable[[str], Sequence[str]]) -> int:
        return sum(each in known for text in some for each in read(text))

    readers: list[Callable[[str], Sequence[str]]] = [
        partial(split_list, separator=separator) for separator in SEPARATORS
    ]
    readers += [partial(_split_loosely, separator=each) for each in (None, *FURTHER_SEPARATORS)]
    return max(readers, key=known_ids)


def _split_loosely(text: str, separator: str | None) -> list[str]:
    """Return the elements of a list in any brackets and quotes.

    Examples
    --------
    >>> _split_loosely("{'a', 'b'}", ",")
    ['a', 'b']
    """
    parts = [part.strip(AROUND) for part in text.strip(AROUND).split(separator)]
    return [part for part in parts if part]
