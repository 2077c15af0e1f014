"""The rules that apply on a day, bound to the listings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from threading import Lock
from typing import TypeVar

import numpy as np

from market.core.errors import MarketError
from market.data.language import Language
from market.search.attributes import Condition
from market.search.catalogue import Catalogue
from market.search.filters import Filters, allowed_listings
from market.search.rule_application import PinnedListing, RaisedListings, SearchRules
from market.search.rules import Boost, Hidden, Rule, Rules, Selection, stems_of
from market.search.synonyms import Synonyms

RuleType = TypeVar("RuleType", bound=Rule)


@dataclass(frozen=True)
class Scope:
    """What a rule, or a search, is about.

    Attributes
    ----------
    queries
        The stems of each query.
    categories
        Each category as the positions of its paths in the catalogue: a name and a path are the same
        category if they stand for the same paths.
    """

    queries: frozenset[tuple[str, ...]] = frozenset()
    categories: frozenset[frozenset[int]] = frozenset()

    def meets(self, search: Scope, *, only_without_words: bool = False) -> bool:
        """Return whether a rule of this scope applies to a search.

        With `only_without_words`, categories do not count in a search for words.
        """
        if self.queries & search.queries:
            return True
        return not (search.queries and only_without_words) and bool(
            self.categories & search.categories
        )


NOWHERE = Scope()


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
        self._pinned: dict[str, int] = {}
        for pin in rules.pins:
            self._pinned[pin.name] = int(catalogue.positions([pin.listing])[0])
            if self._pinned[pin.name] < 0:
                warnings.append(f"‘{pin.name}’: there is no listing {pin.listing!r}")
        self._scopes: dict[str, Scope] = {}
        for scoped in rules.all():
            if not scoped.has_scope:
                continue
            scope = self._scopes[scoped.name] = Scope(
                frozenset(stems_of(text, language) for text in scoped.queries or ()),
                frozenset(self._category(name) for name in scoped.categories or ()) - {frozenset()},
            )
            if len(scope.categories) < len(scoped.categories or ()):
                missing = [name for name in scoped.categories or () if not self._category(name)]
                warnings += [f"‘{scoped.name}’: no listing is in {name!r}" for name in missing]
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
        search = self._search_scope(text, category)
        if search is NOWHERE:
            return self.everywhere
        pins = [
            PinnedListing(pin.name, pin.listing, self._pinned[pin.name], pin.place - 1)
            for pin in self._meeting(self._rules.pins, search, only_without_words=True)
            if self._pinned[pin.name] >= 0
        ]
        boosts = [*_unscoped(self._rules.boosts), *self._meeting(self._rules.boosts, search)]
        redirects = self._meeting(self._rules.redirects, search, only_without_words=True)
        return SearchRules(
            pins=tuple(sorted(pins, key=lambda pin: pin.place)),
            boosts=self._raised(boosts),
            hidden=self._hidden_ids(self._meeting(self._rules.hidden, search)),
            redirect=next(iter(redirects), None),
        )

    def synonyms(self, text: str, category: str | None = None) -> Synonyms:
        """Return the synonyms for a search; parameters are as for `of_search`."""
        scoped = self._meeting(self._rules.synonyms, self._search_scope(text, category))
        if not scoped:
            return self._synonyms
        return Synonyms([*_unscoped(self._rules.synonyms), *scoped], self._language)

    def _search_scope(self, text: str, category: str | None) -> Scope:
        """Return the scope of a search; NOWHERE if no rule has one."""
        if not self._scopes:
            return NOWHERE
        words = stems_of(text, self._language)
        paths = self._category(category) if category else frozenset[int]()
        return Scope(frozenset([words] if words else []), frozenset([paths] if paths else []))

    def _meeting(
        self, rules: Iterable[RuleType], search: Scope, *, only_without_words: bool = False
    ) -> list[RuleType]:
        """Return the rules with a scope that the search meets."""
        return [
            rule
            for rule in rules
            if self._scopes.get(rule.name, NOWHERE).meets(
                search, only_without_words=only_without_words
            )
        ]

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
