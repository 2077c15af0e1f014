"""The raw log of searches: checked, typed and reduced to listings that exist."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from market.data.id_lists import find_separator, split_list
from market.data.ids import ID_RULES
from market.data.interactions import read_times
from market.data.rejects import PRODUCT_REJECTED, reject_rows
from market.data.searches import DEFAULTS, KINDS, SEARCH_COLUMNS
from market.data.tables import RawTable

# Other names of the columns.
ALIASES = {
    "query_id": "search_id", "searchId": "search_id", "queryId": "search_id",
    "userId": "user_id", "time": "timestamp", "q": "query", "search_term": "query",
    "searchTerm": "query", "search_query": "query", "keywords": "query",
    "results": "product_ids", "result_ids": "product_ids", "shown": "product_ids",
    "shown_ids": "product_ids", "items": "product_ids", "item_ids": "product_ids",
    "itemIds": "product_ids", "productIds": "product_ids", "hits": "product_ids",
}  # fmt: skip
RAW_COLUMNS = [name for name in SEARCH_COLUMNS if name != "places"]
LISTS = ("product_ids", "propensities", "rules")
NOT_A_COUNT = "is not a whole number from 0"


class CleanSearches(NamedTuple):
    """The searches that are kept, the rejects, and facts about the values in both."""

    kept: pd.DataFrame  # searches.SEARCH_COLUMNS, by timestamp
    rejects: pd.DataFrame  # rejects.REJECT_COLUMNS, whose id is the search_id
    counts: dict[str, int]
    messages: list[str]


def search_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return the name of each of RAW_COLUMNS in a log of searches.

    A column that is called so counts before ALIASES, of which the first counts. A column that the
    log does not have keeps its name.

    Examples
    --------
    >>> names = search_columns(["query_id", "timestamp", "results"])
    >>> names["search_id"], names["product_ids"], names["query"]
    ('query_id', 'results', 'query')
    """
    present = list(columns)
    names = {name: name for name in RAW_COLUMNS}
    for name in reversed(present):
        standard = ALIASES.get(name)
        if standard is not None and standard not in present:
            names[standard] = name
    return names


def join_filters(read: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a log (n rows) with its filters in one column, as JSON objects.

    JSON Lines and Parquet may hold objects, which `tables.read_table` returns as columns such as
    "filters.price_max".

    Parameters
    ----------
    read
        The log as strings.
    name
        The column of the filters.
    """
    parts = [column for column in read if str(column).startswith(f"{name}.")]
    if name in read or not parts:
        return read
    names = [column.removeprefix(f"{name}.") for column in parts]
    filters = [
        json.dumps(
            {key: value for key, value in zip(names, row, strict=True) if pd.notna(value)},
            ensure_ascii=False,
        )
        for row in read[parts].to_numpy(dtype=object)
    ]
    joined = pd.Series(filters, index=read.index, dtype="str")
    return read.drop(columns=parts).assign(**{name: joined})


def sort_searches(
    table: RawTable,
    known: pd.Series,
    rejected: pd.Series,
    *,
    products_file: str = "Products.csv",
    country: str | None = None,
) -> CleanSearches:
    """Separate the rows of a log of searches that can be used from those that cannot.

    Parameters
    ----------
    table
        The log (n rows), with the columns search_id, timestamp and product_ids.
    known
        The known product ids; others are left out of the lists.
    rejected
        The ids of products that were rejected.
    products_file
        The name of the table of products, for the reasons.
    country
        As for `interactions.read_times`.
    """
    rows = table.rows.reindex(columns=RAW_COLUMNS).astype("str")  # NaN stays missing
    times, time_faults = read_times(rows["timestamp"], country)
    shown = _Shown(rows, {*known})
    offsets, offset_faults = _read_counts(rows["offset"])
    reason = offset_faults.where(offset_faults.eq(""), f"{table.own_name('offset')} {NOT_A_COUNT}")
    only_rejected = shown.all_in({*rejected})
    reason[shown.none_known] = f"none of its products is in {products_file}"
    reason[shown.none_known & only_rejected] = PRODUCT_REJECTED
    reason = reason.where(time_faults.eq(""), f"{table.own_name('timestamp')} " + time_faults)
    for name in ("user_id", "search_id"):
        for fault, rule in ID_RULES.items():
            malformed = rows[name].notna() & ~rows[name].fillna("").str.fullmatch(rule)
            reason[malformed] = f"{table.own_name(name)} {fault}"
    reason[rows["search_id"].notna() & rows["search_id"].duplicated()] = (
        f"{table.own_name('search_id')} repeats an earlier row's"
    )
    for name in ("timestamp", "search_id"):
        reason[rows[name].isna()] = f"{table.own_name(name)} is missing"
    optional = _Optional(table, rows)
    kept = pd.DataFrame(
        {
            **{name: rows[name] for name in ("search_id", "user_id", "suggest_id")},
            "timestamp": times,
            "query": rows["query"].fillna(DEFAULTS["query"]),
            "variant": rows["variant"].fillna(DEFAULTS["variant"]),
            "offset": offsets.fillna(DEFAULTS["offset"]).astype("int64"),
            "kind": optional.kinds(),
            "total": optional.totals(),
            "filters": optional.filters(),
            "product_ids": shown.product_ids,
            "places": shown.places,
            "propensities": shown.propensities(optional),
            "rules": shown.rules(),
        }
    )[SEARCH_COLUMNS]
    kept = kept[reason.eq("")].sort_values("timestamp", kind="stable", ignore_index=True)
    rejects = reject_rows(table.path.name, reason, rows["search_id"])
    messages = [*shown.messages(table, products_file), *optional.messages]
    return CleanSearches(kept, rejects, shown.counts(), messages)


class _Shown:
    """The listings that each search (n,) showed.

    Attributes
    ----------
    product_ids, places
        The known ones in the order shown, each once, and their places.
    none_known
        (n,) bool: something was shown, but none of it is known.
    """

    def __init__(self, rows: pd.DataFrame, known: set[str]) -> None:
        self._rows = rows
        self.separator = find_separator(rows["product_ids"], known)
        self._lists = [split_list(text, self.separator) for text in rows["product_ids"]]
        self.unknown = self.repeated = 0
        kept = [self._known_once(ids, known) for ids in self._lists]
        self.product_ids = _objects([[*places] for places in kept], rows.index)
        self.places = _objects([[*places.values()] for places in kept], rows.index)
        self.none_known = pd.Series(
            [bool(ids) and not places for ids, places in zip(self._lists, kept, strict=True)],
            index=rows.index,
            dtype=bool,
        )

    def _known_once(self, ids: list[str], known: set[str]) -> Mapping[str, int]:
        """Return the place of each known id of a list, at its first occurrence."""
        places: dict[str, int] = {}
        for place, product_id in enumerate(ids):
            if product_id not in known:
                self.unknown += 1
            elif product_id in places:
                self.repeated += 1
            else:
                places[product_id] = place
        return places

    def all_in(self, products: set[str]) -> pd.Series:
        """Return (n,) bool: every listing that was shown is one of these."""
        is_in = [products.issuperset(ids) for ids in self._lists]
        return pd.Series(is_in, index=self._rows.index, dtype=bool)

    def propensities(self, optional: _Optional) -> pd.Series:
        """Return the probabilities of the kept listings; None where unknown or unreadable."""
        values: list[list[float] | None] = []
        unread = 0
        texts = self._rows["propensities"]
        for text, ids, places in zip(texts, self._lists, self.places, strict=True):
            numbers = [_probability(part) for part in split_list(text)]
            is_read = len(numbers) == len(ids) and None not in numbers
            unread += bool(numbers) and not is_read
            values.append(
                [number for place in places if (number := numbers[place]) is not None]
                if numbers and is_read
                else None
            )
        optional.note("propensities", unread, "do not give each product a number above 0 to 1")
        return _objects(values, self._rows.index)

    def rules(self) -> pd.Series:
        """Return the kept listings that a rule placed or raised."""
        lists = [split_list(text, self.separator) for text in self._rows["rules"]]
        values = [
            [product_id for product_id in ruled if product_id in {*ids}]
            for ruled, ids in zip(lists, self.product_ids, strict=True)
        ]
        return _objects(values, self._rows.index)

    def counts(self) -> dict[str, int]:
        return {
            "without_results": sum(not ids for ids in self._lists),
            "shown_products": sum(map(len, self._lists)),
            "unknown_products": self.unknown,
            "repeated_products": self.repeated,
        }

    def messages(self, table: RawTable, products_file: str) -> list[str]:
        name, total = table.own_name("product_ids"), sum(map(len, self._lists))
        lines = []
        if self.separator:
            lines.append(f"{table.path}: {name} are divided by {self.separator!r}, not by spaces")
        if self.unknown:
            lines.append(
                f"{table.path}: {self.unknown} of {total} {name} are not in {products_file}: left "
                "out of their searches"
            )
        if self.repeated:
            lines.append(
                f"{table.path}: {self.repeated} of {total} {name} repeat one of the same search: "
                "the first counts"
            )
        return lines


class _Optional:
    """The columns that a log of searches need not have, and lines on their unreadable values."""

    def __init__(self, table: RawTable, rows: pd.DataFrame) -> None:
        self._table, self._rows = table, rows
        self.messages: list[str] = []

    def note(self, name: str, count: int, fault: str, remedy: str = "left empty") -> None:
        if count:
            own = self._table.own_name(name)
            self.messages.append(f"{self._table.path}: {own} of {count} searches {fault}: {remedy}")

    def kinds(self) -> pd.Series:
        kinds = self._rows["kind"].fillna(DEFAULTS["kind"]).str.lower()
        unknown = ~kinds.isin(KINDS)
        self.note("kind", int(unknown.sum()), f"is not one of {', '.join(KINDS)}",
                  f"counted as {DEFAULTS['kind']}")  # fmt: skip
        return kinds.mask(unknown, DEFAULTS["kind"])

    def totals(self) -> pd.Series:
        totals, faults = _read_counts(self._rows["total"])
        self.note("total", int(faults.ne("").sum()), NOT_A_COUNT)
        return totals

    def filters(self) -> pd.Series:
        filters = self._rows["filters"].fillna(DEFAULTS["filters"])
        is_object = filters.map({text: _is_json_object(text) for text in filters.unique()})
        self.note("filters", int((~is_object).sum()), "is not a JSON object")
        return filters.where(is_object.astype(bool), DEFAULTS["filters"])


def _objects(values: list, index: pd.Index) -> pd.Series:
    return pd.Series(values, index=index, dtype=object)


def _read_counts(texts: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return whole numbers (n,), Int64, missing where empty or unreadable; and a fault or ""."""
    numbers = pd.to_numeric(texts, errors="coerce").astype(float)
    is_count = numbers.ge(0) & numbers.lt(2**53) & numbers.eq(np.floor(numbers))
    faults = pd.Series("", index=texts.index).where(is_count | texts.isna(), NOT_A_COUNT)
    return numbers.where(is_count).astype("Int64"), faults


def _probability(text: str) -> float | None:
    """Return a number above 0 to 1; None if the text is no such number."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= 1 else None


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
