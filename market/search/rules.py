"""rules.yaml: what a shop decides about its search, beside what the ranker learns.

The file has lists of synonyms, pins, boosts, hidden listings and redirects, which its comments
explain. A fault is one line that names the file, the line, the rule, the cause and the remedy.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from market.core.checked_yaml import YamlText, without_missing
from market.core.errors import MarketError
from market.core.paths import RULES
from market.data.language import Language

MAX_PLACE = 100  # of a pin: candidates of a query are more than this, so that every place exists
MAX_RULES = 10_000  # in a list
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


Section = Literal["synonyms", "pins", "boosts", "hidden", "redirects"]
SECTIONS: tuple[Section, ...] = ("synonyms", "pins", "boosts", "hidden", "redirects")


class Rules(Entry):
    """The rules of a shop.

    Examples
    --------
    >>> text = "pins: [{name: summer, listing: p1, place: 1, queries: [tent], until: 2026-08-31}]"
    >>> rules = Rules.parse(text)
    >>> rules.count(date(2026, 7, 1)), rules.count(date(2026, 9, 1))
    (1, 0)
    """

    synonyms: Annotated[tuple[Synonym, ...], Field(max_length=MAX_RULES)] = ()
    pins: Annotated[tuple[Pin, ...], Field(max_length=MAX_RULES)] = ()
    boosts: Annotated[tuple[Boost, ...], Field(max_length=MAX_RULES)] = ()
    hidden: Annotated[tuple[Hidden, ...], Field(max_length=MAX_RULES)] = ()
    redirects: Annotated[tuple[Redirect, ...], Field(max_length=MAX_RULES)] = ()

    @classmethod
    def load(cls, path: Path = RULES, language: str = "en") -> Rules:
        """Read and check the file of rules.

        Parameters
        ----------
        path
            The file.
        language
            ISO 639-1 code of the queries, by whose stems they are compared.

        Raises
        ------
        MarketError
            If there is no such file, or a rule is wrong, or two rules contradict each other.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise MarketError(
                f"{path} not found in {Path().absolute()}: restore it from git, or write an empty "
                "file for no rules"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise MarketError(f"{path} cannot be read as UTF-8: {error}") from None
        return cls.parse(text, language, title=str(path))

    @classmethod
    def parse(cls, text: str, language: str = "en", *, title: str = str(RULES)) -> Rules:
        """Return the rules of a YAML text; parameters and errors are as for `load`."""
        document = YamlText(text, title)
        rules = document.check(cls)
        spoken = Language(language)
        for faults in (_wordless(rules, spoken), _repeated_names(rules), _conflicts(rules, spoken)):
            for section, number, fault in faults:
                raise MarketError(f"{document.place((section, number))}: {fault}")
        return rules

    def all(self) -> Iterator[Rule]:
        """Iterate over the rules of all kinds."""
        return chain.from_iterable(getattr(self, section) for section in SECTIONS)

    def on(self, day: date) -> Rules:
        """Return the rules that apply on a day."""
        kept: dict[str, tuple[Rule, ...]] = {
            section: tuple(rule for rule in getattr(self, section) if rule.applies_on(day))
            for section in SECTIONS
        }
        return self.model_copy(update=kept)

    def count(self, day: date) -> int:
        """Return the number of rules that apply on a day."""
        return sum(rule.applies_on(day) for rule in self.all())


NO_RULES = Rules()


@lru_cache(maxsize=MAX_STEMMED)
def stems_of(text: str, language: Language) -> tuple[str, ...]:
    """Return the stems of the words of a text, by which queries are compared."""
    return tuple(language.stem(word) for word in language.words(text))


def words_of(rules: Rules, language: Language) -> list[str]:
    """Return the words of all queries and synonyms, which are correct words."""
    texts = [text for rule in rules.all() for text in rule.queries or ()]
    for synonym in rules.synonyms:
        texts += [*synonym.words, *(synonym.finds or ())]
    return list(dict.fromkeys(word for text in texts for word in language.words(text)))


Fault = tuple[Section, int, str]


def _wordless(rules: Rules, language: Language) -> Iterator[Fault]:
    """Find queries and synonyms without a word that search compares."""
    for section in SECTIONS:
        for number, rule in enumerate(getattr(rules, section)):
            texts: Sequence[str] = rule.queries or ()
            if isinstance(rule, Synonym):
                texts = (*texts, *rule.words, *(rule.finds or ()))
            for text in texts:
                if not stems_of(text, language):
                    fault = f"{text!r} has no word that search compares: write another"
                    yield section, number, fault


def _repeated_names(rules: Rules) -> Iterator[Fault]:
    """Find rules with the name of another one."""
    known: set[str] = set()
    for section in SECTIONS:
        for number, rule in enumerate(getattr(rules, section)):
            if rule.name in known:
                yield section, number, "another rule has this name: choose a name for each"
            known.add(rule.name)


def _conflicts(rules: Rules, language: Language) -> Iterator[Fault]:
    """Find rules that contradict each other on a common day, for a common query or category."""
    claims: dict[tuple[Any, ...], list[Rule]] = defaultdict(list)
    for number, pin in enumerate(rules.pins):
        for scope in _scope(pin, language):
            for kind, value in (("place", pin.place), ("listing", pin.listing)):
                for other in _meeting(pin, claims[scope, kind, value]):
                    cause = f"‘{other.name}’ has {kind} {value} for the same query or category"
                    yield "pins", number, f"{cause}: change one of the two, or its dates"
                claims[scope, kind, value].append(pin)
    for number, redirect in enumerate(rules.redirects):
        for scope in _scope(redirect, language):
            for other in _meeting(redirect, claims["redirect", scope]):
                cause = f"‘{other.name}’ redirects the same query or category"
                yield "redirects", number, f"{cause}: remove one of the two, or change its dates"
            claims["redirect", scope].append(redirect)
    for rule in rules.hidden:
        if rule.listings.is_by_id:
            for product_id in rule.listings.ids or ():
                claims["hidden", product_id].append(rule)
    for number, pin in enumerate(rules.pins):
        for other in _meeting(pin, claims["hidden", pin.listing]):
            if not other.has_scope or _scope(pin, language) & _scope(other, language):
                cause = f"listing {pin.listing!r} is hidden by ‘{other.name}’"
                yield "pins", number, f"{cause}: remove one of the two, or change its dates"


def _meeting(rule: Rule, others: list[Rule]) -> Iterator[Rule]:
    """Iterate over the other rules that apply on a common day with a rule."""
    return (other for other in others if other is not rule and rule.meets(other))


def _scope(rule: Rule, language: Language) -> set[tuple[str, ...]]:
    """Return comparable queries and categories of a rule."""
    queries = {("query", *stems_of(text, language)) for text in rule.queries or ()}
    return queries | {
        ("category", *category_levels(category)) for category in rule.categories or ()
    }


def category_levels(category: str) -> tuple[str, ...]:
    """Return the levels of a category or path as filters compare them."""
    return tuple(level.strip().casefold() for level in category.split(" / "))
