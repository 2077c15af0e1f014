"""Lexical search: BM25 over the words of listings, and spelling correction of queries."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from rapidfuzz import process
from rapidfuzz.distance import OSA

from market.core.atomic import write_json
from market.core.languages import COMPOUNDING
from market.data.language import MAX_WORD_LENGTH, Language
from market.data.words import SPACED_WORD
from market.search.bm25 import BM25, Postings
from market.search.phrases import NameStems, Pair, pair_shares, pairs_of
from market.search.synonyms import NO_SYNONYMS, SYNONYM_WEIGHT, Synonyms
from market.search.vocabulary import Vocabulary
from market.search.word_reader import WordReader

MAX_CORRECTED_WORDS = 64  # of a query; each is compared with the whole vocabulary
MIN_HEAD, MIN_FIRST = 4, 3  # letters of the last part of a compound, and of all before it
COMPOUND_WEIGHT = 0.5  # of a compound, beside the word itself
PLURAL_ENDINGS = ("s", "es")
NO_NAMES = NameStems.unknown(0)
# Returns for the positions of listings (k,) which share (k,) of the query's pairs of adjacent words
# stands in their names.
Phrases = Callable[[np.ndarray], np.ndarray]


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
    bm25
        Scores the stems of `language`.
    vocabulary
        The words, for spelling correction.
    language
        The language of listings and queries.
    names
        The stems of the names in order: of the listings of `bm25.base`, and of `bm25.added`.
    reader
        Splits texts into words; by default a new one.
    rule_words
        Correct words of rules.yaml, which no listing need contain.
    """

    def __init__(
        self,
        bm25: BM25,
        vocabulary: Vocabulary,
        language: Language,
        names: tuple[NameStems, NameStems],
        reader: WordReader | None = None,
        rule_words: Sequence[str] = (),
    ) -> None:
        self.language = language
        self.bm25 = bm25
        self.vocabulary = vocabulary
        self.names = names
        self._reader = reader or WordReader(language)
        self._rule_words = rule_words
        self._rule_keys = {language.key(word) for word in rule_words}

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
        reader = WordReader(spoken)
        listings = [reader.read(*text) for text in zip(names, descriptions, strict=True)]
        in_texts, in_names = reader.count(listings)
        vocabulary = Vocabulary.build(in_texts, in_names, dictionary, spoken)
        postings = reader.postings(listings)
        names_in_order = reader.names(listings, postings), NO_NAMES
        return cls(BM25(postings), vocabulary, spoken, names_in_order, reader)

    def with_changes(
        self,
        withdrawn: np.ndarray,
        withdrawn_texts: tuple[Sequence[str], Sequence[str]],
        added_texts: tuple[Sequence[str], Sequence[str]],
    ) -> LexicalIndex:
        """Return the index of the listings it was built of, with these changes alone.

        Parameters
        ----------
        withdrawn
            Positions (d,) of listings that count no more.
        withdrawn_texts
            Their names and descriptions, as they were indexed.
        added_texts
            The names and descriptions of m listings, whose positions follow the others'.
        """
        gone, added = (self._reader.remember(*texts) for texts in (withdrawn_texts, added_texts))
        (more_listings, more_names), (fewer_listings, fewer_names) = (
            self._reader.count(listings) for listings in (added, gone)
        )
        more_listings.subtract(fewer_listings)
        more_names.subtract(fewer_names)
        base = self.bm25.base
        mask = None
        if len(withdrawn):
            mask = np.zeros(len(base.lengths), bool)
            mask[withdrawn] = True
        postings = self._reader.postings(added)
        return LexicalIndex(
            BM25(base, postings, mask),
            self.vocabulary.with_changes(more_listings, more_names),
            self.language,
            (self.names[0], self._reader.names(added, postings)),
            self._reader,
            self._rule_words,
        )

    def with_rule_words(self, words: Sequence[str]) -> LexicalIndex:
        """Return this index with other words of rules, to which it corrects typing errors too."""
        return LexicalIndex(
            self.bm25, self.vocabulary, self.language, self.names, self._reader, words
        )

    def correct_spelling(self, text: str) -> str:
        """Correct the typing errors of a query.

        An unknown word is replaced by the word of the listings with the fewest edits (letters
        added, left out, changed, or swapped with the next one: optimal string alignment), at most
        `max_edits`; among equals, by the one in the most names. An English plural whose singular is
        known becomes the singular instead. A word without such a neighbour
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
        nearest = self.vocabulary.nearest(folded, edits)
        # Among equally near words, extractOne returns the first: that of a listing.
        words = [nearest, *self._rule_words] if nearest else self._rule_words
        found = process.extractOne(folded, words, scorer=OSA.distance, score_cutoff=edits)
        return self._singular(folded) or found[0] if found else word

    def _singular(self, word: str) -> str | None:
        """Return the known singular of an English plural; None if there is none.

        An unknown "modems" means "modem", even if "models" is in more names.
        """
        for ending in PLURAL_ENDINGS if self.language.code == "en" else ():
            singular = word.removesuffix(ending)
            if singular != word and self._is_known(singular):
                return singular
        return None

    def knows(self, text: str) -> bool:
        """Return whether a listing or the language contains any word of the text.

        A word that ends a compound of the listings counts as well.
        """
        return any(self._is_known(word) for word in self.language.words(text))

    def _is_known(self, word: str) -> bool:
        if self.vocabulary.knows(word) or self.language.key(word) in self._rule_keys:
            return True
        stem = self.language.stem(word)
        # The dictionary is English: in other languages, only the stem tells an inflected form from
        # a typing error.
        inflected = self.language.code != "en" and self.bm25.contains(stem)
        return inflected or bool(self.compounds(stem))

    def is_in_listings(self, word: str) -> bool:
        """Return whether a listing has a word, a form or a compound of it, or a rule has it."""
        folded = self.language.fold(word)
        if folded in self.language.stop_words:
            return True
        stem = self.language.stem(folded)
        in_rules = self.language.key(folded) in self._rule_keys
        return in_rules or self.bm25.contains(stem) or bool(self.compounds(stem))

    def known_share(self, words: Sequence[str], completions: Sequence[str] = ()) -> float:
        """Return the share of a query's words that listings contain; 1 without words.

        The last word counts as contained if it has completions, which are words of listings.
        """
        if not words:
            return 1.0
        certain = words[:-1] if completions else words
        known = sum(self.is_in_listings(word) for word in certain)
        return (known + len(words) - len(certain)) / len(words)

    def completions(self, word: str, count: int) -> list[str]:
        """Return the commonest words of listings that start with a word and are longer."""
        return self.vocabulary.completions(self.language.fold(word), count)

    def compounds(self, stem: str) -> list[str]:
        """Return the stems of longer words that end in this one: "stehlamp" for "lamp".

        Without them, a German who looks for a Lampe would miss every Stehlampe.
        """
        if len(stem) < MIN_HEAD or self.language.code not in COMPOUNDING:
            return []
        ending = stem[::-1]
        compounds = {
            reversed_stem
            for postings in (self.bm25.base, self.bm25.added)
            for reversed_stem in _with_prefix(ending, postings.reversed_stems)
            if len(reversed_stem) >= len(ending) + MIN_FIRST
        }
        stems = [compound[::-1] for compound in sorted(compounds)]
        return [stem for stem in stems if self.bm25.contains(stem)]

    def scores(
        self, text: str, synonyms: Synonyms = NO_SYNONYMS, completions: Sequence[str] = ()
    ) -> np.ndarray:
        """Return the BM25 score (n,) of every listing; 0 without a common word.

        Scores are shares of the best possible score: a listing has 1 if it contains every word as
        often, and in as short a text, as any listing contains it. Words that end in a word of the
        query count COMPOUND_WEIGHT of what they would count themselves.

        A phrase with synonyms counts as much as without them. A listing gets the share of the
        phrase or of its best synonym, times SYNONYM_WEIGHT if any listing has a word of the phrase.
        A synonym of several words needs all of them.

        Parameters
        ----------
        text
            The query.
        synonyms
            Words that may stand for others of the text.
        completions
            What the last word may become: the best of them that a listing contains counts instead.
        """
        if completions:
            return self._scores_with(text, synonyms, completions)
        stems = tuple(self.language.stem(word) for word in self.language.words(text))
        phrases = synonyms.split(stems)
        if not any(phrase.synonyms for phrase in phrases):
            return self._shares(stems)[0]
        total = np.zeros(len(self.bm25), np.float32)
        best_possible = 0.0
        for phrase in phrases:
            shares, best = self._shares(phrase.stems)
            weight = SYNONYM_WEIGHT if best else 1.0
            best_of_synonyms = 0.0
            for synonym in phrase.synonyms:
                others, best_of_synonym = self._shares(synonym)
                for stem in synonym[1:] and synonym:
                    others = np.where(self._shares((stem,))[0] > 0, others, 0)
                shares = np.maximum(shares, weight * others)
                best_of_synonyms = max(best_of_synonyms, best_of_synonym)
            total += (best or best_of_synonyms) * shares
            best_possible += best or best_of_synonyms
        return (total / best_possible if best_possible else total).astype(np.float32)

    def _shares(self, stems: Sequence[str]) -> tuple[np.ndarray, float]:
        """Return `scores` of the stems of words without synonyms, and the best possible score."""
        compounds = {stem: self.compounds(stem) for stem in stems}
        longer = [compound for stem in stems for compound in compounds[stem]]
        parts = {stem: self.bm25.scores_of(stem) for stem in {*stems, *longer}}
        best = {stem: scores.max(initial=0) for stem, (_, scores) in parts.items()}
        best_possible = sum(
            max([best[stem], *(COMPOUND_WEIGHT * best[word] for word in compounds[stem])])
            for stem in stems
        )
        if not best_possible:
            return np.zeros(len(self.bm25), np.float32), 0.0
        scores = self._add_up([parts[stem] for stem in stems])
        if not longer:
            return scores / best_possible, best_possible
        scores_of_longer = self._add_up([parts[stem] for stem in longer])
        shares = np.minimum((scores + COMPOUND_WEIGHT * scores_of_longer) / best_possible, 1)
        return shares, best_possible

    def _scores_with(self, text: str, synonyms: Synonyms, completions: Sequence[str]) -> np.ndarray:
        """Return `scores` with the best of some completions in place of the last word."""
        last = np.zeros(len(self.bm25), np.float32)
        for stem in dict.fromkeys(map(self.language.stem, completions)):
            positions, scores = self.bm25.scores_of(stem)
            last[positions] = np.maximum(last[positions], scores)
        words = self.language.words(text)[:-1]
        best = self._shares([self.language.stem(word) for word in words])[1] if words else 0.0
        total = best + float(last.max(initial=0))
        if not words or not total:
            return last / total if total else last
        return (self.scores(" ".join(words), synonyms) * best + last) / total

    def phrases(self, text: str, completions: Sequence[str] = ()) -> Phrases | None:
        """Return how to look up phrases of a query in names; None for a query of one word.

        `completions` are as for `scores`.
        """
        words = self.language.words(text)
        stems = [self.language.stem(word) for word in (words[:-1] if completions else words)]
        last = tuple(dict.fromkeys(map(self.language.stem, completions)))
        pairs = pairs_of(stems, last)
        return partial(self._phrase_shares, pairs) if pairs else None

    def _phrase_shares(self, pairs: Sequence[Pair], positions: np.ndarray) -> np.ndarray:
        """Return the share (k,) of the pairs that the names of listings (k,) have."""
        (base, added), count = self.names, len(self.bm25.base.lengths)
        if not len(added):
            return pair_shares(pairs, positions, base, self.bm25.base)
        shares = np.zeros(len(positions))
        in_base = positions < count
        shares[in_base] = pair_shares(pairs, positions[in_base], base, self.bm25.base)
        others = positions[~in_base] - count
        shares[~in_base] = pair_shares(pairs, others, added, self.bm25.added)
        return shares

    def _add_up(self, parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Return the sum (n,) of scores, each given as the positions and scores of listings."""
        total = np.zeros(len(self.bm25), np.float32)
        for positions, scores in parts:
            np.add.at(total, positions, scores)  # three times as fast as `total[positions] +=`
        return total

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, creating it. Equal listings give equal bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        self.bm25.base.save(folder)
        self.names[0].save(folder)
        self.vocabulary.words.to_parquet(folder / "words.parquet", index=False)
        write_json(folder / "language.json", {"language": self.language.code})

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Open the index that `save` wrote; its arrays are memory-mapped."""
        settings = json.loads((folder / "language.json").read_text(encoding="utf-8"))
        language = Language(settings["language"])
        words = pd.read_parquet(folder / "words.parquet")
        postings = Postings.load(folder)
        names = NameStems.load(folder, len(postings.lengths)), NO_NAMES
        return cls(BM25(postings), Vocabulary(words, language), language, names)


def _with_prefix(prefix: str, words: list[str]) -> Iterator[str]:
    """Return those of sorted `words` that begin with a prefix."""
    for place in range(bisect_left(words, prefix), len(words)):
        if not words[place].startswith(prefix):
            return
        yield words[place]
