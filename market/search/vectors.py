"""Finding the nearest vectors with FAISS: exactly, or faster and almost so, as a setting says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from market.core.errors import MarketError

EXACT_UP_TO = 20_000  # allowed vectors: as fast as any graph, and a graph loses its way among few
NEAREST = 10  # of the exact answer, that recall_at looks for


class VectorIndex:
    """Unit vectors by inner product, so by the cosine.

    `factory` is FAISS's description of an index: "Flat" compares all, exactly; "HNSW32" walks a
    graph; "IVF1024,Flat" looks into the nearest of 1,024 cells. The latter two are for hundreds of
    thousands of listings and more; `breadth` (efSearch, nprobe) trades their speed for recall.
    """

    def __init__(self, index: faiss.Index, breadth: int) -> None:
        self._index = index
        self._breadth = breadth
        self._kind = faiss.downcast_index(index)
        if isinstance(self._kind, faiss.IndexIVF):
            self._kind.make_direct_map()  # for `vectors`

    @classmethod
    def build(cls, vectors: np.ndarray, factory: str, breadth: int) -> VectorIndex:
        """Index (n, width) float32 of length 1. Same vectors, same bytes: one thread builds.

        Raises MarketError if `factory` is no such description, or needs more vectors.
        """
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # a graph's edges depend on the order of its points
        try:
            index = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
            if len(vectors):
                index.train(vectors)
                index.add(vectors)
        except RuntimeError as error:
            reason = str(error).rpartition("Error: ")[2].rpartition("failed: ")[2]
            raise MarketError(
                f"params.yaml: index.factory is {factory!r}, of which no index of {len(vectors)} "
                f"vectors can be built ({reason.rpartition(': ')[2]})"
            ) from None
        finally:
            faiss.omp_set_num_threads(threads)
        return cls(index, breadth)

    def __len__(self) -> int:
        return self._index.ntotal

    @property
    def width(self) -> int:
        return self._index.d

    def vectors(self, positions: np.ndarray) -> np.ndarray:
        """Return the vectors (len(positions), width) float32 at these positions."""
        if len(positions) == 0:
            return np.empty((0, self.width), np.float32)
        return self._index.reconstruct_batch(np.ascontiguousarray(positions, np.int64))

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return similarities and positions (m, k) of the k nearest to each of (m, width) queries.

        Only positions where `allowed`, (n,) bool, is true count. Where there are fewer than k the
        rest of a row is -1: never padded with others.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        exact = isinstance(self._kind, faiss.IndexFlat)
        if allowed is not None and exact and len(queries) > 1 and len(self):
            return self._search_together(queries, k, allowed)
        if allowed is not None and not exact and allowed.sum() <= EXACT_UP_TO:
            return self._search_all(queries, k, np.flatnonzero(allowed))
        parameters = self._parameters(allowed, max(self._breadth, k))
        return self._index.search(queries, k, params=parameters)

    def within(
        self,
        queries: np.ndarray,
        min_similarity: float,
        allowed: np.ndarray | None = None,
        *,
        min_breadth: int = 1,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return all positions (m,) whose cosine is `min_similarity` or more, and these cosines.

        `queries` is (q, width) float32; with several, a position has its largest cosine. Only
        positions where `allowed`, (n,) bool, is true count. Positions ascend.

        Exact with "Flat", and with any index where `allowed` leaves EXACT_UP_TO vectors or fewer.
        Otherwise those in the cells, or in the part of the graph, that `search` would look into;
        a larger `breadth` finds more. HNSW's efSearch is never below `min_breadth`.
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
        parameters = self._parameters(allowed, max(self._breadth, min_breadth))
        # FAISS returns what is strictly above a radius.
        below = np.nextafter(np.float32(min_similarity), np.float32(-np.inf))
        _, cosines, positions = self._index.range_search(queries, below, params=parameters)
        largest: np.ndarray = np.full(len(self), -np.inf, np.float32)
        np.maximum.at(largest, positions, cosines)
        positions = np.unique(positions)
        return positions, largest[positions]

    def _parameters(self, allowed: np.ndarray | None, ef_search: int) -> faiss.SearchParameters:
        options: dict[str, Any] = {}
        if allowed is not None:
            options["sel"] = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        if isinstance(self._kind, faiss.IndexIVF):
            return faiss.SearchParametersIVF(nprobe=self._breadth, **options)
        if isinstance(self._kind, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(efSearch=ef_search, **options)
        return faiss.SearchParameters(**options)

    def _search_all(
        self, queries: np.ndarray, k: int, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        exact = faiss.IndexFlatIP(self._index.d)
        exact.add(self.vectors(positions))
        similarities, found = exact.search(queries, k)
        return similarities, np.where(found < 0, -1, positions[found]) if len(positions) else found

    def _search_together(
        self, queries: np.ndarray, k: int, allowed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """One product of matrices for all queries: FAISS takes filtered ones each by itself."""
        stored = faiss.rev_swig_ptr(self._kind.get_xb(), len(self) * self.width)
        similarities = queries @ stored.reshape(-1, self.width).T
        similarities[:, ~allowed] = -np.inf
        count = min(k, len(self))
        best = np.argpartition(similarities, -count, axis=1)[:, -count:]
        order = np.argsort(-np.take_along_axis(similarities, best, axis=1), kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        found = np.take_along_axis(similarities, best, axis=1)
        best = np.where(np.isinf(found), -1, best)
        rest = ((0, 0), (0, k - count))
        return (
            np.pad(found, rest, constant_values=-np.inf),
            np.pad(best, rest, constant_values=-1),
        )

    def recall_at(self, exact: VectorIndex, queries: np.ndarray) -> float:
        """Share of the NEAREST by `exact` that this index finds too, over the queries."""
        k = min(NEAREST, len(self))
        if not k:
            return 1.0
        found, wanted = self.search(queries, k)[1], exact.search(queries, k)[1]
        shared = [
            len(np.intersect1d(mine, theirs)) for mine, theirs in zip(found, wanted, strict=True)
        ]
        return float(np.mean(shared) / k)

    def save(self, path: Path) -> None:
        faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path, breadth: int) -> VectorIndex:
        return cls(faiss.read_index(str(path)), breadth)
