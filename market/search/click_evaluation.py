"""Evaluate rankings of the listings that searches showed, by clicks corrected for their place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from market.data.searches import clicks_of
from market.models.metrics import RESAMPLES
from market.search.click_metrics import corrected_mrr, corrected_ndcg
from market.search.engine import Engine
from market.search.impressions import Impressions, query_keys
from market.search.ranking_models import SearchesProtocol


def evaluate_clicks(
    engine: Engine,
    searches: pd.DataFrame,
    log: pd.DataFrame,
    protocol: SearchesProtocol | None,
    *,
    max_searches: int,
    seed: int,
) -> dict[str, Any]:
    """Evaluate on the searches after a cut-off whose queries no earlier search has.

    Parameters
    ----------
    engine
        Its listings were shown.
    searches
        As `read_searches` returns them.
    log
        The clean log of interactions with the engine's listings, by time.
    protocol
        What was learned from the searches before the cut-off; None without a log of searches.
    max_searches
        Of more searches, this many are drawn with `seed`.
    seed
        Of the draw, and of the intervals.

    Returns
    -------
    dict
        As `compare_orders`; `n` is 0 without such a search.
    """
    if protocol is None:
        return {"n": 0, "seed": seed}
    earlier = searches["timestamp"] < protocol.cutoff
    keys = np.array(query_keys(engine, searches["query"]), object)
    unseen = searches[~earlier & ~np.isin(keys, keys[earlier])]
    impressions = Impressions.collect(
        engine,
        unseen,
        clicks_of(unseen, log),
        log,
        max_searches=max_searches,
        seed=seed,
        windows=1,
    )
    features = impressions.features
    unknown = pd.Series(0.0, index=features.index)
    scores = {
        "shown": -impressions.place.astype(float),
        "bm25": features.get("bm25", unknown).fillna(0.0).to_numpy(),
        "prior": protocol.prior.predict(features),
        "model": protocol.ranker.predict(features),
    }
    return compare_orders(impressions, scores, protocol.examination, seed=seed)


def compare_orders(
    impressions: Impressions, scores: dict[str, np.ndarray], examination: np.ndarray, *, seed: int
) -> dict[str, Any]:
    """Score several orders of the listings that searches showed.

    Parameters
    ----------
    impressions
        n rows. A search without a click counts 0 in every order.
    scores
        (n,) by method, higher is better.
    examination
        As for `corrected_ndcg`.
    seed
        Of the bootstrap, which draws queries.

    Returns
    -------
    dict
        `n` (searches), `clicked`, `queries`, `seed`, and for each method `ndcg@10`, its 95 %
        interval `ndcg@10_low` and `ndcg@10_high`, `mrr` and `n`.
    """
    summary: dict[str, Any] = {
        "n": len(impressions),
        "clicked": int(impressions.clicked.sum()),
        "queries": len(np.unique(impressions.query)),
        "seed": seed,
    }
    if not summary["clicked"]:
        return summary
    for method, values in scores.items():
        ndcg = corrected_ndcg(impressions, values, examination)
        low, high = _interval(ndcg, impressions.query, seed)
        summary[method] = {
            "ndcg@10": float(ndcg.mean()),
            "ndcg@10_low": low,
            "ndcg@10_high": high,
            "mrr": float(corrected_mrr(impressions, values, examination).mean()),
            "n": len(impressions),
        }
    return summary


def _interval(values: np.ndarray, query: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of values by search, drawing queries."""
    number = np.unique(query, return_inverse=True)[1]
    totals, counts = np.bincount(number, values), np.bincount(number)
    drawn = np.random.default_rng(seed).integers(len(counts), size=(RESAMPLES, len(counts)))
    low, high = np.quantile(totals[drawn].sum(1) / counts[drawn].sum(1), [0.025, 0.975])
    return float(low), float(high)
