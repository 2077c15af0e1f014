"""The nearest changed listings of each other, by text and photos together."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np

DEPTH = 64  # nearest listings that are remembered: many more than neighbours, as some are replaced
MAX_STORED = 20_000  # listings; of those that were changed again, all but the latest are useless
BATCH_SIZE = 256  # new listings that are compared together


class NearestChanges:
    """Compares changed listings with each other, and remembers the nearest. Thread-safe.

    Without it, each change would compare all changed listings with all others again.

    Parameters
    ----------
    width
        The number of components of their joint vectors.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._lock = Lock()
        self._clear()

    def _clear(self) -> None:
        self._row_of: dict[bytes, int] = {}
        self._vectors = np.empty((0, self._width), np.float32)
        self._nearest = np.empty((0, DEPTH), np.int32)
        self._cosines = np.empty((0, DEPTH), np.float32)

    def find(
        self, keys: Sequence[bytes], vectors: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest others of each of m listings.

        Parameters
        ----------
        keys
            A key for each listing, equal only for the same listing with the same vector.
        vectors
            (m, width) float32 unit vectors.
        count
            How many to find, fewer than DEPTH.

        Returns
        -------
        rows, cosines
            (m, count) each, the nearest first: rows of `vectors`, and -inf where there is no other.
        """
        with self._lock:
            if len(self._vectors) > max(MAX_STORED, 2 * len(keys)):
                self._clear()
            new = [row for row, key in enumerate(keys) if key not in self._row_of]
            for start in range(0, len(new), BATCH_SIZE):
                batch = new[start : start + BATCH_SIZE]
                self._add([keys[row] for row in batch], vectors[batch])
            stored = np.array([self._row_of[key] for key in keys], np.int64)
            nearest, cosines = self._nearest[stored], self._cosines[stored]
            is_complete = len(self._vectors) <= DEPTH
            row_of_stored = np.full(len(self._vectors), -1)
        row_of_stored[stored] = np.arange(len(keys))
        rows = row_of_stored[nearest]
        cosines[rows < 0] = -np.inf
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        rows = np.take_along_axis(rows, best, axis=1)
        cosines = np.take_along_axis(cosines, best, axis=1)
        if not is_complete:
            for row in np.flatnonzero(np.isinf(cosines[:, -1])).tolist():
                rows[row], cosines[row] = _compare(vectors, row, count)
        return rows, cosines

    def _add(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Store new listings, and put them among the nearest of the others and of each other."""
        before, added = len(self._vectors), len(keys)
        self._row_of |= {key: before + row for row, key in enumerate(keys)}
        self._vectors = np.vstack([self._vectors, vectors])
        cosines = vectors @ self._vectors.T
        cosines[np.arange(added), before + np.arange(added)] = -np.inf
        empty = np.full((added, DEPTH), -np.inf, np.float32)
        new_rows = np.arange(before + added, dtype=np.int32)
        old = _merge(self._nearest, self._cosines, new_rows[before:], cosines[:, :before].T)
        new = _merge(np.zeros(empty.shape, np.int32), empty, new_rows, cosines)
        self._nearest, self._cosines = (np.vstack(each) for each in zip(old, new, strict=True))


def _merge(
    nearest: np.ndarray, cosines: np.ndarray, others: np.ndarray, other_cosines: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the DEPTH nearest of those known (r, DEPTH) and of others (o,) with (r, o) cosines."""
    cosines = np.hstack([cosines, other_cosines])
    nearest = np.hstack([nearest, np.broadcast_to(others, other_cosines.shape)])
    if len(others):
        best = np.argpartition(-cosines, DEPTH - 1, axis=1)[:, :DEPTH]
        nearest, cosines = (np.take_along_axis(each, best, axis=1) for each in (nearest, cosines))
    return nearest, cosines


def _compare(vectors: np.ndarray, row: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest others (count,) of one listing, and their cosines, by comparing all."""
    cosines = np.append(vectors @ vectors[row], np.full(count, -np.inf, np.float32))
    cosines[row] = -np.inf
    best = np.argsort(-cosines, kind="stable")[:count]
    return np.where(best < len(vectors), best, 0), cosines[best]
