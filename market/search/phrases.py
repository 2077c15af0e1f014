"""Phrases: which listings have words of the query next to each other in their names.

Stop words are left out on both sides, and words are compared by their stems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from market.search.bm25 import Postings

Pair = tuple[str, tuple[str, ...]]  # a stem, and the stems of which one follows it


@dataclass(frozen=True, eq=False)
class NameStems:
    """The stems of n names, in the order of the words.

    Attributes
    ----------
    starts
        (n + 1,) int64: the first stem of each name, and the number of stems.
    stems
        The position of each stem in a `Postings.vocabulary`, int32.
    """

    starts: np.ndarray
    stems: np.ndarray

    @classmethod
    def build(
        cls, names: Sequence[np.ndarray], spelling: Sequence[str], vocabulary: dict[str, int]
    ) -> NameStems:
        """Store names.

        Parameters
        ----------
        names
            The numbers of the stems of each name.
        spelling
            The stem of each number.
        vocabulary
            The position of each stem.
        """
        starts = np.zeros(len(names) + 1, np.int64)
        np.cumsum([len(name) for name in names], out=starts[1:])
        numbers = np.concatenate([np.empty(0, np.int32), *names])
        used, rows = np.unique(numbers, return_inverse=True)
        positions = np.array([vocabulary[spelling[number]] for number in used], np.int32)
        return cls(starts, positions[rows])

    @classmethod
    def unknown(cls, count: int) -> NameStems:
        """Return `count` names without stems."""
        return cls(np.zeros(count + 1, np.int64), np.empty(0, np.int32))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the stems of names (k,) one after another, and the row 0 … k - 1 of each."""
        starts = self.starts[positions]
        sizes = self.starts[positions + 1] - starts
        rows = np.repeat(np.arange(len(positions)), sizes)
        first = np.cumsum(sizes) - sizes
        return self.stems[np.arange(len(rows)) + (starts - first)[rows]], rows

    def save(self, folder: Path) -> None:
        """Write into `folder`, which exists. Equal names give equal bytes."""
        np.save(folder / "name_starts.npy", self.starts)
        np.save(folder / "name_stems.npy", self.stems)

    @classmethod
    def load(cls, folder: Path, count: int) -> NameStems:
        """Open what `save` wrote, memory-mapped; an index of an earlier version has no stems."""
        if not (folder / "name_stems.npy").exists():
            return cls.unknown(count)
        return cls(
            np.load(folder / "name_starts.npy", mmap_mode="r"),
            np.load(folder / "name_stems.npy", mmap_mode="r"),
        )


def pairs_of(stems: Sequence[str], last: tuple[str, ...] = ()) -> list[Pair]:
    """Return the different pairs of adjacent words of a query.

    Parameters
    ----------
    stems
        The stems of its words.
    last
        The stems of what an unfinished last word, which is not among `stems`, may become.

    Examples
    --------
    >>> pairs_of(["red", "oak", "table"])
    [('red', ('oak',)), ('oak', ('table',))]
    """
    ends: list[tuple[str, ...]] = [(stem,) for stem in stems[1:]]
    if last:
        ends.append(last)
    return list(dict.fromkeys(zip(stems, ends, strict=False)))


def pair_shares(
    pairs: Sequence[Pair], positions: np.ndarray, names: NameStems, postings: Postings
) -> np.ndarray:
    """Return the share (k,) of a query's pairs that each of some names (k,) has, in order.

    Parameters
    ----------
    pairs
        At least one.
    positions
        (k,) positions of names.
    names
        The names.
    postings
        Its vocabulary numbers the stems.
    """
    vocabulary = postings.vocabulary
    numbers = [
        (column, vocabulary[stem] * len(vocabulary) + vocabulary[end])
        for column, (stem, ends) in enumerate(pairs)
        for end in ends
        if stem in vocabulary and end in vocabulary
    ]
    has_pair = np.zeros((len(positions), len(pairs)), bool)
    if numbers:
        columns, wanted = np.array(numbers, np.int64).T
        order = np.argsort(wanted, kind="stable")
        stems, rows = names.of(positions)
        adjacent = np.flatnonzero(rows[1:] == rows[:-1])
        found = stems[adjacent].astype(np.int64) * len(vocabulary) + stems[adjacent + 1]
        place = np.searchsorted(wanted[order], found)
        place[place == len(wanted)] = 0
        hits = wanted[order][place] == found
        has_pair[rows[adjacent[hits]], columns[order][place[hits]]] = True
    return has_pair.mean(axis=1)
