"""The rules that apply on a day, bound to the listings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from threading import Lock
from typing import Generic, TypeVar

import numpy as np

from market.core.errors import MarketError
from market.data.language import Language
from market.search.attributes import Condition
from market.search.catalogue import Catalogue
from market.search.filters import Filters, allowed_listings
from market.search.rule_application import PinnedListing, RaisedListings, SearchRules
from market.search.rule_kinds import Boost, Hidden, Rule, Selection, stems_of
from market.search.rules import Rules
from market.search.synonyms import Synonyms

RuleType = TypeVar("RuleType", bound=Rule)


# The stems of a query, or the positions of a category's paths in the catalogue: a name and a path
# are the same category if they stand for the same paths.
Scope = tuple[str, ...] | frozenset[int]


class ScopedRules(Generic[RuleType]):
    """Rules of one kind by what they are about.

    Parameters
    ----------
    rules
        Rules, in order.
    scopes_of
        Returns the queries and categories of a rule.
    """

    def __init__(
        self, rules: Iterable[RuleType], scopes_of: Callable[[RuleType], Iterable[Scope]]
    ) -> None:
        self._rules = [rule for rule in rules if rule.has_scope]
        self._numbers: dict[Scope, list[int]] = defaultdict(list)
        for number, rule in enumerate(self._rules):
            for scope in scopes_of(rule):
                self._numbers[scope].append(number)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def of(self, scopes: Iterable[Scope]) -> list[RuleType]:
        """Return the rules about any of these queries and categories, in order."""
        numbers = {number for scope in scopes for number in self._numbers.get(scope, ())}
        return [self._rules[number] for number in sorted(numbers)]


class DailyRules:
    """The rules of one day over n listings.

    Parameters
    ----------
    rules
        The rules of the day.
    catalogue
        The listings.
    language
        Of the queries.

    Attributes
    ----------
    hidden
        Product ids that no answer shows.
    warnings
        A line for each listing, seller, category or value that the listings do not have.
    everywhere
        The rules of recommendations and similar listings: those without query and category.
    """

    def __init__(self, rules: Rules, catalogue: Catalogue, language: Language) -> None:
        self._rules, self._catalogue, self._language = rules, catalogue, language
        self._selected: dict[str, np.ndarray] = {}
        warnings: list[str] = []
        chosen: tuple[Boost | Hidden, ...] = (*rules.boosts, *rules.hidden)
        for rule in chosen:
            mask, unknown = select(rule.listings, catalogue)
            self._selected[rule.name] = mask
            warnings += [f"‘{rule.name}’: {line}" for line in unknown]
        positions = catalogue.positions([pin.listing for pin in rules.pins]).tolist()
        self._pinned = dict(zip((pin.name for pin in rules.pins), positions, strict=True))
        warnings += [
            f"‘{pin.name}’: there is no listing {pin.listing!r}"
            for pin in rules.pins
            if self._pinned[pin.name] < 0
        ]
        self._names_categories = any(rule.categories for rule in rules.all())
        self._pins = self._by_scope(rules.pins, warnings)
        self._boosts = self._by_scope(rules.boosts, warnings)
        self._hidden = self._by_scope(rules.hidden, warnings)
        self._redirects = self._by_scope(rules.redirects, warnings)
        self._scoped_synonyms = self._by_scope(rules.synonyms, warnings)
        self.hidden = self._hidden_ids(_unscoped(rules.hidden))
        self.warnings = tuple(warnings)
        self.everywhere = SearchRules(boosts=self._raised(_unscoped(rules.boosts)))
        self._synonyms = Synonyms(_unscoped(rules.synonyms), language)

    def of_search(self, text: str, category: str | None) -> SearchRules:
        """Return the rules of a search.

        Parameters
        ----------
        text
            The query after spelling correction.
        category
            The filter on the category.
        """
        query, categories = self._scopes_of_search(text, category)
        # A category's pins and redirects are for those who look around in it.
        alone = query or categories
        pins = [
            PinnedListing(pin.name, pin.listing, self._pinned[pin.name], pin.place - 1)
            for pin in self._pins.of(alone)
            if self._pinned[pin.name] >= 0
        ]
        boosts = self._boosts.of([*query, *categories])
        hidden = self._hidden.of([*query, *categories])
        return SearchRules(
            pins=tuple(sorted(pins, key=lambda pin: pin.place)),
            boosts=self.everywhere.boosts + self._raised(boosts),
            hidden=self._hidden_ids(hidden),
            redirect=next(iter(self._redirects.of(alone)), None),
        )

    def synonyms(self, text: str, category: str | None = None) -> Synonyms:
        """Return the synonyms for a search; parameters are as for `of_search`."""
        if not self._scoped_synonyms:
            return self._synonyms
        query, categories = self._scopes_of_search(text, category)
        scoped = self._scoped_synonyms.of([*query, *categories])
        if not scoped:
            return self._synonyms
        return Synonyms([*_unscoped(self._rules.synonyms), *scoped], self._language)

    def _scopes_of_search(self, text: str, category: str | None) -> tuple[list[Scope], list[Scope]]:
        """Return the query and the category of a search, each as a list of at most one."""
        words = stems_of(text, self._language)
        paths = self._category(category) if category and self._names_categories else None
        return [words] if words else [], [paths] if paths else []

    def _by_scope(self, rules: Iterable[RuleType], warnings: list[str]) -> ScopedRules[RuleType]:
        """Index rules; add a warning for each category that no listing is in."""

        def scopes_of(rule: RuleType) -> Iterator[Scope]:
            yield from (stems_of(text, self._language) for text in rule.queries or ())
            for name in rule.categories or ():
                if paths := self._category(name):
                    yield paths
                else:
                    warnings.append(f"‘{rule.name}’: no listing is in {name!r}")

        return ScopedRules(rules, scopes_of)

    def _category(self, name: str) -> frozenset[int]:
        """Return the positions of a category's paths in the catalogue."""
        listings = in_category(self._catalogue, name)
        return frozenset(np.unique(self._catalogue.path_of[listings]).tolist())

    def _raised(self, rules: Iterable[Boost]) -> tuple[RaisedListings, ...]:
        return tuple(
            RaisedListings(rule.name, self._selected[rule.name], rule.factor) for rule in rules
        )

    def _hidden_ids(self, rules: Sequence[Hidden]) -> frozenset[str]:
        if not rules:
            return frozenset()
        hidden = np.any([self._selected[rule.name] for rule in rules], axis=0)
        if self._catalogue.withdrawn is not None:
            hidden &= ~self._catalogue.withdrawn  # a changed listing may meet the rule no more
        return frozenset(self._catalogue.ids(np.flatnonzero(hidden)))


class RuleBook:
    """The rules of all days over some listings. It keeps those of the last day asked for.

    Parameters
    ----------
    rules
        All rules.
    catalogue
        The listings.
    language
        Of the queries.
    """

    def __init__(self, rules: Rules, catalogue: Catalogue, language: Language) -> None:
        self._rules, self._catalogue, self._language = rules, catalogue, language
        self._lock = Lock()
        self._latest: tuple[date, DailyRules] | None = None

    def on(self, day: date) -> DailyRules:
        """Return the rules that apply on a day."""
        with self._lock:
            if self._latest is None or self._latest[0] != day:
                rules = DailyRules(self._rules.on(day), self._catalogue, self._language)
                self._latest = day, rules
            return self._latest[1]


def _unscoped(rules: Iterable[RuleType]) -> list[RuleType]:
    """Return the rules that apply to every search."""
    return [rule for rule in rules if not rule.has_scope]


def select(selection: Selection, catalogue: Catalogue) -> tuple[np.ndarray, list[str]]:
    """Return (n,) bool, the listings of a selection, and a line for each unknown value."""
    unknown: list[str] = []
    selected = np.ones(len(catalogue), bool)

    def narrow(kind: str, masks: dict[str, np.ndarray]) -> None:
        nonlocal selected
        unknown.extend(
            f"no listing has the {kind} {value!r}" for value, mask in masks.items()
            if not mask.any()
        )  # fmt: skip
        selected = selected & np.any([*masks.values()], axis=0)

    if selection.ids:
        positions = catalogue.positions(selection.ids)
        named = np.zeros(len(catalogue), bool)
        named[positions[positions >= 0]] = True
        selected &= named
        pairs = zip(selection.ids, positions, strict=True)
        unknown += [f"there is no listing {name!r}" for name, position in pairs if position < 0]
    if selection.sellers:
        narrow("seller", {name: catalogue.of_seller(name) for name in selection.sellers})
    if selection.categories:
        narrow("category", {name: in_category(catalogue, name) for name in selection.categories})
    for attribute, values in (selection.attributes or {}).items():
        try:
            passing = catalogue.attributes.column(attribute).passes
            masks = {value: passing(Condition(any_of=(value,))) for value in values}
            narrow(f"{attribute}", masks)
        except MarketError as error:  # no such attribute, or a value of another type
            unknown.append(str(error))
            selected = np.zeros(len(catalogue), bool)
    return selected, unknown


def in_category(catalogue: Catalogue, category: str) -> np.ndarray:
    """Return (n,) bool: the listings of a category, as the filter finds them."""
    everything = Filters(category=category, flagged=True, include_unavailable=True)
    return allowed_listings(catalogue, everything)
