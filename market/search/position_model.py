"""Position-based click model: users look at a place, and click what they see if it attracts them.

The probability of a click is the examination of the place times the attraction of the listing. A
ranker puts attractive listings first, so an examination that is fitted beside a wrong model of
attraction is wrong as well. A weighted sum of features alone makes lower places seem to be seen too
often, as attraction levels off where the sum goes on growing. So the attraction is first predicted
by trees, and the examination is fitted beside that prediction and the features. What attracts users
and no feature shows makes lower places seem to be seen too seldom. So clicks on the same listing at
several places correct the fit.

References
----------
Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased feedback", 2017. Wang,
Golbandi, Bendersky, Metzler and Najork, "Position bias estimation for unbiased learning to rank in
personal search", 2018. Agarwal, Zaitsev, Wang, Li, Najork and Joachims, "Estimating position bias
without intrusive interventions", 2019. Chamberlain, "Analysis of covariance with qualitative data",
1980.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import lightgbm
import numpy as np

from market.search.click_fitting import weight_names
from market.search.click_logit import (
    PLACE_GROUPS,
    SMOOTHNESS,
    ClickData,
    ClickLogit,
    fit_click_logit,
    log_shares,
    place_groups,
)
from market.search.impressions import Impressions
from market.search.query_folds import folds_of
from market.search.ranker import Ranker

FOLDS = 5  # of queries, for the model of attraction
PENALTY = 0.03  # weak: what the weights do not explain, the places would
MIN_ATTRACTION = 1e-3  # below which predictions differ by chance
TREES = 30
TREE_PARAMS = {
    "objective": "poisson",
    "learning_rate": 0.2,
    "num_leaves": 8,
    "min_data_in_leaf": 40,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,  # with two, each waits for the other
    "verbosity": -1,
}


@dataclass(frozen=True, eq=False)
class Examination:
    """How often users look at each place, relative to the first one, with the error of the fit.

    Attributes
    ----------
    intercepts
        (groups,) the logarithm, for each group of PLACE_GROUPS.
    influence
        (searches, groups) how much each search moved the intercepts, times the number of searches.
        The mean is 0, and the variance of the mean is the variance of the intercepts.
    shown_groups
        The groups, apart from the first, with a place that the log shows.
    """

    intercepts: np.ndarray
    influence: np.ndarray
    shown_groups: np.ndarray = field(default_factory=lambda: np.arange(1, len(PLACE_GROUPS)))

    @property
    def values(self) -> np.ndarray:
        """(places,) the examination; the last value holds for all later places."""
        return np.exp(self.intercepts[place_groups(np.arange(PLACE_GROUPS[-1] + 1))])

    def shifted(self, group: int, step: float) -> np.ndarray:
        """Return the values (places,) if the intercept of a group were larger by a step."""
        moved = self.intercepts.copy()
        moved[group] += step
        return replace(self, intercepts=moved).values


def fit_examination(impressions: Impressions, prior: Ranker, *, seed: int) -> Examination:
    """Fit the examination of places to clicks; all places are equal without a click.

    Two comparisons follow each other: listings of one search at their places, and one listing at
    the places that it had in several searches for a query. The second needs no model of attraction,
    so it corrects the first as far as there are such listings.

    Parameters
    ----------
    impressions
        With the features of each listing.
    prior
        Where the weights of the first, rough fit start.
    seed
        Of the model of attraction.
    """
    reward = (impressions.gain > 0).astype(float)
    n_searches, n_groups = len(impressions), len(PLACE_GROUPS)
    if not reward.any():
        return Examination(np.zeros(n_groups), np.zeros((n_searches, n_groups)))
    names = weight_names(impressions, prior)
    features = impressions.features[names].to_numpy(float)
    place = impressions.place
    weights = np.array([prior.weights[name] for name in names])
    data = ClickData.of(features, reward, impressions.search, place)
    rough = fit_click_logit(data, weights, penalty=PENALTY)
    attraction = fit_attraction(impressions, reward, rough.examination, seed=seed)
    columns = np.column_stack([np.log(np.maximum(attraction, MIN_ATTRACTION)), features])
    data = ClickData.of(columns, reward, impressions.search, place)
    fit = _PenalisedFit.of(data, np.r_[1.0, np.zeros(len(names))])
    influence = np.zeros((n_searches, n_groups))
    influence[impressions.clicked] = n_searches * fit.moved @ fit.to_intercepts.T
    groups = np.unique(place_groups(place))
    within_searches = Examination(
        fit.model.intercepts, influence - influence.mean(axis=0), groups[groups > 0]
    )
    if not len(impressions.listing):
        return within_searches
    return _compare_listings(impressions, reward, columns, within_searches)


def _compare_listings(
    impressions: Impressions, reward: np.ndarray, columns: np.ndarray, first: Examination
) -> Examination:
    """Correct an examination by clicks on the same listing at several places.

    The clicks on a listing, for one query, are shared out among the searches that showed it. What
    attracts users to it is in all of them, so only its places, and features that changed, differ.
    `first` is a feature of this fit, so that without such listings nothing changes.
    """
    n_groups = len(PLACE_GROUPS)
    query = impressions.query[impressions.search].astype(np.int64)
    keys = query * (impressions.listing.max(initial=0) + 1) + impressions.listing
    _, first_row, listing = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(listing, kind="stable")
    offset = first.intercepts[place_groups(impressions.place)]
    data = ClickData.of(
        np.column_stack([offset, columns])[order],
        reward[order],
        listing[order],
        impressions.place[order],
    )
    fit = _PenalisedFit.of(data, np.r_[1.0, 1.0, np.zeros(columns.shape[1] - 1)])
    scale, weight = np.exp(fit.model.log_scale), fit.model.weights[0]
    slopes = fit.to_intercepts
    slopes[:, -n_groups] += scale * weight * first.intercepts  # by the logarithm of the scale
    if weight > 0:
        slopes[:, 0] += scale * first.intercepts
    # An error of `first` moves the steps the other way, the more so the more the clicks say.
    to_steps = np.diff(np.eye(n_groups), axis=0)
    undone = slopes @ fit.inverse @ fit.information[:, 1 - n_groups :] @ to_steps
    influence = scale * weight * first.influence @ (np.eye(n_groups) - undone).T
    is_clicked = np.bincount(listing, reward) > 0
    searches = impressions.search[first_row[is_clicked]]
    np.add.at(influence, searches, len(impressions) * fit.moved @ slopes.T)
    intercepts = scale * weight * first.intercepts + fit.model.intercepts
    return replace(first, intercepts=intercepts, influence=influence - influence.mean(axis=0))


@dataclass(frozen=True, eq=False)
class _PenalisedFit:
    """A conditional logit with its influence function.

    The p parameters are the weights above 0 (those at 0 are taken as fixed), the logarithm of the
    scale, and the steps between neighbouring intercepts.

    Attributes
    ----------
    model
        The fit.
    information, inverse
        (p, p) of the clicks alone; and the inverse with the penalty.
    moved
        (choices, p) how much each search, or each listing, moved the parameters.
    """

    model: ClickLogit
    information: np.ndarray
    inverse: np.ndarray
    moved: np.ndarray

    @classmethod
    def of(cls, data: ClickData, prior: np.ndarray) -> _PenalisedFit:
        """Fit a model near the prior weights (k,)."""
        model = fit_click_logit(data, prior, penalty=PENALTY)
        groups = np.zeros(len(data.search), int) if data.place_group is None else data.place_group
        scale, free = np.exp(model.log_scale), model.weights > 0
        scores = scale * (data.features @ model.weights)
        by_step = groups[:, None] >= np.arange(1, len(PLACE_GROUPS))
        slopes = np.column_stack([scale * data.features[:, free], scores, by_step])
        share = log_shares(scores + model.intercepts[groups], data.search)[1][:, None]
        starts = np.flatnonzero(np.r_[True, data.search[1:] != data.search[:-1]])
        clicks = np.add.reduceat(data.relevance, starts)[:, None]
        means = np.add.reduceat(share * slopes, starts)
        by_choice = np.add.reduceat(data.relevance[:, None] * slopes, starts) - clicks * means
        information = (slopes * share * clicks[data.search]).T @ slopes - (clicks * means).T @ means
        costs = np.r_[np.full(free.sum(), PENALTY), 0.0, np.full(by_step.shape[1], SMOOTHNESS)]
        inverse = np.linalg.pinv(information + np.diag(2 * costs), hermitian=True)
        return cls(model, information, inverse, by_choice @ inverse)

    @property
    def to_intercepts(self) -> np.ndarray:
        """(groups, p) the slopes of the intercepts by the parameters."""
        steps = np.tril(np.ones((len(PLACE_GROUPS), len(PLACE_GROUPS))))[:, 1:]
        others = self.moved.shape[1] - steps.shape[1]
        return np.column_stack([np.zeros((len(steps), others)), steps])


def fit_attraction(
    impressions: Impressions, reward: np.ndarray, examination: np.ndarray, *, seed: int
) -> np.ndarray:
    """Predict how much each listing attracts a user who sees it, from other queries' clicks.

    Parameters
    ----------
    impressions
        With the features of each listing.
    reward
        (n,) 1 for a listing with a click (or a purchase), else 0.
    examination
        (places,) relative to the first place; the last value holds for all later places.
    seed
        Of the folds and the trees.

    Returns
    -------
    np.ndarray
        (n,) probabilities relative to the examination of the first place.
    """
    seen = examination[np.minimum(impressions.place, len(examination) - 1)]
    features = impressions.features.to_numpy(float)
    fold_of = folds_of(impressions.query, FOLDS, seed)[impressions.search]
    attraction = np.zeros(len(reward))
    for fold in range(FOLDS):
        rest, held_out = fold_of != fold, fold_of == fold
        if not held_out.any() or not reward[rest].any():
            continue
        # A Poisson regression of clicks, with the examination as exposure.
        rate = reward[rest].sum() / seen[rest].sum()
        data = lightgbm.Dataset(
            features[rest],
            reward[rest],
            init_score=np.log(rate * seen[rest]),
            params={"verbosity": -1},
        )
        trees = lightgbm.train(TREE_PARAMS | {"seed": seed}, data, num_boost_round=TREES)
        attraction[held_out] = rate * np.exp(trees.predict(features[held_out], raw_score=True))
    return np.minimum(attraction, 1.0)
