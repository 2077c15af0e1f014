"""Learn the ranker's weights from clicks, if they help on queries that were held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market.core.stage import progress
from market.search.click_logit import ClickData, Evidence, fit_click_logit
from market.search.click_metrics import mean_and_error, reranking_gains, surplus_clicks
from market.search.impressions import Impressions
from market.search.query_folds import folds_of
from market.search.ranker import Ranker
from market.search.search_trees import with_search_trees

FOLDS = 5  # of queries: each is held out once
# All searches for a query count as this many together, at most: a hundred searches for one query
# show what its users like, and hardly what users of other queries do.
QUERY_LIMIT = 4
# With fewer searches, which a fit takes no time for, the queries are divided several times.
SMALL_LOG, DIVISIONS = 1000, 3
# Cost in log likelihood of a weight at a distance of 1 from its prior; it grows with the square. To
# choose it by cross-validation was no better, and took ten times as long (docs/experiments.md).
PENALTY = 0.1
MIN_QUERIES = 20  # different queries with a click; with fewer the prior stays
ERRORS = 2.0  # standard errors that the gain must exceed


@dataclass(frozen=True, eq=False)
class ClickFit:
    """A ranker fitted to clicks.

    Attributes
    ----------
    ranker
        The ranker.
    examination
        (places,) the probability that users look at a place, relative to the first one; the last
        value holds for all later places.
    """

    ranker: Ranker
    examination: np.ndarray


@dataclass(frozen=True, eq=False)
class LearnedRanker:
    """A ranker that clicks moved, or the prior if held-out queries did not gain.

    Attributes
    ----------
    ranker
        The ranker to serve.
    accepted
        Whether it learned from the clicks.
    gain
        The mean of `reranking_gains` over held-out queries.
    standard_error
        Of the gain, over queries; infinite if there were too few to judge.
    n_searches
        The searches that could be learned from.
    examination
        As in ClickFit, whether accepted or not.
    """

    ranker: Ranker
    accepted: bool
    gain: float
    standard_error: float
    n_searches: int
    examination: np.ndarray


def fit_clicks(
    impressions: Impressions,
    prior: Ranker,
    *,
    seed: int,
    position_aware: bool = True,
    evidence: Evidence | None = None,
) -> ClickFit:
    """Fit all weights to clicks, near those of a prior.

    Searches without a click say nothing about the order of what they showed, and are ignored.

    Parameters
    ----------
    impressions
        With the features of each shown listing.
    prior
        The ranker without clicks.
    seed
        Of the trees and their folds.
    position_aware
        Whether places have intercepts. Without them, listings that stood high seem to be good.
    evidence
        From the choices of users who did not search; None without any.
    """
    names = weight_names(impressions, prior)
    start = np.array([prior.weights[name] for name in names])
    clicked = impressions.select(impressions.clicked).limit_queries(QUERY_LIMIT)
    if not len(clicked):
        return ClickFit(prior, np.ones(1))
    if evidence is not None:
        evidence = evidence.select(names, start)
    data = _click_data(clicked, names, position_aware)
    fitted = fit_click_logit(data, start, penalty=PENALTY, evidence=evidence)
    ranker = prior.with_weights(dict(zip(names, fitted.weights.tolist(), strict=True)))
    examination = fitted.examination if position_aware else np.ones(1)
    ranker = with_search_trees(clicked, ranker, seed=seed, position_aware=position_aware)
    return ClickFit(ranker, examination)


def learn_from_clicks(
    impressions: Impressions, prior: Ranker, *, seed: int, evidence: Evidence | None = None
) -> LearnedRanker:
    """Learn from clicks, and keep the result only if it helps on queries that were held out.

    Each query is held out: a ranker that has not seen it ranks what its searches showed, and so
    does the prior. The mean of `reranking_gains` must exceed ERRORS standard errors over queries.
    Of a small log the queries are divided DIVISIONS times, and a query's gain is the mean.

    Parameters
    ----------
    impressions, prior, seed, evidence
        As for `fit_clicks`.
    """
    clicked = impressions.select(impressions.clicked)
    fitted = fit_clicks(clicked, prior, seed=seed, evidence=evidence)
    if len(np.unique(clicked.query)) < MIN_QUERIES:
        return LearnedRanker(prior, False, 0.0, np.inf, len(clicked), fitted.examination)
    divisions = DIVISIONS if len(clicked) < SMALL_LOG else 1
    folds = [(seed + number, fold) for number in range(divisions) for fold in range(FOLDS)]
    queries = np.unique(impressions.query)
    gains = np.zeros(len(queries))
    limited = impressions.limit_queries(QUERY_LIMIT)
    surplus = surplus_clicks(limited)
    for division, fold in progress(folds, desc="test what clicks teach", unit="fold"):
        is_held_out = folds_of(impressions.query, FOLDS, division) == fold
        held_out = limited.select(is_held_out)
        fit = fit_clicks(impressions.select(~is_held_out), prior, seed=seed, evidence=evidence)
        after, before = (ranker.predict(held_out.features) for ranker in (fit.ranker, prior))
        rises = reranking_gains(held_out, after, before, surplus[is_held_out[impressions.search]])
        gains[np.isin(queries, held_out.query)] += rises / divisions
    gain, error = mean_and_error(gains)
    accepted = bool(gain > ERRORS * error)
    ranker = fitted.ranker if accepted else prior
    return LearnedRanker(ranker, accepted, gain, error, len(clicked), fitted.examination)


def weight_names(impressions: Impressions, prior: Ranker) -> list[str]:
    """Return the features that have a weight and are known for some shown listing."""
    known = impressions.features.notna().any()
    return [name for name in prior.weights if known.get(name, False)]


def _click_data(impressions: Impressions, names: list[str], position_aware: bool) -> ClickData:
    return ClickData.of(
        impressions.features[names].to_numpy(float),
        impressions.gain * impressions.weight,
        impressions.search,
        impressions.place if position_aware else None,
    )
