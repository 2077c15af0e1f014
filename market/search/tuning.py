"""Choose the weights of the query's features by the NDCG@10 of queries with known answers.

No log holds queries, so these weights cannot be learned from one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from market.core.stage import progress
from market.search.engine import Engine
from market.search.evaluation_queries import Queries
from market.search.filters import Filters
from market.search.metrics import DEPTH, ndcg
from market.search.ranker import PRIOR, QUERY_FEATURES

EVERYTHING = Filters(flagged=True, include_unavailable=True)
STEPS = 10
TOTAL_WEIGHT = sum(PRIOR[name] for name in QUERY_FEATURES)  # of any choice of weights
# (286, features): every division of the total weight in tenths.
GRID = np.array(
    [
        tenths
        for tenths in product(range(STEPS + 1), repeat=len(QUERY_FEATURES))
        if sum(tenths) == STEPS
    ]
) / STEPS  # fmt: skip


@dataclass(frozen=True, eq=False)
class QueryCandidates:
    """The m candidates of a query, with the parts of their scores.

    Attributes
    ----------
    ids
        The product ids.
    features
        (m, QUERY_FEATURES), 0 where unknown.
    other_scores
        (m,), the contribution of all other features to the score.
    """

    ids: list[str]
    features: pd.DataFrame
    other_scores: np.ndarray

    @classmethod
    def of(cls, engine: Engine, text: str) -> QueryCandidates:
        """Return the candidates of a text among all listings, as the engine ranks them."""
        rows, features = engine.candidates(engine.build_query(text), engine.allowed(EVERYTHING))
        others = features.drop(columns=list(QUERY_FEATURES), errors="ignore")
        return cls(
            engine.listings["product_id"].iloc[rows].tolist(),
            features.reindex(columns=list(QUERY_FEATURES)).fillna(0.0),
            engine.ranker.predict(others),
        )

    def ranking(self, scores: np.ndarray) -> list[str]:
        """Return the ids of the DEPTH highest of some scores (m,), best first."""
        return [self.ids[row] for row in np.argsort(-scores, kind="stable")[:DEPTH]]


def ndcg_by_weights(candidates: QueryCandidates, relevant: set[str]) -> np.ndarray:
    """Return the NDCG@10 (len(GRID),) of a query by each row of weights in GRID.

    Parameters
    ----------
    candidates
        The candidates of the query.
    relevant
        The relevant ids; one that is no candidate counts as missed.

    Examples
    --------
    >>> features = pd.DataFrame(0.0, index=range(2), columns=list(QUERY_FEATURES))
    >>> features["bm25"] = [1.0, 0.0]
    >>> candidates = QueryCandidates(["lamp", "sofa"], features, np.zeros(2))
    >>> ndcg_of_weights = ndcg_by_weights(candidates, {"lamp"})
    >>> bool((ndcg_of_weights[GRID[:, 0] > 0] == 1).all())  # wherever bm25 has a weight
    True
    """
    if not candidates.ids:
        return np.zeros(len(GRID))
    scores = TOTAL_WEIGHT * GRID @ candidates.features.to_numpy().T + candidates.other_scores
    is_relevant = np.array([id_ in relevant for id_ in candidates.ids], bool)
    return ndcg(scores, is_relevant, len(relevant))


def score_weights(engine: Engine, queries: Queries) -> list[np.ndarray]:
    """Return `ndcg_by_weights` of each query."""
    return [
        ndcg_by_weights(QueryCandidates.of(engine, text), relevant)
        for text, relevant in progress(queries.items(), desc="score weights", unit="query")
    ]


def choose_weights(query_sets: Sequence[Sequence[np.ndarray]]) -> dict[str, float]:
    """Return the weights of QUERY_FEATURES with the best mean NDCG@10.

    Parameters
    ----------
    query_sets
        Sets of queries, each query as `ndcg_by_weights` scores it. Every set counts the same,
        whatever the number of its queries; an empty set is ignored.

    Returns
    -------
    dict
        Weights that add up to TOTAL_WEIGHT; among equally good ones the most even.
    """
    means = [np.mean(queries, axis=0) for queries in query_sets if len(queries)]
    value = np.round(np.mean(means, axis=0), 6) if means else np.zeros(len(GRID))
    best = GRID[np.lexsort((np.ptp(GRID, axis=1), -value))[0]]
    return {
        name: float(TOTAL_WEIGHT * share) for name, share in zip(QUERY_FEATURES, best, strict=True)
    }
