"""Searches of users whose examination of places and whose preferences are known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.search.impressions import Impressions
from market.search.metrics import gains, places_of
from market.search.ranker import Ranker

# The weights that served the searches, which are not those of the project, as these may change.
SERVED = {
    "bm25": 6.0,
    "text_similarity": 4.0,
    "text_similarity.neighbours": 2.0,
    "image_similarity": 6.0,
    "recency": 0.3,
}
TRUE = {
    "bm25": 2.0,
    "text_similarity": 9.0,
    "text_similarity.neighbours": 1.0,
    "image_similarity": 4.0,
    "recency": 0.0,
}
FEATURES = list(TRUE)
POOL = 40  # listings that match a query
SHOWN = 15
CLICKS_AT = 8.0  # the utility of a listing that every second user who examines it clicks


def served_ranker() -> Ranker:
    """Return the ranker that served the searches, the prior of what is learned from them."""
    return Ranker.prior().with_weights(SERVED)


def draw(searches: int, seed: int, *, placebo: bool = False, steepness: float = 0.7) -> Impressions:
    """Draw searches for one query in three.

    `served_ranker` orders what they show, with noise. The user examines place k with probability
    1 / k, and clicks with the logistic probability of the listing's true utility; with `placebo`,
    one in three times whatever the listing.
    """
    rng = np.random.default_rng(seed)
    query = rng.integers(searches // 3, size=searches)
    pools = rng.random((searches // 3, POOL, len(FEATURES)))[query]
    served = pools @ [SERVED[name] for name in FEATURES] + rng.normal(0, 0.5, pools.shape[:2])
    order = np.argsort(-served, axis=1)[:, :SHOWN]
    shown = np.take_along_axis(pools, order[..., None], axis=1)
    attraction = _attraction(shown, steepness) if not placebo else 1 / 3
    places = np.arange(SHOWN)
    clicked = rng.random(order.shape) < attraction / (places + 1)
    return Impressions(
        pd.DataFrame(shown.reshape(-1, len(FEATURES)), columns=FEATURES),
        np.repeat(np.arange(searches), SHOWN),
        np.tile(places, searches),
        clicked.ravel().astype(float),
        query,
        np.ones(searches * SHOWN),
        listing=order.ravel(),  # within the pool of the query
    )


def true_ndcg(ranker: Ranker, seed: int, queries: int = 200) -> float:
    """Return the NDCG@10 of a ranker on new queries, by the true utilities."""
    pools = np.random.default_rng([seed, queries]).random((queries, POOL, len(FEATURES)))
    relevance = _attraction(pools, 0.7)
    table = pd.DataFrame(pools.reshape(-1, len(FEATURES)), columns=FEATURES)
    scores = ranker.predict(table).reshape(queries, POOL)
    reached, ideal = (
        (relevance * gains(places_of(values))).sum(axis=1) for values in (scores, relevance)
    )
    return float((reached / ideal).mean())


def _attraction(features: np.ndarray, steepness: float) -> np.ndarray:
    """Return the probability of a click on listings (..., features) that a user examines."""
    utility = features @ list(TRUE.values())
    return 1 / (1 + np.exp(-steepness * (utility - CLICKS_AT)))
