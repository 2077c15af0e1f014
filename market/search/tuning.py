"""Fit the weights of the query's features to queries with known answers, by their NDCG@10.

NDCG is a step function of the weights. It is smoothed: a listing's place is one plus the sum of the
probabilities that another listing stands above it, each a logistic function of the difference of
the two scores. The weights that maximise it are found by gradient, near their prior.

A log of searches replaces these weights if that helps (`market.search.click_fitting`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit

from market.core.stage import progress
from market.search.engine import Engine
from market.search.evaluation_queries import Queries
from market.search.feature_names import PRIOR, QUERY_FEATURES
from market.search.filters import Filters
from market.search.metrics import DEPTH, NDCG_DEPTH, ideal_gain

EVERYTHING = Filters(flagged=True, include_unavailable=True)
SOFTNESS = 0.3  # difference of two scores at which their order is fairly certain (73 %)
MAX_RELEVANT = 100  # relevant candidates of a query that count: others are far from the first ten
# The cost of moving a weight, as a loss of NDCG summed over queries: quadratic near the prior,
# where it keeps chance out, and PENALTY per unit far from it, so that a feature that means nothing
# here, such as the similarity of an encoder for another language, can still lose its weight.
PENALTY = 0.3
FULL_COUNT = 100  # queries of a set from which on more of them weigh no more


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


@dataclass(frozen=True, eq=False)
class AnsweredQuery:
    """A query with known answers: the m candidates, and which of them are relevant.

    Attributes
    ----------
    features
        (m, QUERY_FEATURES).
    other_scores
        (m,).
    relevant
        (r,) rows of the relevant candidates, at most MAX_RELEVANT.
    n_relevant
        The number of relevant listings, those that were not retrieved included.
    """

    features: np.ndarray
    other_scores: np.ndarray
    relevant: np.ndarray
    n_relevant: int

    @classmethod
    def of(cls, candidates: QueryCandidates, answers: set[str]) -> AnsweredQuery:
        """Compare candidates with the relevant ids."""
        features = candidates.features.to_numpy()
        rows = np.flatnonzero([product_id in answers for product_id in candidates.ids])
        if len(rows) > MAX_RELEVANT:
            scores = features[rows] @ _PRIOR_WEIGHTS
            rows = np.sort(rows[np.argsort(-scores, kind="stable")[:MAX_RELEVANT]])
        return cls(features, candidates.other_scores, rows, len(answers))

    def smooth_ndcg(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the smoothed NDCG@10 by weights (QUERY_FEATURES,), and its gradient.

        References
        ----------
        Qin, Liu and Li, "A general approximation framework for direct optimization of information
        retrieval measures", 2010.
        """
        scores = (self.features @ weights + self.other_scores) / SOFTNESS
        above = expit(scores[None, :] - scores[self.relevant][:, None])  # (r, m)
        place = above.sum(axis=1) + 0.5  # a listing compared with itself counts one half
        gain = 1 / np.log2(place + 1)
        gain_slope = -np.square(gain) / ((place + 1) * np.log(2))
        counts = expit(NDCG_DEPTH + 0.5 - place)  # a place below the tenth gains nothing
        slope = gain_slope * counts - gain * counts * (1 - counts)  # of the gain, by the place
        pull = above * (1 - above) * slope[:, None]
        by_score = pull.sum(axis=0)
        by_score[self.relevant] -= pull.sum(axis=1)
        ideal = float(ideal_gain(self.n_relevant))
        return (
            float(gain @ counts) / ideal,
            by_score @ self.features / (SOFTNESS * ideal),
        )


_PRIOR_WEIGHTS = np.array([PRIOR[name] for name in QUERY_FEATURES])


def answer_queries(engine: Engine, queries: Queries) -> list[AnsweredQuery]:
    """Return the candidates of each query, and which of them are relevant."""
    return [
        AnsweredQuery.of(QueryCandidates.of(engine, text), answers)
        for text, answers in progress(queries.items(), desc="collect candidates", unit="query")
    ]


def fit_weights(query_sets: Sequence[Sequence[AnsweredQuery]]) -> dict[str, float]:
    """Return the weights of QUERY_FEATURES with the best smoothed NDCG@10, near their prior.

    Parameters
    ----------
    query_sets
        Sets of queries. From FULL_COUNT queries on every set counts the same, whatever their
        number; smaller ones count less, because the prior knows better than a few queries.

    Returns
    -------
    dict
        Weights, none below 0: the prior's without queries, and of features that make no difference.
    """
    weighted = [
        (query, min(len(queries), FULL_COUNT) / len(queries))
        for queries in query_sets
        for query in queries
        if len(query.relevant)
    ]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        offset = weights - _PRIOR_WEIGHTS
        distance = np.sqrt(1 + np.square(offset))
        value, slope = PENALTY * float((distance - 1).sum()), PENALTY * offset / distance
        for query, count in weighted:
            score, gradient = query.smooth_ndcg(weights)
            value -= count * score
            slope = slope - count * gradient
        return value, slope

    bounds = [(0.0, None)] * len(_PRIOR_WEIGHTS)
    best = minimize(loss, _PRIOR_WEIGHTS, jac=True, method="L-BFGS-B", bounds=bounds).x
    return dict(zip(QUERY_FEATURES, best.tolist(), strict=True))
