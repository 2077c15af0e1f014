"""BM25 (Lucene's variant) over postings, so that texts can be added and withdrawn exactly.

Scores are computed when they are asked for: a score that is stored depends on the number of all
texts and on their mean length, and each change would change them all (docs/decisions.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

K1, B = 1.0, 0.5  # saturation of repeated words, penalty of long texts (docs/decisions.md)


@dataclass(frozen=True, eq=False)
class Postings:
    """How often each of n texts contains each of v stems.

    Attributes
    ----------
    vocabulary
        The position of each stem, 0 … v - 1, in alphabetical order.
    starts
        (v + 1,) int64: the first posting of each stem, and the number of postings.
    texts
        The position of the text of each posting, int32, ascending for each stem.
    counts
        How often that text contains the stem, int32.
    lengths
        (n,) int32: the number of words of each text.
    """

    vocabulary: dict[str, int]
    starts: np.ndarray
    texts: np.ndarray
    counts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def build(
        cls, stems: Sequence[np.ndarray], counts: Sequence[np.ndarray], names: Sequence[str]
    ) -> Postings:
        """Index n texts.

        Parameters
        ----------
        stems
            The numbers of the stems of each text, each stem once.
        counts
            How often the text contains each of them.
        names
            The stem of each number.
        """
        sizes = [len(text) for text in stems]
        lengths = np.array([text.sum() for text in counts], np.int32)
        numbers, columns = np.unique(_join(stems), return_inverse=True)
        vocabulary = [names[number] for number in numbers]
        order_of_stems = np.argsort(np.array(vocabulary, object), kind="stable")
        column_of = np.empty(len(vocabulary), np.int64)
        column_of[order_of_stems] = np.arange(len(vocabulary))
        columns = column_of[columns]
        rows = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        order = np.argsort(columns, kind="stable")
        starts = np.zeros(len(vocabulary) + 1, np.int64)
        np.cumsum(np.bincount(columns, minlength=len(vocabulary)), out=starts[1:])
        return cls(
            {stem: position for position, stem in enumerate(sorted(vocabulary))},
            starts,
            rows[order],
            _join(counts)[order],
            lengths,
        )

    def of_stem(self, stem: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the texts that contain a stem, and how often: (k,) each."""
        column = self.vocabulary.get(stem)
        if column is None:
            return self.texts[:0], self.counts[:0]
        postings = slice(self.starts[column], self.starts[column + 1])
        return self.texts[postings], self.counts[postings]

    @cached_property
    def reversed_stems(self) -> list[str]:
        """The stems spelt backwards, sorted: those with the same ending are together."""
        return sorted(stem[::-1] for stem in self.vocabulary)

    def save(self, folder: Path) -> None:
        """Write into `folder`, which exists. Equal postings give equal bytes."""
        stems = pd.DataFrame({"stem": pd.Series(list(self.vocabulary), dtype="str")})
        stems.to_parquet(folder / "stems.parquet", index=False)
        for name in ("starts", "texts", "counts", "lengths"):
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Postings:
        """Open what `save` wrote; the arrays are memory-mapped."""
        stems = pd.read_parquet(folder / "stems.parquet")["stem"].tolist()
        arrays = [
            np.load(folder / f"{name}.npy", mmap_mode="r")
            for name in ("starts", "texts", "counts", "lengths")
        ]
        return cls({stem: position for position, stem in enumerate(stems)}, *arrays)


def _join(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int32), *arrays])


NO_POSTINGS = Postings.build([], [], [])


@dataclass(frozen=True, eq=False)
class BM25:
    """Scores of n texts, and of m texts that were added to them.

    The scores equal those of one index over all texts but the withdrawn ones.

    Attributes
    ----------
    base
        The n texts.
    added
        The m texts; their positions are n … n + m - 1.
    withdrawn
        (n,) bool: texts that count no more, and score 0; None for none.

    Examples
    --------
    >>> stems, counts = [np.array([0, 1]), np.array([2])], [np.array([1, 1]), np.array([1])]
    >>> bm25 = BM25(Postings.build(stems, counts, ["oak", "table", "lamp"]))
    >>> positions, scores = bm25.scores_of("oak")
    >>> positions, scores
    (array([0], dtype=int32), array([0.31991...], dtype=float32))
    """

    base: Postings
    added: Postings = NO_POSTINGS
    withdrawn: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.base.lengths) + len(self.added.lengths)

    @cached_property
    def _count(self) -> int:
        """The number of texts that count."""
        return len(self) - (0 if self.withdrawn is None else int(self.withdrawn.sum()))

    @cached_property
    def _length_norm(self) -> np.ndarray:
        """(n + m,) what BM25 adds to a count, by the length of the text."""
        lengths = np.concatenate([self.base.lengths, self.added.lengths])
        total = lengths.sum(dtype=np.int64)
        if self.withdrawn is not None:
            total -= self.base.lengths[self.withdrawn].sum(dtype=np.int64)
        mean = total / max(self._count, 1)
        return K1 * ((1 - B) + B * lengths / (mean or 1.0))

    def scores_of(self, stem: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the texts that contain a stem, and their scores for it.

        Returns
        -------
        positions, scores
            (k,) each, float32 scores.
        """
        positions, counts = self.base.of_stem(stem)
        if self.withdrawn is not None:
            counting = ~self.withdrawn[positions]
            positions, counts = positions[counting], counts[counting]
        added, added_counts = self.added.of_stem(stem)
        if len(added):
            positions = np.concatenate([positions, added + np.int32(len(self.base.lengths))])
            counts = np.concatenate([counts, added_counts])
        containing = len(positions)
        idf = math.log(1 + (self._count - containing + 0.5) / (containing + 0.5))
        share = counts / (self._length_norm[positions] + counts)
        return positions, (np.float64(np.float32(idf)) * share).astype(np.float32)

    def contains(self, stem: str) -> bool:
        """Return whether any text that counts contains a stem."""
        if stem in self.added.vocabulary:
            return True
        positions, _ = self.base.of_stem(stem)
        if self.withdrawn is None:
            return len(positions) > 0
        return not self.withdrawn[positions].all()
