"""Suggestions while a user types: queries, categories and listings that continue the text.

Queries come from what exists (phrases in the names of at least MIN_LISTINGS different products,
values of attributes) and from what was searched. Nothing comes from one person alone, and nothing
that looks like a telephone number or an e-mail address.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from rapidfuzz import process
from rapidfuzz.distance import OSA

from market.data.language import Language
from market.data.words import word_spans
from market.search.catalogue import Catalogue
from market.search.lexical import max_edits
from market.search.prefixes import LAST_SIGN

MIN_LISTINGS = 2  # different products whose names contain a phrase
MIN_PEOPLE = 5  # different people who searched for a query
MAX_PHRASE = 3  # words
MAX_DIGITS = 4  # of a phrase; more may be a telephone number
MAX_COMPARED = 20_000  # commonest first words that a misspelt one is compared with
MAX_FOUND = 200  # phrases that start with a text, of which the commonest are returned
SEARCHED_WEIGHT = 1_000  # of a person who searched, beside a listing
_GAP = re.compile(r"[\s\-/'’.&+]{0,3}")
_PRIVATE = re.compile(rf"@|www\.|https?:|(?:\d\D*){{{MAX_DIGITS + 1},}}")


class Suggestion(NamedTuple):
    """A suggestion.

    Attributes
    ----------
    kind
        What it is.
    text
        What to show, and for a query what to search for.
    category
        Of a category and of a listing: its path.
    product_id
        Of a listing.
    """

    kind: Literal["query", "category", "listing"]
    text: str
    category: tuple[str, ...] | None = None
    product_id: str | None = None


class SuggestedQueries:
    """Queries in the order of their keys, with how common they are.

    Parameters
    ----------
    commonness
        By query, in small letters.
    language
        The language of the listings.
    """

    def __init__(self, commonness: dict[str, float], language: Language) -> None:
        self.language = language
        keyed = sorted((language.key(query), query) for query in commonness)
        self._keys = [key for key, _ in keyed]
        self._queries = [query for _, query in keyed]
        self._commonness = np.array([commonness[query] for query in self._queries])

    def starting_with(self, text: str) -> list[str]:
        """Return at most MAX_FOUND queries that start with a text, the commonest first."""
        key = self.language.key(self.language.fold(" ".join(text.split())))
        if not key:
            return []
        start, end = bisect_left(self._keys, key), bisect_left(self._keys, key + LAST_SIGN)
        commonness = self._commonness[start:end]
        rows = np.arange(end - start)
        if len(rows) > MAX_FOUND:
            rows = np.argpartition(-commonness, MAX_FOUND)[:MAX_FOUND]
        found = rows[np.lexsort((rows, -commonness[rows]))]
        return [self._queries[start + row] for row in found]

    def correct_start(self, text: str) -> str | None:
        """Return a text whose last, misspelt word is the start of a common word; None without one.

        The first letter is taken to be right.
        """
        head, _, last = self.language.fold(text).rpartition(" ")
        edits = max_edits(last)
        if not edits:
            return None
        starts = [word[: len(last)] for word in self._common_words.get(last[0], ())]
        nearest = process.extractOne(last, starts, scorer=OSA.distance, score_cutoff=edits)
        return f"{head} {nearest[0]}".strip() if nearest else None

    @cached_property
    def _common_words(self) -> dict[str, list[str]]:
        """The MAX_COMPARED commonest single words by their first letter."""
        single = [row for row, query in enumerate(self._queries) if " " not in query]
        best = np.argsort(-self._commonness[single], kind="stable")[:MAX_COMPARED]
        words: dict[str, list[str]] = defaultdict(list)
        for row in best:
            word = self._queries[single[row]]
            words[word[0]].append(word)
        return words


@dataclass(frozen=True, eq=False)
class SuggestionSource:
    """Where suggested queries come from; they are gathered when they are first needed.

    Attributes
    ----------
    catalogue
        The listings of the index.
    language
        Their language.
    searched
        `query` and `people`, the number of different people who searched for it; None if searches
        are not recorded.
    """

    catalogue: Catalogue
    language: Language
    searched: pd.DataFrame | None = None
    _lock: Any = field(default_factory=Lock, repr=False)

    @property
    def queries(self) -> SuggestedQueries:
        """The queries that may be suggested."""
        with self._lock:  # several requests may come before the first answer
            return self._queries

    @cached_property
    def _queries(self) -> SuggestedQueries:
        counts = Counter(
            phrase
            for _, names in self.catalogue.listings["name"].groupby(self.catalogue.group)
            for phrase in {phrase for name in names for phrase in phrases(name, self.language)}
        )
        commonness = {
            phrase: float(count) for phrase, count in counts.items() if count >= MIN_LISTINGS
        }
        for value, count in self._attribute_values():
            if count >= MIN_LISTINGS and not _PRIVATE.search(value):
                folded = self.language.fold(value)
                commonness[folded] = max(commonness.get(folded, 0.0), float(count))
        for query, people in self._searched_queries():
            commonness[query] = commonness.get(query, 0.0) + SEARCHED_WEIGHT * people
        return SuggestedQueries(commonness, self.language)

    def _attribute_values(self) -> Iterator[tuple[str, int]]:
        everything = np.ones(len(self.catalogue), bool)
        for column in self.catalogue.attributes.values():
            if column.attribute.type == "category":
                for value, count in column.count(everything).values:
                    yield str(value), count

    def _searched_queries(self) -> Iterator[tuple[str, int]]:
        if self.searched is None:
            return
        frequent = self.searched[self.searched["people"] >= MIN_PEOPLE]
        for query, people in zip(frequent["query"], frequent["people"], strict=True):
            folded = " ".join(self.language.fold(query).split())
            if folded and not _PRIVATE.search(folded):
                yield folded, int(people)


def read_searched(path: Path) -> pd.DataFrame | None:
    """Return the frequent searches in a Parquet file; None if there is none.

    Stage clean leaves out every query that fewer than clean.min_search_users different people
    searched for; `SuggestionSource` leaves out those of fewer than MIN_PEOPLE again.

    Parameters
    ----------
    path
        Columns `query` and `people`.
    """
    return pd.read_parquet(path, columns=["query", "people"]) if path.exists() else None


def phrases(name: str, language: Language) -> set[str]:
    """Return the phrases of 1 to MAX_PHRASE words in a name, in small letters.

    They neither begin nor end with a stop word or a number, and hold nothing private.
    """
    spans = word_spans(name)
    words = [language.fold(name[start:end]) for start, end in spans]
    found = set()
    for first in range(len(spans)):
        if not _may_end(words[first], language):
            continue
        for last in range(first, min(first + MAX_PHRASE, len(spans))):
            if last > first and not _GAP.fullmatch(name[spans[last - 1][1] : spans[last][0]]):
                break
            if last > first and not _may_end(words[last], language):
                continue
            start, end = spans[first][0], spans[last][1]
            phrase = " ".join(language.fold(name[start:end]).split())
            masked = name[start - 1 : start] == "["  # "[phone]" stands for a number
            if len(phrase) > 1 and not masked and not _PRIVATE.search(phrase):
                found.add(phrase)
    return found


def _may_end(word: str, language: Language) -> bool:
    return word not in language.stop_words and not word.isdigit()


@lru_cache(maxsize=50_000)
def _starts(name: str, language: Language) -> str:
    """Return the keys of a name's words, each behind a space."""
    return "".join(f" {language.key(word)}" for word in language.words(name))


def is_named(name: str, text: str, language: Language) -> bool:
    """Return whether each word of a text starts a word of a category's name."""
    starts = _starts(name, language)
    wanted = _starts(text, language)
    return bool(wanted) and all(f" {word}" in starts for word in wanted.split())
