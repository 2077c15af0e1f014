"""The words of listings, which misspelt words of a query are corrected to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from rapidfuzz import process
from rapidfuzz.distance import OSA

from market.data.language import Language
from market.search.prefixes import PrefixTable

MIN_LISTINGS = 2  # that contain a word, for a misspelt word to be corrected to it


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of n listings, and changes to the numbers of listings that contain them.

    Attributes
    ----------
    words
        `word`, `listings` and `names` (the numbers of listings and of names that contain it), and
        `correct`: whether the language has the word. A correct word is not taken for an error, even
        if no listing contains it.
    language
        The language of the listings.
    more_listings, more_names
        What changes add to the two numbers of a word; below 0 if they lower it.
    """

    words: pd.DataFrame
    language: Language
    more_listings: Mapping[str, int] = field(default_factory=dict)
    more_names: Mapping[str, int] = field(default_factory=dict)
    _base: Vocabulary | None = None

    @classmethod
    def build(
        cls,
        listings: Mapping[str, int],
        names: Mapping[str, int],
        dictionary: Iterable[str],
        language: Language,
    ) -> Vocabulary:
        """Make it from numbers of listings.

        Parameters
        ----------
        listings, names
            The numbers of listings, and of names, that contain each word.
        dictionary
            Words that are spelt correctly even if no listing contains them.
        language
            The language of the listings.
        """
        correct = {*dictionary}
        words = pd.DataFrame({"word": sorted({*listings, *correct})})
        words["listings"] = [listings.get(word, 0) for word in words["word"]]
        words["names"] = [names.get(word, 0) for word in words["word"]]
        words["correct"] = [word in correct for word in words["word"]]
        return cls(words, language)

    def with_changes(
        self, more_listings: Mapping[str, int], more_names: Mapping[str, int]
    ) -> Vocabulary:
        """Return the vocabulary of the n listings with these changes alone."""
        base = self._base or self
        return Vocabulary(base.words, base.language, more_listings, more_names, base)

    def knows(self, word: str) -> bool:
        """Return whether a listing or the language has a word, whatever its accents."""
        key = self.language.key(word)
        return self._keys_of_index[key] + self._more_keys[key] > 0

    def nearest(self, word: str, max_edits: int) -> str | None:
        """Return the word of the listings with the fewest edits, at most `max_edits`.

        Among equals, it is the word in the most names, then the one in the most listings. None if
        no word is so near.
        """
        # Among equally near words, extractOne returns the first, which is in the most names.
        nearest = [
            found
            for targets in self._targets
            if (found := process.extractOne(word, targets, scorer=OSA.distance,
                                            score_cutoff=max_edits))
        ]  # fmt: skip
        if not nearest:
            return None
        return min(nearest, key=lambda found: (found[1], *self._rank(found[0])))[0]

    def completions(self, prefix: str, count: int) -> list[str]:
        """Return the commonest words of listings that start with a prefix, whatever its accents."""
        key = self.language.key(prefix)
        changed = [
            word
            for word in {*self.more_listings, *self.more_names}
            if (own := self.language.key(word)).startswith(key) and own != key
        ]
        words = {*self._prefixes.starting_with(key, count + len(changed)), *changed}
        present = [word for word in words if self._rank(word)[1] < 0]
        return sorted(present, key=self._rank)[:count]

    @cached_property
    def _prefixes(self) -> PrefixTable:
        if self._base is not None:
            return self._base._prefixes
        in_listings = self.words[self.words["listings"] > 0]
        words = in_listings["word"].tolist()
        counts = (in_listings[name].to_numpy(np.int64) for name in ("names", "listings"))
        return PrefixTable(words, [self.language.key(word) for word in words], *counts)

    @cached_property
    def _numbers(self) -> dict[str, tuple[int, int, bool]]:
        """The numbers of listings and of names of each word of the index, and its correctness."""
        if self._base is not None:
            return self._base._numbers
        columns = (self.words[name].tolist() for name in ("listings", "names", "correct"))
        return dict(zip(self.words["word"].tolist(), zip(*columns, strict=True), strict=True))

    @cached_property
    def _keys_of_index(self) -> Counter[str]:
        """How many words of the index have each key."""
        if self._base is not None:
            return self._base._keys_of_index
        return Counter(self.language.key(word) for word in self.words["word"])

    @cached_property
    def _more_keys(self) -> Counter[str]:
        """What the changes add to the numbers of words with each key."""
        more: Counter[str] = Counter()
        for word, increase in self.more_listings.items():
            listings, _, correct = self._numbers.get(word, (0, 0, False))
            was_known, is_known = bool(listings) or correct, listings + increase > 0 or correct
            more[self.language.key(word)] += is_known - was_known
        return more

    @cached_property
    def _targets(self) -> tuple[list[str | None], ...]:
        """The words to correct to, those of names first: a query names a thing, and so do names.

        Words that changes concern are in a list of their own; their places in the first are None.
        """
        if self._base is None:
            targets = self.words[self.words["listings"] >= MIN_LISTINGS]
            targets = targets.sort_values(
                ["names", "listings", "word"], ascending=[False, False, True]
            )
            return (targets["word"].tolist(),)
        unchanged = [*self._base._targets[0]]
        places = self._base._target_places
        changed = {*self.more_listings, *self.more_names}
        for word in changed & places.keys():
            unchanged[places[word]] = None
        frequent = [word for word in changed if -self._rank(word)[1] >= MIN_LISTINGS]
        frequent.sort(key=self._rank)
        return unchanged, [*frequent]

    @cached_property
    def _target_places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self._targets[0]) if word is not None}

    def _rank(self, word: str) -> tuple[int, int, str]:
        """Return what words are sorted by: their numbers of names and of listings, negated."""
        listings, names, _ = self._numbers.get(word, (0, 0, False))
        more_listings, more_names = self.more_listings.get(word, 0), self.more_names.get(word, 0)
        return -(names + more_names), -(listings + more_listings), word
