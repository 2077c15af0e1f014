"""The kinds of rules in rules.yaml, each as a checked model."""

from __future__ import annotations

import difflib
import re
from datetime import date
from functools import lru_cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from market.core.checked_yaml import without_missing
from market.data.language import Language

MAX_PLACE = 100  # of a pin: candidates of a query are more than this, so that every place exists
MAX_STEMMED = 50_000  # queries of rules whose stems are remembered: each changed listing needs them
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")

Text = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1, max_length=1000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\r\n]+$")]
Factor = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


# Parameters of GET /api/search that a redirect may set; attr.NAME too.
NUMBERS = ("price_min", "price_max", "radius_km", "latitude", "longitude")
FLAGS = ("flagged", "include_unavailable")
FILTERS = (*NUMBERS, *FLAGS, "near", "seller_id", "sort")


def _known_filters(filters: dict[str, str]) -> dict[str, str]:
    for name, value in filters.items():
        if name not in FILTERS and not name.startswith("attr."):
            similar = difflib.get_close_matches(name, FILTERS, n=1)
            known = f"did you mean {similar[0]}?" if similar else f"use {', '.join(FILTERS)}"
            raise ValueError(f"{name!r} is no filter: {known} or attr.NAME")
        if name in FLAGS and value not in ("true", "false"):
            raise ValueError(f"{name} is {value!r}, must be true or false")
        if name in NUMBERS and not NUMBER.fullmatch(value):
            raise ValueError(f"{name} is {value!r}, must be a number")
    return filters


def _path_of_shop(value: str) -> str:
    # "//other.example" and "/\other.example" lead to another site.
    if not value.startswith("/") or value.startswith(("//", "/\\")):
        raise ValueError(f"{value!r} is no path of the shop: begin it with a single /")
    return value


class Entry(BaseModel):
    """A part of rules.yaml: exactly these keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_missing(cls, values: Any) -> Any:
        return without_missing(values)


class Rule(Entry):
    """What every rule has.

    Attributes
    ----------
    name
        Names the rule in messages and in the reasons of a hit.
    queries
        The rule applies to searches for one of these queries: the same words in the same order,
        after spelling correction and stemming, without stop words.
    categories
        The rule applies to searches within one of these categories.
    first_day, last_day
        The rule applies from the first to the last day; None sets no limit. `from` and `until` in
        the file.
    """

    name: Name
    queries: Texts | None = None
    categories: Texts | None = None
    first_day: date | None = Field(None, alias="from")
    last_day: date | None = Field(None, alias="until")

    @model_validator(mode="after")
    def _check_days(self) -> Rule:
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError(
                f"from {self.first_day} is after until {self.last_day}: exchange the two"
            )
        return self

    @property
    def has_scope(self) -> bool:
        """Whether the rule is for some queries or categories only."""
        return self.queries is not None or self.categories is not None

    def applies_on(self, day: date) -> bool:
        """Return whether the rule applies on a day."""
        return (self.first_day or day) <= day <= (self.last_day or day)

    def meets(self, other: Rule) -> bool:
        """Return whether the two rules apply on a common day."""
        first_days = [day for day in (self.first_day, other.first_day) if day]
        last_days = [day for day in (self.last_day, other.last_day) if day]
        return not first_days or not last_days or max(first_days) <= min(last_days)


class ScopedRule(Rule):
    """A rule that must name queries or categories."""

    @model_validator(mode="after")
    def _need_scope(self) -> ScopedRule:
        if not self.has_scope:
            raise ValueError("neither queries nor categories are named: add one of them")
        return self


class Synonym(Rule):
    """Words that mean the same; with `finds`, words that find others, but not the other way round.

    Attributes
    ----------
    words
        Words or phrases. Without `finds`, each finds all others.
    finds
        What a search for one of `words` finds as well.
    """

    words: Texts
    finds: Texts | None = None

    @model_validator(mode="after")
    def _need_two(self) -> Synonym:
        if self.finds is None and len(self.words) < 2:
            raise ValueError("words has one entry: add its synonyms, or what it finds under finds")
        return self


class Pin(ScopedRule):
    """A listing at a place of the results.

    Attributes
    ----------
    listing
        Its id.
    place
        1 is the first.
    """

    listing: Text
    place: Annotated[int, Field(ge=1, le=MAX_PLACE)]


class Selection(Entry):
    """Listings that meet all of the conditions; of each condition, one value suffices.

    Attributes
    ----------
    ids, sellers, categories
        Ids of listings and of sellers, and categories of any level or paths "A / B".
    attributes
        Values by the name of the attribute.
    """

    ids: Texts | None = None
    sellers: Texts | None = None
    categories: Texts | None = None
    attributes: dict[Text, Texts] | None = None

    @model_validator(mode="after")
    def _need_condition(self) -> Selection:
        if not any((self.ids, self.sellers, self.categories, self.attributes)):
            raise ValueError("no condition: add ids, sellers, categories or attributes")
        return self

    @property
    def is_by_id(self) -> bool:
        """Whether the ids alone decide."""
        return not any((self.sellers, self.categories, self.attributes))


class Boost(Rule):
    """Listings whose score is multiplied by a factor.

    Attributes
    ----------
    listings
        The listings.
    factor
        Above 1 raises, below 1 lowers. A negative score moves by as much in the same direction.
    """

    listings: Selection
    factor: Factor


class Hidden(Rule):
    """Listings that no answer shows; with queries or categories, no answer to these."""

    listings: Selection


class Redirect(ScopedRule):
    """Where a search leads instead: a category, filters of the search, or a page of the shop.

    Attributes
    ----------
    category
        A category of any level, or a path "A / B".
    filters
        Parameters of `GET /api/search`, such as price_max and attr.brand.
    path
        A path of the shop, such as /sale.
    """

    category: Text | None = None
    filters: Annotated[dict[Text, Text], AfterValidator(_known_filters)] | None = None
    path: Annotated[Text, AfterValidator(_path_of_shop)] | None = None

    @model_validator(mode="after")
    def _need_target(self) -> Redirect:
        if self.path is None and self.category is None and not self.filters:
            raise ValueError("no target: add category, filters or path")
        if self.path is not None and (self.category is not None or self.filters):
            raise ValueError("path excludes category and filters: remove one of the two")
        return self


@lru_cache(maxsize=MAX_STEMMED)
def stems_of(text: str, language: Language) -> tuple[str, ...]:
    """Return the stems of the words of a text, by which queries are compared."""
    return tuple(language.stem(word) for word in language.words(text))


def category_levels(category: str) -> tuple[str, ...]:
    """Return the levels of a category or path as filters compare them."""
    return tuple(level.strip().casefold() for level in category.split(" / "))
