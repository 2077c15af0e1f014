"""Vectors that were added to a vector index, searched together with it."""

from __future__ import annotations

import numpy as np

from market.search.vectors import VectorIndex


class OverlaidVectors:
    """An index of n unit vectors, and m further ones that are compared one by one.

    It has the methods of VectorIndex; the further vectors have the positions n … n + m - 1.

    Parameters
    ----------
    base
        The index.
    added
        (m, width) float32 unit vectors.

    Examples
    --------
    >>> base = VectorIndex.build(np.eye(2, dtype=np.float32), "Flat", 1)
    >>> vectors = OverlaidVectors(base, np.array([[0.6, 0.8]], np.float32))
    >>> similarities, positions = vectors.search(np.array([[0.0, 1.0]], np.float32), k=2)
    >>> positions, similarities
    (array([[1, 2]]), array([[1. , 0.8]], dtype=float32))
    """

    def __init__(self, base: VectorIndex, added: np.ndarray) -> None:
        self.base = base
        self.added = np.ascontiguousarray(added, np.float32).reshape(-1, base.width)

    def __len__(self) -> int:
        return len(self.base) + len(self.added)

    @property
    def width(self) -> int:
        """The number of components of a vector."""
        return self.base.width

    @property
    def search_effort(self) -> int:
        """The search effort of the index."""
        return self.base.search_effort

    def vectors(self, positions: np.ndarray) -> np.ndarray:
        """Return the vectors (len(positions), width) float32 at these positions."""
        positions = np.asarray(positions, np.int64)
        is_added = positions >= len(self.base)
        if not is_added.any():
            return self.base.vectors(positions)
        vectors = np.empty((len(positions), self.width), np.float32)
        vectors[~is_added] = self.base.vectors(positions[~is_added])
        vectors[is_added] = self.added[positions[is_added] - len(self.base)]
        return vectors

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the k nearest vectors of each query: see `VectorIndex.search`."""
        queries = np.ascontiguousarray(queries, np.float32)
        in_base, in_added = self._split(allowed)
        base_similarities, base_positions = self.base.search(queries, k, in_base)
        similarities = queries @ self.added[in_added].T
        positions = np.broadcast_to(in_added + len(self.base), similarities.shape)
        similarities = np.hstack([
            np.where(base_positions < 0, -np.inf, base_similarities), similarities,
        ])  # fmt: skip
        positions = np.hstack([base_positions, positions])
        nearest = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
        return (
            np.take_along_axis(similarities, nearest, axis=1),
            np.take_along_axis(positions, nearest, axis=1),
        )

    def within(
        self,
        queries: np.ndarray,
        min_similarity: float,
        allowed: np.ndarray | None = None,
        *,
        min_search_effort: int = 1,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find all vectors at least as similar as a threshold: see `VectorIndex.within`."""
        queries = np.ascontiguousarray(queries, np.float32)
        in_base, in_added = self._split(allowed)
        positions, similarities = self.base.within(
            queries, min_similarity, in_base, min_search_effort=min_search_effort
        )
        if not len(queries) or not len(in_added):
            return positions, similarities
        largest = (queries @ self.added[in_added].T).max(axis=0)
        near = largest >= min_similarity
        return (
            np.concatenate([positions, in_added[near] + len(self.base)]),
            np.concatenate([similarities, largest[near]]),
        )

    def all_cosines(self, query: np.ndarray) -> np.ndarray | None:
        """Return the cosine of a query to every vector: see `VectorIndex.all_cosines`."""
        base = self.base.all_cosines(query)
        return None if base is None else np.concatenate([base, self.added @ query])

    def _split(self, allowed: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray]:
        """Return what is allowed in the index, and the rows (j,) of `added` that are allowed."""
        if allowed is None:
            return None, np.arange(len(self.added))
        count = len(self.base)
        return allowed[:count], np.flatnonzero(allowed[count:])


Vectors = VectorIndex | OverlaidVectors
