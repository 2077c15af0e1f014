"""Weights of features by the likelihood of what users chose: conditional logit near a prior."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize


def fit_conditional_logit(
    features: np.ndarray,
    relevance: np.ndarray,
    groups: np.ndarray,
    prior: np.ndarray,
    *,
    penalty: float,
) -> np.ndarray:
    """Return the weights that make each group's chosen rows most likely, none below 0.

    The probability that a row is chosen is the softmax, within its group, of its features' weighted
    sum. A feature that never differs within a group keeps its prior weight.

    Parameters
    ----------
    features
        (n, k), without NaN.
    relevance
        (n,), how often a row was chosen.
    groups
        (n,), whose choice a row belongs to; the rows of a group are adjacent.
    prior
        (k,), the weights where there is no evidence.
    penalty
        The negative log likelihood that a weight costs at a distance of 1 from its prior; the cost
        grows with the square of the distance.

    Returns
    -------
    np.ndarray
        (k,).

    References
    ----------
    McFadden, "Conditional logit analysis of qualitative choice behavior", 1974.
    """
    is_first = np.r_[True, groups[1:] != groups[:-1]]
    starts, group_of = np.flatnonzero(is_first), np.cumsum(is_first) - 1
    chosen = np.bincount(group_of, relevance)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = features @ weights
        scores -= np.maximum.reduceat(scores, starts)[group_of]
        powers = np.exp(scores)
        total = np.add.reduceat(powers, starts)[group_of]
        offset = weights - prior
        slope = features.T @ (chosen[group_of] * powers / total - relevance)
        value = penalty * offset @ offset - relevance @ (scores - np.log(total))
        return float(value), slope + 2 * penalty * offset

    bounds = [(0.0, None)] * len(prior)
    return minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x
