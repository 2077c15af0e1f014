"""Metrics of rankings by clicks, corrected for the places at which listings were shown.

A click says more about a listing that few users looked at. So each click counts 1 / examination of
its place, as in counterfactual learning to rank. A search without a click scores 0 in any order.

References
----------
Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased feedback", 2017.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.search.impressions import Impressions
from market.search.metrics import gains

MIN_EXAMINATION = 0.1  # below it, a few lucky clicks far down would decide everything


def corrected_gains(impressions: Impressions, examination: np.ndarray) -> np.ndarray:
    """Return the gain (n,) of each shown listing divided by the examination of its place.

    Parameters
    ----------
    impressions
        n rows.
    examination
        (places,) relative to the first place; the last value holds for all later places. Values
        below MIN_EXAMINATION count as that.
    """
    places = np.minimum(impressions.place, len(examination) - 1)
    return impressions.gain / np.maximum(examination[places], MIN_EXAMINATION)


def corrected_ndcg(
    impressions: Impressions, scores: np.ndarray, examination: np.ndarray
) -> np.ndarray:
    """Return the NDCG@10 of each search, its shown listings ranked by some scores.

    The ideal gain is the mean over all searches. If each search were divided by its own, a search
    with a single click would lose the correction.

    Parameters
    ----------
    impressions
        n rows.
    scores
        (n,), higher is better. Tied listings share the mean of their places.
    examination
        As for `corrected_gains`.

    Returns
    -------
    np.ndarray
        (searches,), at least 0. The mean is at most 1; single values can be larger.
    """
    values = corrected_gains(impressions, examination)
    count = len(impressions)
    total = np.bincount(
        impressions.search, values * gains(_places(scores, impressions.search)), minlength=count
    )
    ideal = values * gains(_places(values, impressions.search, method="first"))
    return total / (ideal.sum() / max(count, 1) or 1.0)


def corrected_mrr(
    impressions: Impressions, scores: np.ndarray, examination: np.ndarray
) -> np.ndarray:
    """Return the reciprocal place of each search's clicks, weighted by their corrected gains.

    Parameters
    ----------
    impressions, scores, examination
        As for `corrected_ndcg`.

    Returns
    -------
    np.ndarray
        (searches,), whose mean is the mean reciprocal place of a click.
    """
    values = corrected_gains(impressions, examination)
    count = len(impressions)
    total = np.bincount(
        impressions.search, values / _places(scores, impressions.search), minlength=count
    )
    return total / (values.sum() / max(count, 1) or 1.0)


def mean_by_query(values: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Return the mean of values (searches,) for each query, by its code (searches,).

    Searches for the same words depend on each other, so a query counts as one case.
    """
    return pd.Series(values).groupby(query).mean().to_numpy()


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of independent values and its standard error.

    The error is infinite with fewer than two values.
    """
    if len(values) < 2:
        return float(values.mean()) if len(values) else 0.0, np.inf
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _places(scores: np.ndarray, search: np.ndarray, method: str = "average") -> np.ndarray:
    """Return the place (n,) of each row within its search, from 1."""
    return pd.Series(-np.asarray(scores)).groupby(search).rank(method=method).to_numpy()
