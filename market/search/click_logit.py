"""Conditional logit of clicks: weights of features, and an intercept for each place in a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, minimize
from threadpoolctl import threadpool_limits

# The first place of each group of places that share an intercept: clicks far down are rare.
PLACE_GROUPS = np.array([*range(10), 10, 12, 15, 20, 30, 50])
SMOOTHNESS = 1.0  # cost, in log likelihood, of a step of 1 between neighbouring intercepts
MAX_LOG_SCALE = 5.0


@dataclass(frozen=True, eq=False)
class ClickData:
    """The rows of searches with a click.

    Attributes
    ----------
    features
        (n, k), without NaN.
    relevance
        (n,) how much each row was clicked.
    search
        (n,) the number of the search, from 0 and ascending.
    place_group
        (n,) the group of PLACE_GROUPS of the row's place; None to ignore places.
    """

    features: np.ndarray
    relevance: np.ndarray
    search: np.ndarray
    place_group: np.ndarray | None

    @classmethod
    def of(
        cls,
        features: np.ndarray,
        relevance: np.ndarray,
        search: np.ndarray,
        place: np.ndarray | None,
    ) -> ClickData:
        """Keep the searches with a click, and number them from 0.

        Parameters
        ----------
        features
            (n, k); NaN is unknown, and counts as 0.
        relevance, search
            As the attributes.
        place
            (n,) from 0; None to ignore places.
        """
        clicked = np.bincount(search, relevance)[search] > 0
        return cls(
            np.nan_to_num(features[clicked]),
            relevance[clicked],
            np.unique(search[clicked], return_inverse=True)[1],
            None if place is None else place_groups(place[clicked]),
        )


@dataclass(frozen=True, eq=False)
class ClickLogit:
    """A fitted model: a listing's log odds of a click are scale * features @ weights + intercept.

    Attributes
    ----------
    weights
        (k,), none below 0.
    intercepts
        (len(PLACE_GROUPS),), 0 for the first place.
    log_scale
        How decided users are: noisy clicks have a small scale, and leave the proportions of the
        weights as they are.
    """

    weights: np.ndarray
    intercepts: np.ndarray
    log_scale: float

    @property
    def examination(self) -> np.ndarray:
        """(places,) the probability that users look at a place, relative to the first one.

        The last value holds for all later places.
        """
        places = np.arange(PLACE_GROUPS[-1] + 1)
        return np.exp(self.intercepts[place_groups(places)])


@dataclass(frozen=True, eq=False)
class Evidence:
    """What choices of users who did not search say about the weights.

    It is the second-order approximation of their log likelihood, near the weights that fit them
    best. It takes no time, however many choices there were.

    Attributes
    ----------
    names
        The k features of the choices.
    weights
        (k,) the weights that fit the choices best.
    slope, curvature
        (k,) and (k, k), the derivatives of the negative log likelihood at these weights.
    """

    names: list[str]
    weights: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray

    @classmethod
    def of(
        cls,
        tables: Sequence[pd.DataFrame],
        relevance: Sequence[np.ndarray],
        weights: dict[str, float],
    ) -> Evidence:
        """Sum up choices.

        Parameters
        ----------
        tables
            For each choice the features of its candidates; NaN is unknown.
        relevance
            For each choice (candidates,), 1 for a chosen listing, else 0.
        weights
            By feature.
        """
        columns = set().union(*(table.columns for table in tables))
        names = [name for name in weights if name in columns]
        best = np.array([weights[name] for name in names])
        slope, curvature = np.zeros(len(names)), np.zeros((len(names), len(names)))
        for table, chosen in zip(tables, relevance, strict=True):
            features = np.nan_to_num(table.reindex(columns=names).to_numpy(float))
            share = log_shares(features @ best, np.zeros(len(features), np.int64))[1]
            mean = share @ features
            slope += chosen.sum() * mean - chosen @ features
            spread = (features * share[:, None]).T @ features - np.outer(mean, mean)
            curvature += chosen.sum() * spread
        return cls(names, best, slope, curvature)

    def select(self, names: Sequence[str], weights: np.ndarray) -> Evidence:
        """Return the evidence about other features, (k,) `weights` for those that it lacks."""
        index = pd.Index(self.names).get_indexer(names)
        known = index >= 0
        curvature = self.curvature[np.ix_(index, index)] * np.outer(known, known)
        best = np.where(known, self.weights[index], weights)
        return Evidence(list(names), best, self.slope[index] * known, curvature)

    def cost(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the rise (a number) and the slope (k,) of the negative log likelihood."""
        offset = weights - self.weights
        bend = self.curvature @ offset
        return float(offset @ (self.slope + bend / 2)), self.slope + bend


def fit_click_logit(
    data: ClickData,
    prior: np.ndarray,
    *,
    penalty: float,
    evidence: Evidence | None = None,
) -> ClickLogit:
    """Return the model under which the clicks are most likely, near a prior.

    The probability of a click on a row is a softmax within its search. An intercept for each place
    takes up what the place explains, so that the weights explain the rest. A common scale lets all
    weights shrink together where clicks are noisy, without a cost.

    Parameters
    ----------
    data
        Searches with a click.
    prior
        (k,) the weights without evidence.
    penalty
        The cost, in log likelihood, of a weight at a distance of 1 from its prior; it grows with
        the square of the distance.
    evidence
        About choices of users who did not search.

    References
    ----------
    McFadden, "Conditional logit analysis of qualitative choice behavior", 1974.
    """
    n_weights, n_places = len(prior), len(PLACE_GROUPS) - 1
    clicks = np.bincount(data.search, data.relevance)[data.search]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, log_scale, steps = np.split(parameters, [n_weights, n_weights + 1])
        scale, intercepts = np.exp(log_scale[0]), np.r_[0.0, np.cumsum(steps)]
        scores = data.features @ weights
        utility = scale * scores
        if data.place_group is not None:
            utility = utility + intercepts[data.place_group]
        log_share, share = log_shares(utility, data.search)
        excess = clicks * share - data.relevance
        offset = weights - prior
        value = penalty * offset @ offset + SMOOTHNESS * steps @ steps - data.relevance @ log_share
        slope = scale * (excess @ data.features) + 2 * penalty * offset
        if evidence is not None:
            more_value, more_slope = evidence.cost(weights)
            value, slope = value + more_value, slope + more_slope
        by_step = 2 * SMOOTHNESS * steps
        if data.place_group is not None:
            by_place = np.bincount(data.place_group, excess, minlength=n_places + 1)
            by_step = by_step + by_place[::-1].cumsum()[::-1][1:]
        return float(value), np.r_[slope, scale * (excess @ scores), by_step]

    first = np.r_[prior, np.zeros(1 + n_places)]
    lowest = np.r_[np.zeros(n_weights), -MAX_LOG_SCALE, np.full(n_places, -np.inf)]
    highest = np.r_[np.full(n_weights, np.inf), MAX_LOG_SCALE, np.full(n_places, np.inf)]
    bounds = Bounds(lowest, highest)
    with threadpool_limits(1, "blas"):  # with two, each waits for the other
        best = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds).x
    weights, log_scale, steps = np.split(best, [n_weights, n_weights + 1])
    return ClickLogit(weights, np.r_[0.0, np.cumsum(steps)], float(log_scale[0]))


def place_groups(places: np.ndarray) -> np.ndarray:
    """Return the group (n,) of PLACE_GROUPS of places (n,) from 0."""
    return np.searchsorted(PLACE_GROUPS, places, side="right") - 1


def log_shares(utility: np.ndarray, search: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the log (n,) of each row's share in the softmax of its search, and the share."""
    starts = np.flatnonzero(np.r_[True, search[1:] != search[:-1]])
    utility = utility - np.maximum.reduceat(utility, starts)[search]
    powers = np.exp(utility)
    totals = np.add.reduceat(powers, starts)[search]
    return utility - np.log(totals), powers / totals
