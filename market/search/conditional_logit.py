"""Conditional logit near a prior: weights of features from the choices of users."""

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
    """Return the weights under which the chosen rows are most likely, none below 0.

    The probability that a row is chosen is the softmax, within its group, of its features' weighted
    sum. A feature that never differs within a group keeps its prior weight.

    Parameters
    ----------
    features
        (n, k), without NaN.
    relevance
        (n,), how often a row was chosen.
    groups
        (n,), the choice that a row belongs to; the rows of a group are adjacent.
    prior
        (k,), the weights without evidence.
    penalty
        The cost, in log likelihood, of a weight at a distance of 1 from its prior; it grows with
        the square of the distance.

    Returns
    -------
    np.ndarray
        (k,).

    Examples
    --------
    >>> features = np.array([[1.0], [0.0], [1.0], [0.0]])
    >>> relevance, groups = np.array([1, 0, 1, 0]), np.array([0, 0, 1, 1])
    >>> fit_conditional_logit(features, relevance, groups, np.array([0.5]), penalty=1.0).round(2)
    array([0.81])

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
