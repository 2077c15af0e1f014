"""Lexical search: BM25 over the words of listings, and spelling correction of queries."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path

import bm25s
import numpy as np
import pandas as pd
from rapidfuzz import process
from rapidfuzz.distance import OSA

from market.core.atomic import write_json
from market.core.languages import COMPOUNDING
from market.data.language import MAX_WORD_LENGTH, Language
from market.data.words import SPACED_WORD
from market.search.synonyms import NO_SYNONYMS, SYNONYM_WEIGHT, Synonyms

NAME_WEIGHT = 5  # a word of the name counts as often as this many words of the description
K1, B = 1.0, 0.5  # BM25: saturation of repeated words, penalty of long texts (docs/decisions.md)
MAX_CORRECTED_WORDS = 64  # of a query; each is compared with the whole vocabulary
MIN_HEAD, MIN_FIRST = 4, 3  # letters of the last part of a compound, and of all before it
COMPOUND_WEIGHT = 0.5  # of a compound, beside the word itself
MIN_LISTINGS = 2  # that contain a word, for a misspelt word to be corrected to it


def max_edits(word: str) -> int:
    """Return the number of typing errors that are corrected in a word.

    0 for short words and for model numbers, 1 below seven letters, else 2.
    """
    if len(word) < 4 or any(character.isdigit() for character in word):
        return 0
    return 1 if len(word) < 7 else 2


class LexicalIndex:
    """BM25 (Lucene's variant, over stems) of the names and descriptions of listings.

    Parameters
    ----------
    ranker
        The BM25 index over the stems of `language`.
    words
        The vocabulary for spelling correction: `word`, `listings` and `names` (the numbers of
        listings and of names that contain it). Correct words of the language that no listing
        contains have 0, so that they are not taken for errors.
    language
        The language of listings and queries.
    """

    def __init__(self, ranker: bm25s.BM25, words: pd.DataFrame, language: Language) -> None:
        self.language = language
        self._ranker = ranker
        self._words = words
        self._known = {language.key(word) for word in words["word"]}
        # The best score of each stem in any listing; every stem is in at least one.
        starts = ranker.scores["indptr"][:-1]
        data = ranker.scores["data"]
        self._max_scores = np.maximum.reduceat(data, starts) if len(data) else np.empty(0)
        # Words of names first: a query names a thing, and so do names.
        compounding = language.code in COMPOUNDING
        self._reversed_stems = sorted(s[::-1] for s in ranker.vocab_dict) if compounding else []
        targets = words[words["listings"] >= MIN_LISTINGS]
        targets = targets.sort_values(["names", "listings", "word"], ascending=[False, False, True])
        self._correction_targets = targets["word"].tolist()

    @classmethod
    def build(
        cls,
        names: Sequence[str],
        descriptions: Sequence[str],
        dictionary: Iterable[str],
        language: str = "en",
    ) -> LexicalIndex:
        """Index listings.

        Parameters
        ----------
        names, descriptions
            The texts of n listings.
        dictionary
            Words that are spelt correctly even if no listing contains them.
        language
            ISO 639-1 code of the texts and of the queries to come.

        Raises
        ------
        MarketError
            If the language is unknown.
        """
        spoken = Language(language)
        words_of_names = [spoken.words(name) for name in names]
        texts = [
            name_words * NAME_WEIGHT + spoken.words(description)
            for name_words, description in zip(words_of_names, descriptions, strict=True)
        ]
        listing_counts = Counter(word for text in texts for word in set(text))
        name_counts = Counter(word for name_words in words_of_names for word in set(name_words))
        words = pd.DataFrame({"word": sorted({*listing_counts, *dictionary})})
        words["listings"] = [listing_counts[word] for word in words["word"]]
        words["names"] = [name_counts[word] for word in words["word"]]
        stems = {word: spoken.stem(word) for word in listing_counts}
        vocabulary = {root: position for position, root in enumerate(sorted({*stems.values()}))}
        ids = [[vocabulary[stems[word]] for word in text] for text in texts]
        ranker = bm25s.BM25(k1=K1, b=B)
        # bm25s refuses an empty vocabulary, but takes texts without words.
        ranker.index((ids, vocabulary or {"": 0}), show_progress=False)
        return cls(ranker, words, spoken)

    def correct_spelling(self, text: str) -> str:
        """Correct the typing errors of a query.

        An unknown word is replaced by the word of the listings with the fewest edits (letters
        added, left out, changed, or swapped with the next one: optimal string alignment), at most
        `max_edits`; among equals, by the one in the most names. A word without such a neighbour
        stays, and so does everything after the first MAX_CORRECTED_WORDS words. Chinese, Japanese
        and Thai stay as well: an error there changes where words begin, and most have few signs.
        """
        return SPACED_WORD.sub(
            lambda match: self._correct_word(match.group()), text, count=MAX_CORRECTED_WORDS
        )

    def _correct_word(self, word: str) -> str:
        folded = self.language.fold(word)
        edits = max_edits(folded)
        if not edits or folded in self.language.stop_words or len(folded) > MAX_WORD_LENGTH:
            return word
        if self._is_known(folded):
            return word
        # Among equally near words, extractOne returns the first, which is in the most names.
        nearest = process.extractOne(
            folded, self._correction_targets, scorer=OSA.distance, score_cutoff=edits
        )
        return nearest[0] if nearest else word

    def with_words(self, words: Iterable[str]) -> LexicalIndex:
        """Return this index with further correct words, to which typing errors are corrected.

        Parameters
        ----------
        words
            Such as those of synonyms that no listing contains.
        """
        new = list(dict.fromkeys(word for word in words if word not in self._correction_targets))
        extended = copy(self)
        extended._known = self._known | {self.language.key(word) for word in new}
        extended._correction_targets = self._correction_targets + new
        return extended

    def knows(self, text: str) -> bool:
        """Return whether a listing or the language contains any word of the text.

        A word that ends a compound of the listings counts as well.
        """
        return any(self._is_known(word) for word in self.language.words(text))

    def _is_known(self, word: str) -> bool:
        if self.language.key(word) in self._known:
            return True
        stem = self.language.stem(word)
        # The dictionary is English: in other languages, only the stem tells an inflected form from
        # a typing error.
        inflected = self.language.code != "en" and stem in self._ranker.vocab_dict
        return inflected or bool(self._compounds(stem))

    def _compounds(self, stem: str) -> list[str]:
        """Return the stems of longer words that end in this one: "stehlamp" for "lamp".

        Without them, a German who looks for a Lampe would miss every Stehlampe.
        """
        if len(stem) < MIN_HEAD or not self._reversed_stems:
            return []
        ending = stem[::-1]
        compounds = []
        for reversed_stem in self._reversed_stems[bisect_left(self._reversed_stems, ending) :]:
            if not reversed_stem.startswith(ending):
                break
            if len(reversed_stem) >= len(ending) + MIN_FIRST:
                compounds.append(reversed_stem[::-1])
        return compounds

    def scores(self, text: str, synonyms: Synonyms = NO_SYNONYMS) -> np.ndarray:
        """Return the BM25 score (n,) of every listing; 0 without a common word.

        Scores are shares of the best possible score: a listing has 1 if it contains every word as
        often, and in as short a text, as any listing contains it. Words that end in a word of the
        query count COMPOUND_WEIGHT of what they would count themselves.

        A phrase with synonyms counts as much as without them. A listing gets the share of the
        phrase or of its best synonym, times SYNONYM_WEIGHT if any listing contains the phrase. A
        synonym of several words needs all of them.
        """
        stems = [self.language.stem(word) for word in self.language.words(text)]
        phrases = synonyms.split(tuple(stems))
        if not any(phrase.synonyms for phrase in phrases):
            return self._shares(stems)
        total = np.zeros(self._ranker.scores["num_docs"], np.float32)
        best_possible = 0.0
        for phrase in phrases:
            shares, best = self._shares([*phrase.stems]), self._best_sum(phrase.stems)
            weight = SYNONYM_WEIGHT if best else 1.0
            for synonym in phrase.synonyms:
                has_all = np.all([self._shares([stem]) > 0 for stem in synonym], axis=0)
                others = np.where(has_all, self._shares([*synonym]), 0)
                shares = np.maximum(shares, weight * others)
            best = best or max(map(self._best_sum, phrase.synonyms), default=0.0)
            total += np.float32(best) * shares
            best_possible += best
        return total / best_possible if best_possible else total

    def _best_sum(self, stems: Sequence[str]) -> float:
        return float(sum(self._best_score(stem, self._compounds(stem)) for stem in stems))

    def _shares(self, stems: list[str]) -> np.ndarray:
        """Return `scores` of the stems of words, without synonyms."""
        indexed = [stem for stem in stems if stem in self._ranker.vocab_dict]
        compounds = {stem: self._compounds(stem) for stem in stems}
        best_possible = sum(self._best_score(stem, compounds[stem]) for stem in stems)
        if not best_possible:
            return self._scores_of([])
        scores = self._scores_of(indexed)
        longer = [compound for stem in stems for compound in compounds[stem]]
        if not longer:
            return scores / best_possible
        return np.minimum((scores + COMPOUND_WEIGHT * self._scores_of(longer)) / best_possible, 1)

    def _scores_of(self, stems: list[str]) -> np.ndarray:
        """Return the sum (n,) of the scores of stems of the vocabulary, in every listing."""
        if not stems:
            return np.zeros(self._ranker.scores["num_docs"], np.float32)
        return self._ranker.get_scores(stems)

    def _best_score(self, stem: str, compounds: list[str]) -> float:
        vocabulary = self._ranker.vocab_dict
        best = [self._max_scores[vocabulary[stem]]] if stem in vocabulary else []
        best += [COMPOUND_WEIGHT * self._max_scores[vocabulary[word]] for word in compounds]
        return max(best, default=0)

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, creating it. Equal listings give equal bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        self._ranker.save(folder, show_progress=False)
        self._words.to_parquet(folder / "words.parquet", index=False)
        write_json(folder / "language.json", {"language": self.language.code})

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Open the index that `save` wrote; its arrays are memory-mapped."""
        ranker = bm25s.BM25.load(folder, mmap=True, show_progress=False)
        settings = json.loads((folder / "language.json").read_text(encoding="utf-8"))
        words = pd.read_parquet(folder / "words.parquet")
        return cls(ranker, words, Language(settings["language"]))
