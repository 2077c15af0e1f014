"""A query vector compared with an index: each vector once, for retrieval and for relevance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from market.search.overlaid_vectors import Vectors

REFERENCES = 1000  # listings whose similarity to a query says what is usual
EXCESS_UNIT = 5.0  # standard deviations


class Similarities(NamedTuple):
    """The cosines of one query vector to listings in general.

    `best` is the largest; `mean` and `deviation` are those of REFERENCES listings.
    """

    best: float
    mean: float
    deviation: float

    def excess(self, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return by how much cosines (m,) exceed the mean, and that as a share of the best."""
        excess = np.clip((cosines - self.mean) / self.deviation, 0, None) / EXCESS_UNIT
        best = max((self.best - self.mean) / self.deviation / EXCESS_UNIT, 1e-6)
        return excess, np.clip(excess / best, 0, 1)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Compares a query vector with an index when first asked, and remembers the cosines.

    Attributes
    ----------
    vector
        (width,) unit vector of the query.
    index
        n > 0 vectors.
    """

    vector: np.ndarray
    index: Vectors

    @classmethod
    def of(cls, vector: np.ndarray | None, index: Vectors) -> Comparison | None:
        """Return the comparison; None without a vector, or if the index is empty."""
        return None if vector is None or not len(index) else cls(vector, index)

    @cached_property
    def cosines(self) -> np.ndarray | None:
        """The cosine (n,) of every vector; None if the index is approximate."""
        return self.index.all_cosines(self.vector)

    @cached_property
    def similarities(self) -> Similarities:
        """How similar the query is to listings in general."""
        positions = np.unique(np.linspace(0, len(self.index) - 1, REFERENCES).astype(np.int64))
        references = self.index.vectors(positions) @ self.vector
        if self.cosines is not None:
            nearest = self.cosines.max()
        else:
            nearest = self.index.search(self.vector[None], 1)[0][0, 0]
        best = max(float(nearest), float(references.max()))
        return Similarities(best, float(references.mean()), max(float(references.std()), 1e-6))

    def within(
        self, min_similarity: float, allowed: np.ndarray, *, min_search_effort: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find all vectors at least as similar as a threshold: see `VectorIndex.within`."""
        if self.cosines is None:
            return self.index.within(
                self.vector[None], min_similarity, allowed, min_search_effort=min_search_effort
            )
        positions = np.flatnonzero((self.cosines >= min_similarity) & allowed)
        return positions, self.cosines[positions]
