"""Offline replay: how many clicks another order of the shown listings would have had.

Users see a place with a probability that depends on the place, its examination, and click what they
see if it attracts them (position-based model). A click at a place with half the examination of the
first one therefore counts double there.

- `ips` moves each click to its new place, weighted by the examination of the new place by that of
  the old one.
- `snips` divides by the sum of these weights, which undoes the bias of weights that were cut off.
- `doubly_robust` begins with a model of attraction, which is fitted on other queries, and corrects
  it by weighted residuals. Its weights are cut off much earlier, so it varies less. Without a
  cut-off it would equal `ips`, because a log does not say which listings users saw.

Three more need exploration (`market.search.exploration`), and trust no examination: `matches` and
`matches_snips` count only listings whose new place is the one where chance had put them.
`matches_doubly_robust` takes the model for the others, and corrects it where they match.

References
----------
Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased feedback", 2017.
Swaminathan and Joachims, "The self-normalized estimator for counterfactual learning", 2015.
Dudík, Langford and Li, "Doubly robust policy evaluation and learning", 2011. Wang, Agarwal and
Dudík, "Optimal and adaptive off-policy evaluation in contextual bandits", 2017. Li, Abbasi-Yadkori,
Kveton and others, "Offline evaluation of ranking policies with click models", 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import t as student

from market.search.click_logit import PLACE_GROUPS
from market.search.impressions import Impressions
from market.search.position_model import Examination
from market.search.sequential import ALPHA, Estimate, Interval

MAX_RATIO = 10.0  # largest weight of a click: one lucky click must not outweigh all others
ROBUST_RATIO = 3.0  # the same for `doubly_robust`, whose model makes up for the rest
MIN_EFFECTIVE = 100  # clicks, below which an estimate says little
MIN_SUPPORT = 0.8  # share of the new order's first places that the log has shown
STEP = 0.05  # of the logarithm of an examination, to see how much an estimate depends on it


@dataclass(frozen=True, eq=False)
class Reordering:
    """A log of searches, and another order of what they showed.

    Attributes
    ----------
    impressions
        n rows, whose features describe the shown listings.
    reward
        (n,) 1 for a listing with a click (or a purchase), else 0.
    new_place
        (n,) the place in the new order, from 0.
    examination
        (places,) relative to the first place; the last value holds for all later places.
    k
        Only the first k places count.
    """

    impressions: Impressions
    reward: np.ndarray
    new_place: np.ndarray
    examination: np.ndarray
    k: int

    @classmethod
    def by_scores(
        cls,
        impressions: Impressions,
        scores: np.ndarray,
        reward: np.ndarray,
        examination: np.ndarray,
        *,
        k: int = 10,
    ) -> Reordering:
        """Order the listings of each search by scores (n,), over the places where they stood."""
        new_order = np.lexsort((impressions.place, -scores, impressions.search))
        old_order = np.lexsort((impressions.place, impressions.search))
        new_place = np.empty(len(scores), int)
        new_place[new_order] = impressions.place[old_order]
        return cls(impressions, reward, new_place, examination, k)

    @property
    def seen(self) -> np.ndarray:
        """(n,) the examination of the place where a listing stood."""
        return self._examined(self.impressions.place)

    @property
    def seen_anew(self) -> np.ndarray:
        """(n,) the examination of the new place; 0 after the first k."""
        return self._examined(self.new_place) * (self.new_place < self.k)

    @property
    def ratio(self) -> np.ndarray:
        """(n,) the weight of a click, at most MAX_RATIO."""
        return np.minimum(self.seen_anew / self.seen, MAX_RATIO)

    @property
    def effective_clicks(self) -> float:
        """The number of equally weighted clicks that say as much: Kish's effective size."""
        weight = self.ratio[self.reward > 0]
        return float(weight.sum() ** 2 / np.square(weight).sum()) if weight.any() else 0.0

    def select(self, searches: np.ndarray) -> Reordering:
        """Return the part of some searches, (searches,) bool."""
        rows = searches[self.impressions.search]
        return replace(
            self,
            impressions=self.impressions.select(searches),
            reward=self.reward[rows],
            new_place=self.new_place[rows],
        )

    def _examined(self, place: np.ndarray) -> np.ndarray:
        return self.examination[np.minimum(place, len(self.examination) - 1)]

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sums (searches,) of values (n,) of listings."""
        return np.bincount(self.impressions.search, values, minlength=len(self.impressions))


@dataclass(frozen=True, eq=False)
class ReplayEstimate:
    """Estimated rewards of a search among its first k places.

    Attributes
    ----------
    name
        The estimator, or "shown" for the logged order itself.
    values
        (searches,) whose mean is the estimate; linearised where it is a ratio, or where it depends
        on a fitted examination.
    query
        (searches,) codes. Searches for one query depend on each other, so a query is one case.
    """

    name: str
    values: np.ndarray
    query: np.ndarray

    @property
    def estimate(self) -> Estimate:
        """The mean, with its standard error by the jackknife over queries."""
        searches = np.unique(self.query, return_counts=True)[1]
        if len(searches) < 2:
            return Estimate(np.nan, np.nan, len(searches), False)
        mean = float(self.values.mean())
        residuals = np.bincount(np.unique(self.query, return_inverse=True)[1], self.values - mean)
        moved = residuals / (len(self.values) - searches)  # of the mean, if a query is left out
        error = np.sqrt((1 - 1 / len(searches)) * np.square(moved).sum())
        return Estimate(mean, float(error), len(searches), True)

    @property
    def effective_queries(self) -> float:
        """The number of equally frequent queries that say as much: Kish's effective size."""
        searches = np.unique(self.query, return_counts=True)[1]
        return float(searches.sum() ** 2 / max(np.square(searches).sum(), 1))

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the mean; NaN with fewer than two queries."""
        freedom = self.effective_queries - 1
        if freedom <= 0:
            return Interval(np.nan, np.nan)
        width = float(student.ppf(1 - ALPHA / 2, freedom)) * self.estimate.standard_error
        return Interval(self.estimate.value - width, self.estimate.value + width)

    def minus(self, other: ReplayEstimate) -> ReplayEstimate:
        """Return the difference to an estimate on the same searches, paired."""
        return ReplayEstimate(self.name, self.values - other.values, self.query)


def estimate_shown(log: Reordering) -> ReplayEstimate:
    """Return the rewards that were observed, in the order shown."""
    within = log.reward * (log.impressions.place < log.k)
    return ReplayEstimate("shown", log.total(within), log.impressions.query)


def estimate_by_places(log: Reordering, attraction: np.ndarray) -> list[ReplayEstimate]:
    """Return the estimates `ips`, `snips` and `doubly_robust`.

    Parameters
    ----------
    log
        The log and the new order.
    attraction
        (n,) the probability of a click on a listing that is seen, from `fit_attraction`.
    """
    query = log.impressions.query
    moved = log.total(log.reward * log.ratio)
    weights = log.total(log.ratio * log.seen)
    expected = log.total(log.seen_anew).mean() if len(query) else 0.0
    residual = np.minimum(log.ratio, ROBUST_RATIO) * (log.reward - log.seen * attraction)
    robust = log.total(log.seen_anew * attraction + residual)
    return [
        ReplayEstimate("ips", moved, query),
        ReplayEstimate("snips", expected * _linearised_ratio(moved, weights), query),
        ReplayEstimate("doubly_robust", robust, query),
    ]


def estimate_by_matches(
    log: Reordering, propensity: np.ndarray, attraction: np.ndarray
) -> list[ReplayEstimate]:
    """Return the estimates of the three methods by matches, from searches with exploration.

    Parameters
    ----------
    log
        The log, all of whose searches have logged propensities, and the new order.
    propensity
        (n,) the probability with which the listing stood at its place.
    attraction
        As for `estimate_by_places`.
    """
    stays = log.new_place == log.impressions.place
    matches = stays & (log.new_place < log.k)
    # The order shown follows every draw of chance, so that there it needs no weights.
    weight = matches / (1.0 if stays.all() else propensity)
    query = log.impressions.query
    by_place = np.zeros(len(query))
    for place in range(log.k):
        stands = log.impressions.place == place
        rewards, weights = (log.total(each * stands) for each in (log.reward * weight, weight))
        if weights.any():
            by_place += _linearised_ratio(rewards, weights) * log.total(stands).mean()
    residual = weight * (log.reward - log.seen * attraction)
    robust = log.total(log.seen_anew * attraction + residual)
    return [
        ReplayEstimate("matches", log.total(log.reward * weight), query),
        ReplayEstimate("matches_snips", by_place, query),
        ReplayEstimate("matches_doubly_robust", robust, query),
    ]


def with_examination_error(
    estimate: Callable[[np.ndarray], list[ReplayEstimate]],
    examination: Examination,
    searches: np.ndarray,
) -> list[ReplayEstimate]:
    """Return estimates whose spread includes the error of the fitted examination.

    Parameters
    ----------
    estimate
        Returns the estimates, given the examination (places,).
    examination
        As fitted to the log.
    searches
        (all searches,) bool: those that the estimates come from. If they are a part, the error is
        taken as if this part alone had been fitted, which is larger.
    """
    estimates = estimate(examination.values)
    slopes = np.zeros((len(estimates), len(PLACE_GROUPS)))
    for group in examination.shown_groups:
        higher, lower = (
            np.array([each.values.mean() for each in estimate(examination.shifted(group, step))])
            for step in (STEP, -STEP)
        )
        slopes[:, group] = (higher - lower) / (2 * STEP)
    influence = examination.influence[searches]
    influence = influence - influence.mean(axis=0)
    return [
        replace(each, values=each.values + influence @ slope)
        for each, slope in zip(estimates, slopes, strict=True)
    ]


def match_support(log: Reordering, propensity: np.ndarray) -> float:
    """Return the share of the new order's first k places that exploration can have shown."""
    within = log.new_place < log.k
    matches = within & (log.new_place == log.impressions.place)
    return float(np.sum(matches / propensity) / max(within.sum(), 1))


def _linearised_ratio(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Return values (searches,) whose mean is the ratio of the sums, and whose spread its error."""
    mean = denominators.mean() if len(denominators) else 0.0
    if mean == 0:
        return np.zeros(len(numerators))
    ratio = numerators.mean() / mean
    return ratio + (numerators - ratio * denominators) / mean


def logged_propensities(impressions: Impressions, searches: pd.DataFrame) -> np.ndarray:
    """Return the probability (n,) with which each listing stood at its place; NaN if not logged.

    Parameters
    ----------
    impressions
        With the ids of their searches.
    searches
        As `market.data.searches.read_searches` returns them. What is no probability above 0 counts
        as not logged.
    """
    logged = {
        (search_id, place + offset): propensity
        for search_id, offset, places, propensities in zip(
            *(searches[name] for name in ("search_id", "offset", "places", "propensities")),
            strict=True,
        )
        if propensities is not None and len(propensities) == len(places)
        for place, propensity in zip(places, propensities, strict=True)
    }
    ids = impressions.search_ids[impressions.search] if len(impressions.search_ids) else []
    values = np.array(
        [logged.get((search_id, place), np.nan)
         for search_id, place in zip(ids, impressions.place, strict=False)],
        float,
    )  # fmt: skip
    return np.where((values > 0) & (values <= 1), values, np.nan)
