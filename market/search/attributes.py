"""Attributes of listings, such as brand and size: conditions on them, and counts of their values.

A value is a text (of types `text` and `category`), a number, a truth value or a date. Values of
texts that differ in capitals alone are one value, shown in the commonest spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.data.attributes import ATTRIBUTE_TYPES
from market.data.currencies import plain
from market.data.raw_folder import ATTRIBUTE
from market.data.values import FALSE, TRUE

COUNTED = ("category", "boolean")  # types whose values are counted one by one
RANGED = ("number", "date")
PREFIX = "attr."  # of an attribute's name where it stands beside other filters
MAX_VALUES = 100  # of an attribute in its counts, the commonest ones
DAY = 86_400  # seconds
DATE_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}")

Value = str | float | bool


class AttributeType(NamedTuple):
    """The description of an attribute.

    Attributes
    ----------
    name
        As under input.attributes.
    type
        "text", "category", "number", "boolean" or "date".
    unit
        Of numbers, such as "cm"; "" if there is none.
    """

    name: str
    type: str
    unit: str = ""

    @property
    def label(self) -> str:
        """The name for users: "Release year" for "release_year" and for "releaseYear"."""
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", self.name)
        words = re.sub(r"[\s_]+", " ", spaced).strip()
        if spaced != self.name:
            words = words.lower()
        return words[:1].upper() + words[1:]


def attribute_types(listings: pd.DataFrame) -> tuple[AttributeType, ...]:
    """Return the attributes of a table that stage clean or merge wrote, in order of its columns."""
    written = listings.attrs.get(ATTRIBUTE_TYPES, {})
    names = [column.removeprefix(ATTRIBUTE) for column in attribute_columns(listings.columns)]
    return tuple(
        AttributeType(name, **written.get(name) or {"type": _type_of(listings[ATTRIBUTE + name])})
        for name in names
    )


def attribute_columns(columns: Iterable[str]) -> list[str]:
    """Return the columns that hold attributes."""
    return [column for column in columns if column.startswith(ATTRIBUTE)]


def searchable_texts(
    listings: pd.DataFrame, attributes: Iterable[AttributeType]
) -> pd.Series | None:
    """Return the values of text and category attributes of each listing, a line for each (n,).

    None if there is no such attribute.
    """
    names = [each.name for each in attributes if each.type in ("text", "category")]
    if not names:
        return None
    columns = [listings[ATTRIBUTE + name].fillna("").to_numpy(object) for name in names]
    return pd.Series(["\n".join(filter(None, row)) for row in zip(*columns, strict=True)])


def indexed_descriptions(listings: pd.DataFrame, attributes: Iterable[AttributeType]) -> list[str]:
    """Return the description of each listing (n,), then a line for each attribute in words."""
    descriptions = listings["description"].tolist()
    values = searchable_texts(listings, attributes)
    if values is None:
        return descriptions
    return [f"{text}\n{words}" for text, words in zip(descriptions, values, strict=True)]


@dataclass(frozen=True)
class Condition:
    """A condition on an attribute; a listing without a value meets only `exists=False`.

    Attributes
    ----------
    any_of
        The value is one of these; empty sets no condition. The case of texts is ignored, and a
        date YYYY-MM-DD is the whole day.
    minimum, maximum
        Bounds of a number, or of a date as ISO 8601, which are included.
    exists
        Whether the attribute has a value.
    """

    any_of: tuple[Value, ...] = ()
    minimum: float | str | None = None
    maximum: float | str | None = None
    exists: bool | None = None


@dataclass(frozen=True)
class Facet:
    """How often an attribute has its values among some listings.

    Attributes
    ----------
    attribute
        The attribute.
    listings
        The number of listings that have a value.
    values
        Of types `category` and `boolean`: the MAX_VALUES commonest values with their numbers of
        listings, the commonest first. Else empty.
    distinct
        The number of different values, of these types.
    minimum, maximum
        Of types `number` and `date` (YYYY-MM-DD), if any listing has a value.
    """

    attribute: AttributeType
    listings: int
    values: list[tuple[str | bool, int]] = field(default_factory=list)
    distinct: int = 0
    minimum: float | str | None = None
    maximum: float | str | None = None


@dataclass(frozen=True, eq=False)
class AttributeColumn:
    """The values of one attribute of n listings, ready for conditions and counts.

    Attributes
    ----------
    attribute
        The attribute.
    codes
        (n,) int: the index of each value in `labels`; -1 if missing. Empty for numbers and dates.
    labels
        The distinct values of texts and truth values.
    numbers
        (n,) numbers, or seconds since 1970 of dates; NaN if missing. Empty for other types.
    """

    attribute: AttributeType
    codes: np.ndarray
    labels: list[str | bool]
    numbers: np.ndarray
    _code_of: dict[str | bool, int]

    @classmethod
    def build(cls, attribute: AttributeType, values: pd.Series) -> AttributeColumn:
        """Make it from a typed column `attribute_<name>`."""
        nothing = np.empty(0)
        if attribute.type in RANGED:
            numbers = values.to_numpy(float, na_value=np.nan) if attribute.type == "number" else (
                (values - pd.Timestamp(0)) / pd.Timedelta(seconds=1)
            ).to_numpy(float)  # fmt: skip
            return cls(attribute, nothing, [], numbers, {})
        if attribute.type == "boolean":
            codes = values.map({False: 0, True: 1}).fillna(-1).to_numpy(np.int64)
            return cls(attribute, codes, [False, True], nothing, {False: 0, True: 1})
        present = values.where(values.str.strip().ne(""))
        codes, keys = pd.factorize(present.map(_fold, na_action="ignore"), sort=True)
        # Sorted, so that of equally common spellings the first in the alphabet is shown.
        spellings = present.dropna().value_counts().sort_index()
        commonest = spellings.sort_values(ascending=False, kind="stable").index
        label_of = {_fold(spelling): spelling for spelling in reversed(commonest)}
        labels: list[str | bool] = [label_of[key] for key in keys]
        return cls(attribute, codes, labels, nothing, {key: i for i, key in enumerate(keys)})

    def with_added(self, values: pd.Series) -> AttributeColumn:
        """Return the column of these n listings and of further ones, whose values are given.

        A text that is known has the spelling of the n listings.
        """
        added = AttributeColumn.build(self.attribute, values)
        if self.attribute.type in RANGED:
            return replace(self, numbers=np.concatenate([self.numbers, added.numbers]))
        new = {key: added.labels[code] for key, code in added._code_of.items()
               if key not in self._code_of}  # fmt: skip
        labels = dict(zip(self._code_of, self.labels, strict=True)) | new
        code_of = {key: code for code, key in enumerate(sorted(labels))}
        # The last place is that of a missing value, -1.
        own, others = (
            np.array([*(code_of[key] for key in column._code_of), -1], np.int64)
            for column in (self, added)
        )
        return AttributeColumn(
            self.attribute,
            np.concatenate([own[self.codes] if new else self.codes, others[added.codes]]),
            [labels[key] for key in code_of],
            self.numbers,
            code_of,
        )

    def value(self, position: int) -> Value | None:
        """Return the value of a listing: dates as YYYY-MM-DD; None if it has none."""
        if self.attribute.type in RANGED:
            return self._as_value(self.numbers[position])
        code = self.codes[position]
        return None if code < 0 else self.labels[code]

    def passes(self, condition: Condition) -> np.ndarray:
        """Return (n,) bool: the listings that meet a condition. Raises MarketError for a value of
        another type."""
        is_ranged = self.attribute.type in RANGED
        known = ~np.isnan(self.numbers) if is_ranged else self.codes >= 0
        passing = np.ones(len(known), bool)
        if condition.any_of:
            passing &= self._is_any_of(condition.any_of)
        # Comparisons with NaN are false.
        if condition.minimum is not None:
            passing &= self.numbers >= self.bounds(condition.minimum)[0]
        if condition.maximum is not None:
            passing &= self.numbers <= self.bounds(condition.maximum)[1]
        if condition.exists is not None:
            passing &= known == condition.exists
        return passing

    def count(self, among: np.ndarray) -> Facet:
        """Count the values among some listings, given as (n,) bool."""
        if self.attribute.type in RANGED:
            numbers = self.numbers[among]
            numbers = numbers[~np.isnan(numbers)]
            if not len(numbers):
                return Facet(self.attribute, 0)
            low, high = self._as_value(numbers.min()), self._as_value(numbers.max())
            return Facet(self.attribute, len(numbers), minimum=low, maximum=high)
        codes = self.codes[among]
        codes = codes[codes >= 0]
        if self.attribute.type not in COUNTED:
            return Facet(self.attribute, len(codes))
        counts = np.bincount(codes, minlength=len(self.labels))
        commonest = np.argsort(-counts, kind="stable")[:MAX_VALUES]
        values = [(self.labels[code], int(counts[code])) for code in commonest if counts[code]]
        return Facet(self.attribute, len(codes), values, int((counts > 0).sum()))

    def _is_any_of(self, wanted: Iterable[Value]) -> np.ndarray:
        if self.attribute.type in RANGED:
            bounds = [self.bounds(value) for value in wanted]
            passing = [(self.numbers >= low) & (self.numbers <= high) for low, high in bounds]
            return np.logical_or.reduce(passing)
        keys = [self._key(value) for value in wanted]
        return np.isin(self.codes, [self._code_of[key] for key in keys if key in self._code_of])

    def _key(self, value: Value) -> str | bool:
        if self.attribute.type != "boolean":
            return _fold(str(value))
        word = plain(str(value))
        if word not in TRUE | FALSE:
            raise self._error(value, "is neither true nor false")
        return word in TRUE

    def bounds(self, value: Value) -> tuple[float, float]:
        """Return the smallest and the largest number that a number or a date stands for."""
        if self.attribute.type not in RANGED:
            raise MarketError(
                f"attribute {self.attribute.name!r} is of type {self.attribute.type}: only numbers "
                "and dates have a lowest and a highest value"
            )
        if self.attribute.type == "number":
            number = pd.to_numeric(value, errors="coerce")
            if not np.isfinite(number):
                raise self._error(value, "is not a number")
            return float(number), float(number)
        time = pd.to_datetime(str(value), format="ISO8601", errors="coerce", utc=True)
        if pd.isna(time):
            raise self._error(value, "is not a date such as 2024-01-31")
        start = time.timestamp()
        return start, start + (DAY - 1 if DATE_PATTERN.fullmatch(str(value).strip()) else 0)

    def _as_value(self, number: float) -> float | str | None:
        if np.isnan(number):
            return None
        if self.attribute.type == "number":
            return float(number)
        return pd.Timestamp(number, unit="s").date().isoformat()

    def _error(self, value: Value, fault: str) -> MarketError:
        return MarketError(f"attribute {self.attribute.name!r}: {value!r:.60} {fault}")


class AttributeColumns(dict[str, AttributeColumn]):
    """The columns of all attributes by name."""

    @classmethod
    def build(cls, listings: pd.DataFrame, attributes: Iterable[AttributeType]) -> AttributeColumns:
        """Make them from the listings of a SearchIndex."""
        return cls(
            (each.name, AttributeColumn.build(each, listings[ATTRIBUTE + each.name]))
            for each in attributes
        )

    def with_added(self, listings: pd.DataFrame) -> AttributeColumns:
        """Return the columns of these n listings and of further ones."""
        return AttributeColumns(
            (name, column.with_added(listings[ATTRIBUTE + name])) for name, column in self.items()
        )

    def passes(self, conditions: Mapping[str, Condition]) -> dict[str, np.ndarray]:
        """Return, by name, (n,) bool: the listings that meet each condition.

        Raises
        ------
        MarketError
            If there is no such attribute, or a value is of another type.
        """
        return {name: self.column(name).passes(condition) for name, condition in conditions.items()}

    def column(self, name: str) -> AttributeColumn:
        """Return a column. Raises MarketError, which names the known attributes, if unknown."""
        if name not in self:
            known = f"the attributes are {', '.join(self)}" if self else "listings have none"
            raise MarketError(f"there is no attribute {name!r:.60}: {known}")
        return self[name]

    def count(self, matched: np.ndarray, conditions: Mapping[str, Condition]) -> list[Facet]:
        """Count the values of every attribute, each without the condition on itself.

        Parameters
        ----------
        matched
            (n,) bool: the listings that match everything but the conditions.
        conditions
            By name of the attribute.
        """
        passing = self.passes(conditions)
        failures = np.zeros(len(matched), np.int64)
        for passes in passing.values():
            failures += ~passes
        return [
            column.count(matched & (failures == (~passing[name] if name in passing else 0)))
            for name, column in self.items()
        ]

    def of_listing(self, position: int) -> dict[str, Value]:
        """Return the values of a listing by name, without the missing ones."""
        values = {name: column.value(position) for name, column in self.items()}
        return {name: value for name, value in values.items() if value is not None}


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _type_of(column: pd.Series) -> str:
    """Return the type of a column whose table does not state it."""
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    return "number" if pd.api.types.is_numeric_dtype(column) else "category"
