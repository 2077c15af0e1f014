"""Finding listings by their words: BM25, after slips of the keyboard have been mended."""

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

NAME_WEIGHT = 5  # times that a word of the name counts as one of the description
SATURATION, LENGTH = 1.0, 0.5  # k1 and b of BM25: how soon a word more, and how much a long text,
# says less (docs/decisions.md)
LONGEST_WORD = 40  # letters; what is longer is no word, and comparing it takes its time
MENDED = 64  # words of a query that are looked at; each is compared with all there are
LEAST_COUNT = 2  # listings that a word must be in for a query to be mended to it
WORD = re.compile(r"\w+")


def split_words(text: str) -> list[str]:
    """Lower-case words of a text, in order, those that say nothing ("the") left out."""
    words = WORD.findall(text.casefold())
    return [word[:LONGEST_WORD] for word in words if word not in STOPWORDS_EN]


def allowed_slips(word: str) -> int:
    """How many letters may be wrong: none in short words and model numbers, 2 in long words."""
    if len(word) < 4 or any(character.isdigit() for character in word):
        return 0
    return 1 if len(word) < 7 else 2


class LexicalIndex:
    """BM25 (Lucene's form, English stems) over the words of each listing.

    `words` is for `mend`: word, and the numbers of listings and of names that it is in. A word of
    the language that no listing has is there with 0, so that it is not taken for a slip.
    """

    def __init__(self, ranker: bm25s.BM25, words: pd.DataFrame) -> None:
        self._ranker = ranker
        self._words = words
        self._known = set(words["word"])
        self._stem = Stemmer.Stemmer("english").stemWord
        # Each stem's best score in any listing; a stem is in one at least.
        starts = ranker.scores["indptr"][:-1]
        data = ranker.scores["data"]
        self._best = np.maximum.reduceat(data, starts) if len(data) else np.empty(0)
        # The likeliest first: a query is for a thing, and things are in names.
        common = words[words["listings"] >= LEAST_COUNT]
        common = common.sort_values(["names", "listings", "word"], ascending=[False, False, True])
        self._common = common["word"].tolist()

    @classmethod
    def build(
        cls, names: Sequence[str], descriptions: Sequence[str], language: Iterable[str]
    ) -> LexicalIndex:
        """Index n listings; `language` are words that are right even if no listing has them."""
        in_names = [split_words(name) for name in names]
        texts = [
            named * NAME_WEIGHT + split_words(description)
            for named, description in zip(in_names, descriptions, strict=True)
        ]
        found = Counter(word for text in texts for word in set(text))
        named = Counter(word for text in in_names for word in set(text))
        words = pd.DataFrame({"word": sorted({*found, *language})})
        words["listings"] = [found[word] for word in words["word"]]
        words["names"] = [named[word] for word in words["word"]]
        stem = Stemmer.Stemmer("english").stemWord
        stems = {word: stem(word) for word in found}
        vocabulary = {root: position for position, root in enumerate(sorted({*stems.values()}))}
        # An empty text is a list without words, which the index takes.
        ids = [[vocabulary[stems[word]] for word in text] for text in texts]
        ranker = bm25s.BM25(k1=SATURATION, b=LENGTH)
        ranker.index((ids, vocabulary or {"": 0}), show_progress=False)
        return cls(ranker, words)

    def mend(self, text: str) -> str:
        """Return `text` with the words that nobody knows replaced by the nearest that listings use.

        Nearest: fewest letters added, left out, changed or swapped with the next (at most 2), then
        in most names. A word that has none near stays, and so does what follows MENDED words.
        """
        return WORD.sub(lambda match: self._mend_word(match.group()), text, count=MENDED)

    def _mend_word(self, word: str) -> str:
        folded = word.casefold()
        slips = allowed_slips(folded)
        if not slips or folded in STOPWORDS_EN or len(folded) > LONGEST_WORD:
            return word
        if folded in self._known:
            return word
        # Of several that are equally near the first, so the likeliest, is taken.
        found = process.extractOne(folded, self._common, scorer=OSA.distance, score_cutoff=slips)
        return found[0] if found else word

    def knows(self, text: str) -> bool:
        """Whether any word of it is one that listings or the language have."""
        return any(word in self._known for word in split_words(text))

    def scores(self, text: str) -> np.ndarray:
        """Return the BM25 score (n,) of every listing; 0 where no word is shared.

        As a share of the best score there could be: 1 is a listing that has every word, as often
        and as exclusively as any listing has it.
        """
        stems = [self._stem(word) for word in split_words(text)]
        known = [stem for stem in stems if stem in self._ranker.vocab_dict]
        if not known:
            return np.zeros(self._ranker.scores["num_docs"], np.float32)
        best = sum(self._best[self._ranker.vocab_dict[stem]] for stem in known)
        return self._ranker.get_scores(known) / best

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, creating it. Same listings, same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        self._ranker.save(folder, show_progress=False)
        self._words.to_parquet(folder / "words.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        ranker = bm25s.BM25.load(folder, mmap=True, show_progress=False)
        return cls(ranker, pd.read_parquet(folder / "words.parquet"))
