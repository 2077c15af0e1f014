"""The words and stems of listings, as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
from cachetools import LRUCache

from market.data.language import Language
from market.search.bm25 import Postings
from market.search.phrases import NameStems

NAME_WEIGHT = 5  # a word of the name counts as often as this many words of the description
CACHED_TEXTS = 20_000  # of changed listings: most stay the same when others change


class ListingWords(NamedTuple):
    """The words of a listing, as numbers of a WordReader: int32, each once but in `name_stems`.

    Attributes
    ----------
    name
        The words of the name.
    text
        Those of the name and of the description.
    stems
        The stems of the text.
    counts
        How often the text contains each stem; a word of the name counts NAME_WEIGHT times.
    name_stems
        The stems of the name in the order of its words, each as often as the name has it.
    """

    name: np.ndarray
    text: np.ndarray
    stems: np.ndarray
    counts: np.ndarray
    name_stems: np.ndarray


class WordReader:
    """Splits the texts of listings into words, and numbers words and stems. Thread-safe.

    Parameters
    ----------
    language
        Of the listings.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        self._lock = Lock()
        self._cache: LRUCache[tuple[str, str], ListingWords] = LRUCache(CACHED_TEXTS)
        self._words: list[str] = []
        self._stems: list[str] = []
        self._number_of_word: dict[str, int] = {}
        self._number_of_stem: dict[str, int] = {}
        self._stem_of: list[int] = []  # the stem of each word

    def read(self, name: str, description: str) -> ListingWords:
        """Return the words of one listing. For a single thread: others call `remember`."""
        in_name = np.array([self._number(word) for word in self._language.words(name)], np.int32)
        others = [self._number(word) for word in self._language.words(description)]
        both = np.concatenate([np.repeat(in_name, NAME_WEIGHT), np.array(others, np.int32)])
        words, counts = np.unique(both, return_counts=True)
        stems, rows = np.unique(
            np.array([self._stem_of[word] for word in words], np.int32), return_inverse=True
        )
        sums = np.bincount(rows, weights=counts, minlength=len(stems)).astype(np.int32)
        name_stems = np.array([self._stem_of[word] for word in in_name], np.int32)
        return ListingWords(np.unique(in_name), words, stems, sums, name_stems)

    def remember(self, names: Sequence[str], descriptions: Sequence[str]) -> list[ListingWords]:
        """Return the words of several listings, and read only those that are new."""
        texts = [*zip(names, descriptions, strict=True)]
        with self._lock:
            listings = []
            for text in texts:
                words = self._cache.get(text)
                if words is None:
                    words = self._cache[text] = self.read(*text)
                listings.append(words)
            return listings

    def postings(self, listings: Sequence[ListingWords]) -> Postings:
        """Return the postings of listings that this reader read."""
        return Postings.build(
            [listing.stems for listing in listings],
            [listing.counts for listing in listings],
            self._stems,
        )

    def names(self, listings: Sequence[ListingWords], postings: Postings) -> NameStems:
        """Return the names of listings, with the stems numbered as in their postings."""
        names = [listing.name_stems for listing in listings]
        return NameStems.build(names, self._stems, postings.vocabulary)

    def count(self, listings: Sequence[ListingWords]) -> tuple[Counter[str], Counter[str]]:
        """Return the numbers of listings, and of names, that contain each word."""
        return self._sum(each.text for each in listings), self._sum(each.name for each in listings)

    def _sum(self, numbers: Iterable[np.ndarray]) -> Counter[str]:
        counts = np.bincount(np.concatenate([np.empty(0, np.int32), *numbers]))
        present = np.flatnonzero(counts)
        words = (self._words[number] for number in present.tolist())
        return Counter(dict(zip(words, counts[present].tolist(), strict=True)))

    def _number(self, word: str) -> int:
        number = self._number_of_word.get(word)
        if number is None:
            number = self._number_of_word[word] = len(self._words)
            stem = self._language.stem(word)
            if stem not in self._number_of_stem:
                self._number_of_stem[stem] = len(self._stems)
                self._stems.append(stem)
            self._stem_of.append(self._number_of_stem[stem])
            self._words.append(word)
        return number
