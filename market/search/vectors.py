"""Nearest-neighbour search over vectors with FAISS: exact, or approximate and faster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from market.core.errors import MarketError

EXACT_UP_TO = 20_000  # allowed vectors: comparing them all is as fast as a graph, which gets lost
RECALL_DEPTH = 10  # nearest vectors that `recall_of` compares


class VectorIndex:
    """Unit vectors, compared by inner product, which is their cosine.

    Parameters
    ----------
    index
        A FAISS index for the inner product.
    search_effort
        efSearch of HNSW, nprobe of IVF: larger values are slower and find more.

    Examples
    --------
    >>> vectors = np.eye(3, dtype=np.float32)
    >>> index = VectorIndex.build(vectors, "Flat", 1)
    >>> similarities, positions = index.search(np.array([[0.8, 0.6, 0.0]], np.float32), k=2)
    >>> positions, similarities
    (array([[0, 1]]), array([[0.8, 0.6]], dtype=float32))
    >>> matches, _ = index.within(np.array([[0.8, 0.6, 0.0]], np.float32), min_similarity=0.7)
    >>> matches
    array([0])
    """

    def __init__(self, index: faiss.Index, search_effort: int) -> None:
        self._index = index
        self.search_effort = search_effort
        self._kind = faiss.downcast_index(index)
        if isinstance(self._kind, faiss.IndexIVF):
            self._kind.make_direct_map()  # `vectors` needs it

    @classmethod
    def build(cls, vectors: np.ndarray, factory: str, search_effort: int) -> VectorIndex:
        """Index vectors. Equal vectors give equal bytes, because one thread builds.

        Parameters
        ----------
        vectors
            (n, width) float32 of length 1.
        factory
            A FAISS index description. "Flat" compares all vectors, exactly; "HNSW32" walks a graph
            and "IVF1024,Flat" looks into the nearest of 1,024 cells, for hundreds of thousands of
            vectors and more.
        search_effort
            See the class.

        Raises
        ------
        MarketError
            If FAISS cannot read `factory`, or if it needs more vectors.
        """
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # a graph's edges depend on the order of insertion
        try:
            index = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
            if len(vectors):
                index.train(vectors)
                index.add(vectors)
        except RuntimeError as error:
            reason = str(error).rpartition("Error: ")[2].rpartition("failed: ")[2]
            raise MarketError(
                f"params.yaml: index.factory is {factory!r}: FAISS cannot build it from "
                f"{len(vectors)} vectors ({reason.rpartition(': ')[2]}): set Flat, or another "
                "FAISS index description"
            ) from None
        finally:
            faiss.omp_set_num_threads(threads)
        return cls(index, search_effort)

    def __len__(self) -> int:
        return self._index.ntotal

    @property
    def width(self) -> int:
        """The number of components of a vector."""
        return self._index.d

    @property
    def stored(self) -> np.ndarray | None:
        """All vectors (n, width) of a "Flat" index, not copied; None for an approximate one."""
        if not isinstance(self._kind, faiss.IndexFlat):
            return None
        stored = faiss.rev_swig_ptr(self._kind.get_xb(), len(self) * self.width)
        return stored.reshape(-1, self.width)

    def vectors(self, positions: np.ndarray) -> np.ndarray:
        """Return the vectors (len(positions), width) float32 at these positions."""
        if len(positions) == 0:
            return np.empty((0, self.width), np.float32)
        return self._index.reconstruct_batch(np.ascontiguousarray(positions, np.int64))

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the k nearest vectors of each query.

        Parameters
        ----------
        queries
            (m, width) float32 unit vectors.
        k
            Number of vectors to find.
        allowed
            (n,) bool; only these positions are searched. By default all.

        Returns
        -------
        similarities, positions
            (m, k) each, the nearest first. Where fewer than k are allowed, the remaining positions
            are -1.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        exact = isinstance(self._kind, faiss.IndexFlat)
        if allowed is not None and exact and len(queries) > 1 and len(self):
            return self._search_together(queries, k, allowed)
        if allowed is not None and not exact and allowed.sum() <= EXACT_UP_TO:
            return self._search_all(queries, k, np.flatnonzero(allowed))
        parameters = self._parameters(allowed, max(self.search_effort, k))
        return self._index.search(queries, k, params=parameters)

    def within(
        self,
        queries: np.ndarray,
        min_similarity: float,
        allowed: np.ndarray | None = None,
        *,
        min_search_effort: int = 1,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find all vectors at least as similar as a threshold.

        Exact with "Flat", and with any index if at most EXACT_UP_TO positions are allowed.
        Otherwise only the cells, or the part of the graph, that `search` visits are searched.

        Parameters
        ----------
        queries
            (q, width) float32 unit vectors.
        min_similarity
            The smallest cosine.
        allowed
            (n,) bool; only these positions are searched. By default all.
        min_search_effort
            A lower bound for efSearch of HNSW.

        Returns
        -------
        positions, similarities
            (m,) each, positions ascending. With several queries a position has its largest cosine.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if not len(queries) or not len(self):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        exact = isinstance(self._kind, faiss.IndexFlat)
        if allowed is not None and not exact and allowed.sum() <= EXACT_UP_TO:
            positions = np.flatnonzero(allowed)
            cosines = (queries @ self.vectors(positions).T).max(axis=0)
            near = cosines >= min_similarity
            return positions[near], cosines[near]
        parameters = self._parameters(allowed, max(self.search_effort, min_search_effort))
        # FAISS returns similarities strictly above the radius.
        radius = np.nextafter(np.float32(min_similarity), np.float32(-np.inf))
        _, cosines, positions = self._index.range_search(queries, radius, params=parameters)
        largest: np.ndarray = np.full(len(self), -np.inf, np.float32)
        np.maximum.at(largest, positions, cosines)
        positions = np.unique(positions)
        return positions, largest[positions]

    def all_cosines(self, query: np.ndarray) -> np.ndarray | None:
        """Return the cosine (n,) of a query (width,) to every vector, as `within` computes it.

        None if the index is approximate: it compares only some of them.
        """
        if not isinstance(self._kind, faiss.IndexFlat):
            return None
        cosines: np.ndarray = np.full(len(self), -np.inf, np.float32)
        if len(self):
            query = np.ascontiguousarray(query[None], np.float32)
            # `search` takes five times as long if FAISS may use several threads.
            _, found, positions = self._index.range_search(query, -np.inf)
            cosines[positions] = found
        return cosines

    def recall_of(self, exact: VectorIndex, queries: np.ndarray) -> float:
        """Return recall@10: the mean share of the nearest vectors that this index finds as well.

        Parameters
        ----------
        exact
            A "Flat" index over the same vectors.
        queries
            (m, width) float32 unit vectors.
        """
        k = min(RECALL_DEPTH, len(self))
        if not k:
            return 1.0
        own, nearest = self.search(queries, k)[1], exact.search(queries, k)[1]
        shared = [
            len(np.intersect1d(own_row, nearest_row))
            for own_row, nearest_row in zip(own, nearest, strict=True)
        ]
        return float(np.mean(shared) / k)

    def save(self, path: Path) -> None:
        """Write a FAISS index file, without the search effort."""
        faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path, search_effort: int) -> VectorIndex:
        """Read the file that `save` wrote."""
        return cls(faiss.read_index(str(path)), search_effort)

    def _parameters(self, allowed: np.ndarray | None, ef_search: int) -> faiss.SearchParameters:
        options: dict[str, Any] = {}
        if allowed is not None:
            options["sel"] = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        if isinstance(self._kind, faiss.IndexIVF):
            return faiss.SearchParametersIVF(nprobe=self.search_effort, **options)
        if isinstance(self._kind, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(efSearch=ef_search, **options)
        return faiss.SearchParameters(**options)

    def _search_all(
        self, queries: np.ndarray, k: int, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compare the queries with all vectors at some positions."""
        exact = faiss.IndexFlatIP(self._index.d)
        exact.add(self.vectors(positions))
        similarities, rows = exact.search(queries, k)
        return similarities, np.where(rows < 0, -1, positions[rows]) if len(positions) else rows

    def _search_together(
        self, queries: np.ndarray, k: int, allowed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Multiply all queries at once: FAISS takes filtered queries one by one."""
        stored = self.stored
        assert stored is not None
        similarities = queries @ stored.T
        similarities[:, ~allowed] = -np.inf
        count = min(k, len(self))
        best = np.argpartition(similarities, -count, axis=1)[:, -count:]
        order = np.argsort(-np.take_along_axis(similarities, best, axis=1), kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        best_similarities = np.take_along_axis(similarities, best, axis=1)
        best = np.where(np.isinf(best_similarities), -1, best)
        padding = ((0, 0), (0, k - count))
        return (
            np.pad(best_similarities, padding, constant_values=-np.inf),
            np.pad(best, padding, constant_values=-1),
        )
