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

from market.search.click_logit import place_groups
from market.search.impressions import Impressions
from market.search.metrics import gains

# Listings at places that users look at less often are left out of the comparison: with a few lucky
# clicks they would decide everything. To clip their weights instead would favour the order that was
# shown, because good listings far down would count too little.
MIN_EXAMINATION = 0.05


def corrected_gains(impressions: Impressions, examination: np.ndarray) -> np.ndarray:
    """Return the gain (n,) of each shown listing divided by the examination of its place.

    Parameters
    ----------
    impressions
        n rows.
    examination
        (places,) relative to the first place; the last value holds for all later places.

    Returns
    -------
    np.ndarray
        NaN where the examination is below MIN_EXAMINATION.
    """
    examined = examination[np.minimum(impressions.place, len(examination) - 1)]
    return impressions.gain / np.where(examined >= MIN_EXAMINATION, examined, np.nan)


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
        As for `corrected_gains`. Listings at places that users hardly look at are left out.

    Returns
    -------
    np.ndarray
        (searches,), at least 0. The mean is at most 1; single values can be larger.
    """
    values = corrected_gains(impressions, examination)
    return _share_of_ideal(
        values * gains(_places(scores, values, impressions.search)),
        values * gains(_places(values, values, impressions.search, method="first")),
        impressions,
    )


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
    places = _places(scores, values, impressions.search)
    return _share_of_ideal(values / places, values, impressions)


def surplus_clicks(impressions: Impressions) -> np.ndarray:
    """Return the weighted gain (n,) of each row above that of a mean listing at its place.

    No examination of places is estimated: a listing is compared with others that users saw as well
    or as badly. Clicks that the place alone explains have a mean surplus of 0 at each place.
    """
    group = place_groups(impressions.place)
    gains = np.bincount(group, impressions.gain * impressions.weight)
    means = gains / np.maximum(np.bincount(group, impressions.weight), 1e-9)
    return (impressions.gain - means[group]) * impressions.weight


def reranking_gains(
    impressions: Impressions, after: np.ndarray, before: np.ndarray, surplus: np.ndarray
) -> np.ndarray:
    """Return how far the clicks of each query rise if scores `after` replace those `before`.

    The listings of all searches for a query are one list. The surplus of each is multiplied by the
    places that it rises. Nothing is divided by an examination: a mean of `corrected_ndcg` takes far
    more noise from clicks at low places (docs/experiments.md).

    Parameters
    ----------
    impressions
        n rows, with `listing`; searches without a click count as well.
    after, before
        (n,) scores, higher is better. A listing of several searches has those of the first.
    surplus
        (n,) as `surplus_clicks` returns it, perhaps of a larger log.

    Returns
    -------
    np.ndarray
        (queries,) in the order of their codes. The mean is the rise of a mean click, as a share of
        the list: 1 is the whole way from the end to the top. A query with more clicks counts more.
    """
    table = pd.DataFrame(
        {
            "query": impressions.query[impressions.search],
            "listing": impressions.listing,
            "clicks": impressions.gain * impressions.weight,
            "surplus": surplus,
            "after": after,
            "before": before,
        }
    )
    rows = table.groupby(["query", "listing"], as_index=False).agg(
        {"clicks": "sum", "surplus": "sum", "after": "first", "before": "first"}
    )
    by_query = rows.groupby("query")
    steps = (by_query["query"].transform("size") - 1).clip(lower=1)
    rise = (by_query["after"].rank() - by_query["before"].rank()) / steps
    clicks = by_query["clicks"].sum().mean()
    return (rows["surplus"] * rise).groupby(rows["query"]).sum().to_numpy() / (clicks or 1.0)


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of independent values and its standard error.

    The error is infinite with fewer than two values.
    """
    if len(values) < 2:
        return float(values.mean()) if len(values) else 0.0, np.inf
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _places(
    scores: np.ndarray, values: np.ndarray, search: np.ndarray, method: str = "average"
) -> np.ndarray:
    """Return the place (n,) of each row within its search, from 1; NaN where the value is."""
    kept = pd.Series(-np.asarray(scores, float)).where(~np.isnan(values))
    return kept.groupby(search).rank(method=method).to_numpy()


def _share_of_ideal(
    rows: np.ndarray, ideal_rows: np.ndarray, impressions: Impressions
) -> np.ndarray:
    """Return the sum of some rows (n,) by search, as a share of the mean sum of others."""
    count = len(impressions)
    totals = np.bincount(impressions.search, np.nan_to_num(rows), minlength=count)
    return totals / (np.nansum(ideal_rows) / max(count, 1) or 1.0)
