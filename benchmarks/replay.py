"""Measure the estimators of `python -m market.replay` on simulated logs, where the truth is known.

A logging ranker sees the listings' quality with noise. Users examine places with decreasing
probability, and click what attracts them. The new ranker sees more of the quality. For each
estimator, and for its difference to the order shown: the bias, the spread of the estimates, the
mean standard error that it states, and how often its 95 % interval holds the truth.

The kinds: the examination is known, or fitted to the same log; few queries are frequent; users are
attracted by a quality that raised the logged rank and that no feature shows; exploration swapped
neighbours, whose propensities are logged.

python benchmarks/replay.py [--draws 200] [--searches 1000] [--kind exploration …]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import click
import numpy as np
import pandas as pd
from command import BenchmarkCommand
from tabulate import tabulate

from market.core.stage import progress
from market.search.click_logit import PLACE_GROUPS
from market.search.exploration import swap_pairs
from market.search.impressions import Impressions
from market.search.position_model import Examination, fit_attraction, fit_examination
from market.search.ranker import Ranker
from market.search.replay import (
    Reordering,
    ReplayEstimate,
    estimate_by_matches,
    estimate_by_places,
    estimate_shown,
    with_examination_error,
)

SHOWN, K = 10, 5  # listings of a search, and the first places that count
QUERIES = 300
EXAMINATION = 1 / (1 + np.arange(SHOWN)) ** 0.7
SWAP_CHANCE = 0.3
# Of the features, the first decides most of the attraction, and the second the rest.
NAMES = ("bm25", "text_similarity")
TRUE_WEIGHTS, LOGGED_WEIGHTS = np.array([2.0, 1.5]), np.array([2.0, 0.0])


def simulate(
    searches: int,
    rng: np.random.Generator,
    *,
    explored: bool,
    exponent: float,
    hidden: float,
) -> tuple[Impressions, np.ndarray, np.ndarray]:
    """Return impressions in the order shown, the attraction and the propensity of their rows.

    The r-th most frequent query is searched in proportion to r ** -exponent. A quality that no
    feature shows attracts users and raises the logged rank, with the weight `hidden`.
    """
    shares = np.arange(1, QUERIES + 1) ** -exponent
    query = rng.choice(QUERIES, searches, p=shares / shares.sum())
    # Searches for a query show much the same listings.
    values = rng.normal(size=(QUERIES, SHOWN, 2))[query] + 0.3 * rng.normal(
        size=(searches, SHOWN, 2)
    )
    quality = hidden * rng.normal(size=(QUERIES, SHOWN))[query]
    attraction = 1 / (1 + np.exp(2.0 - values @ TRUE_WEIGHTS - quality))
    noise = rng.gumbel(size=(searches, SHOWN))
    order = np.argsort(-(values @ LOGGED_WEIGHTS) - quality - noise, axis=1)
    propensity = np.ones((searches, SHOWN))
    if explored:
        none_fixed = np.zeros(SHOWN, bool)
        for number in range(searches):
            swaps, propensity[number] = swap_pairs(
                none_fixed, 0, SWAP_CHANCE, int(rng.integers(2**62))
            )
            order[number] = order[number][swaps]
    values = np.take_along_axis(values, order[:, :, None], 1).reshape(-1, 2)
    attraction = np.take_along_axis(attraction, order, 1).ravel()
    place = np.tile(np.arange(SHOWN), searches)
    clicked = rng.random(len(place)) < EXAMINATION[place] * attraction
    impressions = Impressions(
        pd.DataFrame(values, columns=list(NAMES)),
        np.repeat(np.arange(searches), SHOWN),
        place,
        clicked.astype(float),
        query,
        np.ones(len(place)),
        listing=order.ravel(),  # of the query's
    )
    return impressions, attraction, propensity.ravel()


def swapped_scores(impressions: Impressions, rng: np.random.Generator) -> np.ndarray:
    """Return scores of an order that swaps some neighbours: what exploration can have shown."""
    new_place = impressions.place.reshape(-1, SHOWN).copy()
    for number in range(len(new_place)):
        order, _ = swap_pairs(np.zeros(SHOWN, bool), 0, 0.5, int(rng.integers(2**62)))
        new_place[number, order] = np.arange(SHOWN)
    return -new_place.ravel().astype(float)


def replay_once(
    searches: int,
    seed: int,
    *,
    is_fitted: bool,
    explored: bool = False,
    exponent: float = 0.0,
    hidden: float = 0.0,
) -> list[tuple[ReplayEstimate, float]]:
    """Return the estimates of a draw, each with the true mean on its searches."""
    rng = np.random.default_rng(seed)
    impressions, attraction, propensity = simulate(
        searches, rng, explored=explored, exponent=exponent, hidden=hidden
    )
    examination = Examination(
        np.log(EXAMINATION[np.minimum(PLACE_GROUPS, SHOWN - 1)]),
        np.zeros((searches, len(PLACE_GROUPS))),
    )
    if is_fitted:
        prior = Ranker(dict.fromkeys(NAMES, 1.0))
        examination = fit_examination(impressions, prior, seed=seed)
    model = fit_attraction(impressions, impressions.gain, examination.values, seed=seed)

    def estimate(log: Reordering, values: np.ndarray) -> list[ReplayEstimate]:
        log = replace(log, examination=values)
        if explored:
            return estimate_by_matches(log, propensity, model)
        return [estimate_shown(log), *estimate_by_places(log, model)]

    scores = impressions.features.to_numpy() @ TRUE_WEIGHTS
    shown = -impressions.place.astype(float)
    new, old = (
        Reordering.by_scores(impressions, each, impressions.gain, examination.values, k=K)
        for each in (swapped_scores(impressions, rng) if explored else scores, shown)
    )
    everywhere = np.ones(searches, bool)
    estimates, shown_estimates = (
        with_examination_error(partial(estimate, log), examination, everywhere)
        for log in (new, old)
    )
    truth, shown_truth = (_truth(log, attraction) for log in (new, old))
    draws = [(each, truth) for each in estimates]
    for one, two in zip(estimates, shown_estimates, strict=True):
        if one.name != "shown":
            difference = replace(one.minus(two), name=f"{one.name} − shown")
            draws.append((difference, truth - shown_truth))
    return draws


def _truth(log: Reordering, attraction: np.ndarray) -> float:
    seen = EXAMINATION[log.new_place] * (log.new_place < log.k)
    return float(log.total(seen * attraction).mean())


def summarize(name: str, draws: list[tuple[ReplayEstimate, float]]) -> list[str]:
    """Return a row of the table for the draws of an estimator."""
    estimates = [estimate.estimate for estimate, _ in draws]
    # The mean of all draws: the interval is for queries like these, not for these alone.
    truth = float(np.mean([truth for _, truth in draws]))
    errors = np.array([each.value for each in estimates]) - truth
    stated = np.mean([each.standard_error for each in estimates])
    covered = np.mean([not estimate.interval.excludes(truth) for estimate, _ in draws])
    return [name, f"{truth:.3f}", f"{errors.mean():+.4f}", f"{errors.std():.4f}", f"{stated:.4f}",
            f"{covered:.1%}"]  # fmt: skip


def measure(
    title: str, draws: int, replay: Callable[[int], list[tuple[ReplayEstimate, float]]]
) -> list[list[str]]:
    """Return the rows of the estimators of a kind of draws."""
    runs = [replay(seed) for seed in progress(range(draws), desc=title, unit="draw")]
    return [
        summarize(f"{column[0][0].name}, {title}", list(column))
        for column in zip(*runs, strict=True)
    ]


KINDS: dict[str, Callable[[int, int], list[tuple[ReplayEstimate, float]]]] = {
    "examination known": partial(replay_once, is_fitted=False),
    "examination fitted": partial(replay_once, is_fitted=True),
    "frequent queries": partial(replay_once, is_fitted=True, exponent=1.0),
    "hidden quality": partial(replay_once, is_fitted=True, hidden=1.0),
    "exploration": partial(replay_once, is_fitted=True, explored=True),
    "exploration, hidden quality": partial(replay_once, is_fitted=True, explored=True, hidden=1.0),
}


@click.command(cls=BenchmarkCommand)
@click.option("--draws", default=200, show_default=True, help="Simulated logs.")
@click.option("--searches", default=1000, show_default=True, help="Searches of each log.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice([*KINDS]), default=[*KINDS])
def main(draws: int, searches: int, kinds: tuple[str, ...]) -> None:
    """Print bias, spread, stated error and coverage of each estimator."""
    rows = [row for kind in kinds for row in measure(kind, draws, partial(KINDS[kind], searches))]
    headers = ["estimator", "truth", "bias", "spread", "stated error", "coverage"]
    print(tabulate(rows, headers=headers))


if __name__ == "__main__":
    main()
