"""The values of a column, described by shares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from market.data.currencies import plain
from market.data.interactions import read_times
from market.data.money import FREE
from market.data.photo_formats import PHOTO_SUFFIXES
from market.data.photo_references import is_url, split_references
from market.data.values import parse_booleans, parse_coordinates, parse_numbers

# An amount in any currency and notation: signs or a few letters around one number.
AMOUNT = re.compile(
    r"-?\s*[^\d\s,.'-]{0,5}[\s\u00a0]?-?(?P<number>\d[\d.,'\u00a0\u202f ]*)(?:[.,]?-+)?"
    r"[\s\u00a0]*[^\d\s]{0,6}(?:[\s\u00a0,]+[^\d]{1,20})?"
)
SEPARATORS_OF_PHOTOS = (",", ";", "|", "\n", " ")
ANY_COUNTRY = "GB"  # decides between day and month, which does not change what is a time
MAX_VALUES = 400  # that the slower descriptions look at


@dataclass(frozen=True)
class Profile:
    """A column of a sample.

    Attributes
    ----------
    name
        As the file has it.
    position
        Its place in the table, from 0.
    values
        All values (n,), missing where empty.
    """

    name: str
    position: int
    values: pd.Series

    @cached_property
    def known(self) -> pd.Series:
        """The values that are not missing."""
        return self.values.dropna().astype("str")

    @cached_property
    def some(self) -> pd.Series:
        """At most MAX_VALUES of `known`, spread evenly."""
        return self.known.iloc[:: -(-len(self.known) // MAX_VALUES) or 1]

    @property
    def filled(self) -> float:
        """The share of rows with a value."""
        return len(self.known) / len(self.values) if len(self.values) else 0.0

    @cached_property
    def distinct(self) -> int:
        """The number of different values."""
        return self.known.nunique()

    @property
    def unique(self) -> float:
        """The number of different values for each value, 0 to 1."""
        return self.distinct / len(self.known) if len(self.known) else 0.0

    @cached_property
    def length(self) -> float:
        """The mean number of characters."""
        return float(self.known.str.len().mean()) if len(self.known) else 0.0

    @cached_property
    def words(self) -> float:
        """The mean number of words."""
        return float(self.some.str.split().str.len().mean()) if len(self.known) else 0.0

    @cached_property
    def texts(self) -> float:
        """The share of values with two letters or more, and no amount, time or reference."""
        return self._share(
            self.some.str.contains(r"[^\W\d_].*[^\W\d_]|[\u3040-\uffdc]", regex=True)
        )

    @cached_property
    def amounts(self) -> float:
        """The share of values that are amounts of money or numbers."""
        return self._share(self.some.map(is_amount))

    @cached_property
    def times(self) -> float:
        """The share of values that are times; numbers count only as Unix times."""
        return self._share(read_times(self.some, country=ANY_COUNTRY)[0].notna())

    @cached_property
    def numbers(self) -> float:
        """The share of values that are numbers, with or without one unit."""
        return max(map(self.numbers_with, ".,"))

    def numbers_with(self, decimal: str) -> float:
        """Return the share of values that are numbers with this decimal mark."""
        return self._share(parse_numbers(self.some, decimal).values.notna())

    @cached_property
    def is_boolean(self) -> bool:
        """Whether all values are truth values, some true and some false."""
        values = parse_booleans(self.some).values
        return bool(values.notna().all()) and values.nunique() == 2

    def degrees(self, limits: tuple[float, float]) -> float:
        """Return the share of values that are degrees, if most of them have a fraction."""
        known = parse_coordinates(self.some, limits).values.notna()
        return self._share(known & self.some.str.contains("[.,]", regex=True))

    @cached_property
    def photos(self) -> float:
        """The share of values that are paths or URLs of photos."""
        return self._share(self.some.map(lambda value: bool(photo_references(value))))

    def _share(self, fits: pd.Series) -> float:
        return float(fits.mean()) if len(fits) else 0.0


def profile_columns(sample: pd.DataFrame) -> list[Profile]:
    """Return the columns of a sample."""
    return [Profile(str(name), i, sample[name]) for i, name in enumerate(sample.columns)]


def is_amount(text: str) -> bool:
    """Return whether a text is an amount in any currency, a plain number or says "free"."""
    text = plain(text)
    return " ".join(text.strip("!.*").split()) in FREE or AMOUNT.fullmatch(text) is not None


def photo_references(value: str, *, any_url: bool = False) -> list[str]:
    """Return the references to photos in a value, by the separator that gives the most.

    Parameters
    ----------
    value
        Of a column.
    any_url
        Whether URLs count that do not end like a photo.
    """
    splits = [split_references(value, separator) for separator in SEPARATORS_OF_PHOTOS]
    photos = [
        references
        for references in splits
        if all(_is_photo(part) or (any_url and is_url(part)) for part in references)
    ]
    return max(photos, key=len, default=[])


def _is_photo(reference: str) -> bool:
    path = reference.partition("?")[0] if is_url(reference) else reference
    return path.lower().endswith(tuple(PHOTO_SUFFIXES)) and len(reference) < 2000
