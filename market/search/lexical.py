"""Lexical search: BM25 over the words of listings, and spelling correction of queries."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import bm25s
import numpy as np
import pandas as pd
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from rapidfuzz import process
from rapidfuzz.distance import OSA

NAME_WEIGHT = 5  # a word of the name counts as often as this many words of the description
K1, B = 1.0, 0.5  # BM25: saturation of repeated words, penalty of long texts (docs/decisions.md)
MAX_WORD_LENGTH = 40  # letters; comparing longer strings with the vocabulary takes too long
MAX_CORRECTED_WORDS = 64  # of a query; each is compared with the whole vocabulary
MIN_LISTINGS = 2  # that contain a word, for a misspelt word to be corrected to it
WORD = re.compile(r"\w+")


def split_words(text: str) -> list[str]:
    """Return the words of a text in order: lower case, without English stop words."""
    words = WORD.findall(text.casefold())
    return [word[:MAX_WORD_LENGTH] for word in words if word not in STOPWORDS_EN]


def max_edits(word: str) -> int:
    """Return the number of typing errors that are corrected in a word.

    0 for short words and for model numbers, 1 below seven letters, else 2.
    """
    if len(word) < 4 or any(character.isdigit() for character in word):
        return 0
    return 1 if len(word) < 7 else 2


class LexicalIndex:
    """BM25 (Lucene's variant, English stems) over the names and descriptions of listings.

    Parameters
    ----------
    ranker
        The BM25 index over stems.
    words
        The vocabulary for spelling correction: `word`, `listings` and `names` (the numbers of
        listings and of names that contain it). Correct words of the language that no listing
        contains have 0, so that they are not taken for errors.
    """

    def __init__(self, ranker: bm25s.BM25, words: pd.DataFrame) -> None:
        self._ranker = ranker
        self._words = words
        self._known = set(words["word"])
        self._stem = Stemmer.Stemmer("english").stemWord
        # The best score of each stem in any listing; every stem is in at least one.
        starts = ranker.scores["indptr"][:-1]
        data = ranker.scores["data"]
        self._max_scores = np.maximum.reduceat(data, starts) if len(data) else np.empty(0)
        # Words of names first: a query names a thing, and so do names.
        targets = words[words["listings"] >= MIN_LISTINGS]
        targets = targets.sort_values(["names", "listings", "word"], ascending=[False, False, True])
        self._correction_targets = targets["word"].tolist()

    @classmethod
    def build(
        cls, names: Sequence[str], descriptions: Sequence[str], language: Iterable[str]
    ) -> LexicalIndex:
        """Index listings.

        Parameters
        ----------
        names, descriptions
            The texts of n listings.
        language
            Words that are spelt correctly even if no listing contains them.
        """
        words_of_names = [split_words(name) for name in names]
        texts = [
            name_words * NAME_WEIGHT + split_words(description)
            for name_words, description in zip(words_of_names, descriptions, strict=True)
        ]
        listing_counts = Counter(word for text in texts for word in set(text))
        name_counts = Counter(word for name_words in words_of_names for word in set(name_words))
        words = pd.DataFrame({"word": sorted({*listing_counts, *language})})
        words["listings"] = [listing_counts[word] for word in words["word"]]
        words["names"] = [name_counts[word] for word in words["word"]]
        stem = Stemmer.Stemmer("english").stemWord
        stems = {word: stem(word) for word in listing_counts}
        vocabulary = {root: position for position, root in enumerate(sorted({*stems.values()}))}
        ids = [[vocabulary[stems[word]] for word in text] for text in texts]
        ranker = bm25s.BM25(k1=K1, b=B)
        # bm25s refuses an empty vocabulary, but takes texts without words.
        ranker.index((ids, vocabulary or {"": 0}), show_progress=False)
        return cls(ranker, words)

    def correct_spelling(self, text: str) -> str:
        """Correct the typing errors of a query.

        An unknown word is replaced by the word of the listings with the fewest edits (letters
        added, left out, changed, or swapped with the next one: optimal string alignment), at most
        `max_edits`; among equals, by the one in the most names. A word without such a neighbour
        stays, and so does everything after the first MAX_CORRECTED_WORDS words.
        """
        return WORD.sub(
            lambda match: self._correct_word(match.group()), text, count=MAX_CORRECTED_WORDS
        )

    def _correct_word(self, word: str) -> str:
        folded = word.casefold()
        edits = max_edits(folded)
        if not edits or folded in STOPWORDS_EN or len(folded) > MAX_WORD_LENGTH:
            return word
        if folded in self._known:
            return word
        # Among equally near words, extractOne returns the first, which is in the most names.
        nearest = process.extractOne(
            folded, self._correction_targets, scorer=OSA.distance, score_cutoff=edits
        )
        return nearest[0] if nearest else word

    def knows(self, text: str) -> bool:
        """Return whether a listing or the language contains any word of the text."""
        return any(word in self._known for word in split_words(text))

    def scores(self, text: str) -> np.ndarray:
        """Return the BM25 score (n,) of every listing; 0 without a common word.

        Scores are shares of the best possible score: a listing has 1 if it contains every word as
        often, and in as short a text, as any listing contains it.
        """
        stems = [self._stem(word) for word in split_words(text)]
        indexed = [stem for stem in stems if stem in self._ranker.vocab_dict]
        if not indexed:
            return np.zeros(self._ranker.scores["num_docs"], np.float32)
        best_possible = sum(self._max_scores[self._ranker.vocab_dict[stem]] for stem in indexed)
        return self._ranker.get_scores(indexed) / best_possible

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, creating it. Equal listings give equal bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        self._ranker.save(folder, show_progress=False)
        self._words.to_parquet(folder / "words.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Open the index that `save` wrote; its arrays are memory-mapped."""
        ranker = bm25s.BM25.load(folder, mmap=True, show_progress=False)
        return cls(ranker, pd.read_parquet(folder / "words.parquet"))
