"""Diversity: one listing for each product, and first places that are not all similar."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.search.overlaid_vectors import Vectors

POOL = 250  # best candidates that are diversified; the same for every page of a result
DIVERSITY_WEIGHT = 0.3  # 0 orders by score alone


def first_of_each_group(groups: np.ndarray) -> np.ndarray:
    """Return (m,) bool: the first listing of each group, given the groups (m,) in order.

    Examples
    --------
    >>> first_of_each_group(np.array([4, 7, 4, 4, 2]))
    array([ True,  True, False, False,  True])
    """
    return ~pd.Series(groups).duplicated().to_numpy()


def diversify(
    order: np.ndarray,
    candidates: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray,
    texts: Vectors,
    count: int,
) -> np.ndarray:
    """Reorder candidates by maximal marginal relevance (Carbonell and Goldstein 1998).

    A larger `count` continues where a smaller one ended, so that pages fit together.

    Parameters
    ----------
    order
        (m,) indices into `candidates`, best first.
    candidates
        (m,) positions.
    scores
        (m,) their scores.
    groups
        (n,) the group of every listing; only the best candidate of each is kept.
    texts
        n text vectors.
    count
        Number of places to diversify, at most POOL.

    Returns
    -------
    ndarray
        (number of groups,) the kept indices in their new order.

    Examples
    --------
    Two similar sofas and a lamp: the lamp comes second, although the other sofa scores higher.

    >>> from market.search.vectors import VectorIndex
    >>> vectors = np.array([[1, 0], [0.98, 0.199], [0, 1]], np.float32)
    >>> texts = VectorIndex.build(vectors, "Flat", 1)
    >>> everything, scores = np.arange(3), np.array([1.0, 0.6, 0.5])
    >>> diversify(np.array([0, 1, 2]), everything, scores, np.array([0, 1, 2]), texts, 3).tolist()
    [0, 2, 1]
    """
    order = order[first_of_each_group(groups[candidates[order]])]
    pool = order[:POOL]
    if len(pool) < 2:
        return order
    pool_texts = texts.vectors(candidates[pool])
    relevance = scores[pool] - scores[pool].min()
    relevance = relevance / (relevance.max() or 1)
    similarity = np.zeros(len(pool))  # to the most similar picked candidate
    left = np.ones(len(pool), bool)
    picked = []
    for _ in range(min(count, len(pool))):
        gain = (1 - DIVERSITY_WEIGHT) * relevance - DIVERSITY_WEIGHT * similarity
        best = int(np.where(left, gain, -np.inf).argmax())
        picked.append(best)
        left[best] = False
        similarity = np.maximum(similarity, pool_texts @ pool_texts[best])
    return np.concatenate([pool[picked], pool[left], order[POOL:]])
