"""Ranking metrics: NDCG@10, mean reciprocal rank and recall, with one rule for ties.

Every metric is computed from places: 1 for the best item. Items with the same score share the mean
of the places that they occupy, so a score does not depend on the arbitrary order of tied items. A
list of results has no ties: its order is its places.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import rankdata

NDCG_DEPTH = 10
RECALL_DEPTHS = (1, 10, 50)
DEPTH = 50  # results of a list that count

MetricValues = dict[str, float]  # the scores of one query or user, by the metric's name


# --- Places and gains -----------------------------------------------------------------------------
def places_of(scores: np.ndarray) -> np.ndarray:
    """Return the place of each score along the last axis; tied scores share their mean place.

    Parameters
    ----------
    scores
        (..., n); higher is better.

    Returns
    -------
    np.ndarray
        (..., n), from 1 to n.

    Examples
    --------
    >>> places_of(np.array([0.9, 0.2, 0.2, 0.5])).tolist()
    [1.0, 3.5, 3.5, 2.0]
    """
    return rankdata(-scores, method="average", axis=-1)


def places_of_targets(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the place of one target in each row, by the rule of `places_of` and without sorting.

    Parameters
    ----------
    scores
        (k, n); higher is better.
    targets
        (k,), the column of each row's target.

    Returns
    -------
    np.ndarray
        (k,).

    Examples
    --------
    >>> places_of_targets(np.array([[0.9, 0.2, 0.5], [0.1, 0.1, 0.1]]), np.array([2, 0])).tolist()
    [2.0, 2.0]
    """
    own = scores[np.arange(len(scores)), targets][:, None]
    return 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2


def gains(places: np.ndarray) -> np.ndarray:
    """Return the share of DCG@10 of a relevant item at each place: 0 below place 10.

    Examples
    --------
    >>> gains(np.array([1, 3, 11])).tolist()
    [1.0, 0.5, 0.0]
    """
    places = np.asarray(places, float)
    return np.where(places <= NDCG_DEPTH, 1 / np.log2(places + 1), 0.0)


def ideal_gain(n_relevant: np.ndarray | int) -> np.ndarray:
    """Return the DCG@10 of a ranking that puts all `n_relevant` (1 or more) items first."""
    gain = gains(np.arange(1, NDCG_DEPTH + 1))
    best = np.array([gain[:count].sum() for count in range(1, NDCG_DEPTH + 1)])
    return best[np.minimum(n_relevant, NDCG_DEPTH) - 1]


# --- Scores ---------------------------------------------------------------------------------------
def score_list(results: Iterable[str], relevant: set[str]) -> MetricValues:
    """Score a list of results.

    Parameters
    ----------
    results
        Ids, best first; only the first DEPTH count.
    relevant
        The relevant ids, at least one.

    Returns
    -------
    dict
        "ndcg@10", "mrr", "recall@1", "recall@10" and "recall@50", each 0 … 1.

    Examples
    --------
    >>> scores = score_list(["sofa", "lamp", "desk"], {"desk"})
    >>> scores["ndcg@10"], round(scores["mrr"], 2), scores["recall@1"], scores["recall@10"]
    (0.5, 0.33, 0.0, 1.0)
    """
    hits = np.array([id_ in relevant for id_ in results][:DEPTH], bool)
    hits = np.pad(hits, (0, DEPTH - len(hits)))
    top = hits[:NDCG_DEPTH] @ gains(np.arange(1, NDCG_DEPTH + 1))
    return {
        "ndcg@10": float(top / ideal_gain(len(relevant))),
        "mrr": float(1 / (hits.argmax() + 1)) if hits.any() else 0.0,
        **{f"recall@{k}": float(hits[:k].sum() / len(relevant)) for k in RECALL_DEPTHS},
    }


def score_places(places: np.ndarray) -> pd.DataFrame:
    """Score users with one relevant item each by its place.

    Parameters
    ----------
    places
        (k,), infinite where the item is not in the ranking.

    Returns
    -------
    pd.DataFrame
        A row for each user: "ndcg@10", "recall@10" and "mrr".

    Examples
    --------
    >>> score_places(np.array([1, 3, np.inf])).round(2)
       ndcg@10  recall@10   mrr
    0      1.0        1.0  1.00
    1      0.5        1.0  0.33
    2      0.0        0.0  0.00
    """
    return pd.DataFrame(
        {
            "ndcg@10": gains(places) / ideal_gain(1),
            "recall@10": (places <= NDCG_DEPTH).astype(float),
            "mrr": 1 / places,
        }
    )


def ndcg(scores: np.ndarray, relevant: np.ndarray, n_relevant: int) -> np.ndarray:
    """Return the NDCG@10 of several rankings of the same items.

    Parameters
    ----------
    scores
        (..., n), the scores of the n items in each ranking.
    relevant
        (n,) bool.
    n_relevant
        The number of relevant items, those that were not retrieved included.

    Returns
    -------
    np.ndarray
        (...,).

    Examples
    --------
    Two rankings of three items; the last item is relevant.

    >>> ndcg(np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]), np.array([False, False, True]), 1)
    array([1. , 0.5])
    """
    return gains(places_of(scores)) @ relevant / ideal_gain(n_relevant)


def ndcg_by_group(scores: np.ndarray, relevant: np.ndarray, groups: np.ndarray) -> pd.Series:
    """Return the NDCG@10 of each group of rows, indexed by the group.

    Parameters
    ----------
    scores, relevant, groups
        (n,): a row's score, whether it is relevant, and its group. Each group has a relevant row.
    """
    table = pd.DataFrame({"cost": -scores, "relevant": relevant, "group": groups})
    place = table.groupby("group")["cost"].rank(method="average").to_numpy()
    table["gain"] = np.where(table["relevant"], gains(place), 0.0)
    by_group = table.groupby("group")[["gain", "relevant"]].sum()
    return by_group["gain"] / ideal_gain(by_group["relevant"].to_numpy())
