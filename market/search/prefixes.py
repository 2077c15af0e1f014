"""Unfinished words: "lapt" finds what "laptop" finds while a user is still typing."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from market.data.words import find_words

MAX_COMPLETIONS = 20  # of a word: the commonest in names; keeps one letter as cheap as a word
OPENING = "-/'\"“‘(«"  # signs in front of a word that do not make it something else, unlike "%s"
LAST_SIGN = "\U0010ffff"


class PrefixTable:
    """Words in the order of their keys, with how common they are.

    Parameters
    ----------
    words
        m words.
    keys
        What they are compared by (`Language.key`).
    names, listings
        (m,) the numbers of names and of listings that contain each.
    """

    def __init__(
        self, words: list[str], keys: list[str], names: np.ndarray, listings: np.ndarray
    ) -> None:
        order = sorted(range(len(words)), key=keys.__getitem__)
        self._keys = [keys[row] for row in order]
        self._words = [words[row] for row in order]
        # Names first: a query names a thing, and so do names.
        self._commonness = names[order] * (float(listings.max(initial=0)) + 1) + listings[order]

    def starting_with(self, key: str, count: int) -> list[str]:
        """Return the `count` commonest words whose keys start with `key` and are longer."""
        start = bisect_left(self._keys, key)
        end = bisect_left(self._keys, key + LAST_SIGN)
        while start < end and self._keys[start] == key:
            start += 1
        commonness = self._commonness[start:end]
        best = np.argsort(-commonness, kind="stable")[:count]
        return [self._words[start + row] for row in best if commonness[row] > 0]


class Words(Protocol):
    """What `unfinished_word` needs of a LexicalIndex."""

    def completions(self, word: str, count: int) -> list[str]:
        """Return words of listings that start with a word."""

    def is_in_listings(self, word: str) -> bool:
        """Return whether a listing contains a word or another form of it."""


@dataclass(frozen=True)
class UnfinishedWord:
    """The last word of a query that no listing contains, and what it may become.

    Attributes
    ----------
    start
        Where it starts in the query.
    completions
        Words of listings that start with it, the commonest first; at least one.
    """

    start: int
    completions: tuple[str, ...]

    def finish(self, text: str) -> str:
        """Return the query with the commonest completion."""
        return text[: self.start] + self.completions[0]


def unfinished_word(text: str, words: Words) -> UnfinishedWord | None:
    """Return the last word of a query, if it is the start of words of listings, but none itself.

    A word that a listing contains is finished: "table" means no tablets (docs/decisions.md). So is
    a word with a space or sign behind it.
    """
    found = find_words(text)
    if not found or not text.endswith(found[-1]) or words.is_in_listings(found[-1]):
        return None
    start = len(text) - len(found[-1])
    before = text[start - 1 : start]
    if not (before.isspace() or before.isalnum() or before in OPENING):
        return None
    completions = words.completions(found[-1], MAX_COMPLETIONS)
    return UnfinishedWord(start, tuple(completions)) if completions else None
