"""Offline replay: estimators on logs whose truth is known, and hand-made cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from market.search.exploration import swap_pairs
from market.search.impressions import Impressions
from market.search.position_model import fit_attraction, fit_examination
from market.search.ranker import Ranker
from market.search.replay import (
    Reordering,
    ReplayEstimate,
    estimate_by_matches,
    estimate_by_places,
    estimate_shown,
    logged_propensities,
    match_support,
    with_examination_error,
)

SHOWN, K = 6, 3
EXAMINATION = np.array([1.0, 0.7, 0.5, 0.4, 0.3, 0.25])


def simulate(
    searches: int, seed: int, chance: float = 0.0
) -> tuple[Impressions, np.ndarray, np.ndarray]:
    """Return impressions, the attraction of their rows, and the propensity of their places."""
    rng = np.random.default_rng(seed)
    query = rng.integers(0, 100, searches)
    values = rng.normal(size=(100, SHOWN))[query] + 0.2 * rng.normal(size=(searches, SHOWN))
    order = np.argsort(-values - 2 * rng.gumbel(size=values.shape), axis=1)
    propensity = np.ones((searches, SHOWN))
    for number in range(searches if chance else 0):
        swaps, propensity[number] = swap_pairs(np.zeros(SHOWN, bool), 0, chance, number)
        order[number] = order[number][swaps]
    values = np.take_along_axis(values, order, 1).ravel()
    attraction = 1 / (1 + np.exp(1.5 - 1.5 * values))
    place = np.tile(np.arange(SHOWN), searches)
    clicked = (rng.random(len(place)) < EXAMINATION[place] * attraction).astype(float)
    impressions = Impressions(
        pd.DataFrame({"bm25": values}), np.repeat(np.arange(searches), SHOWN), place, clicked,
        query, np.ones(len(place)),
    )  # fmt: skip
    return impressions, attraction, propensity.ravel()


def test_estimates_of_a_better_order_hold_the_truth_which_the_shown_order_does_not() -> None:
    impressions, attraction, _ = simulate(2000, seed=1)
    scores = impressions.features["bm25"].to_numpy()
    log = Reordering.by_scores(impressions, scores, impressions.gain, EXAMINATION, k=K)
    truth = log.total(log.seen_anew * attraction).mean()
    model = fit_attraction(impressions, log.reward, EXAMINATION, seed=1)
    assert np.corrcoef(model, attraction)[0, 1] > 0.9
    estimates = estimate_by_places(log, model)
    assert [each.name for each in estimates] == ["ips", "snips", "doubly_robust"]
    for each in estimates:
        assert not each.interval.excludes(truth)
    shown = estimate_shown(log)
    assert shown.interval.excludes(truth) and shown.estimate.value < truth
    gain = estimates[0].minus(shown)
    assert gain.interval.low > 0
    assert estimates[2].estimate.standard_error < estimates[0].estimate.standard_error


def test_the_shown_order_replays_to_what_was_observed() -> None:
    impressions, _, propensity = simulate(500, seed=2)
    log = Reordering.by_scores(
        impressions, -impressions.place.astype(float), impressions.gain, EXAMINATION, k=K
    )
    observed = estimate_shown(log).estimate.value
    for each in (*estimate_by_places(log, np.zeros(len(log.reward)))[:2],
                 *estimate_by_matches(log, propensity, np.zeros(len(log.reward)))):  # fmt: skip
        assert each.estimate.value == pytest.approx(observed)
    assert match_support(log, propensity) == 1


def test_equal_orders_differ_in_nothing_at_all() -> None:
    impressions, _, propensity = simulate(300, seed=2, chance=0.4)
    short = impressions.select(np.arange(300) < 200)  # pages of different lengths
    rows = np.flatnonzero((short.search % 3 > 0) | (short.place < 2))
    uneven = Impressions(
        short.features.iloc[rows], short.search[rows], short.place[rows], short.gain[rows],
        short.query, short.weight[rows],
    )  # fmt: skip
    model = np.full(len(rows), 0.2)
    for scores in (-uneven.place.astype(float), uneven.features["bm25"].to_numpy()):
        first, second = (
            Reordering.by_scores(uneven, each, uneven.gain, EXAMINATION, k=K)
            for each in (scores, 2 * scores)
        )
        for one, two in zip(
            [
                *estimate_by_places(first, model),
                *estimate_by_matches(first, propensity[rows], model),
            ],
            [
                *estimate_by_places(second, model),
                *estimate_by_matches(second, propensity[rows], model),
            ],
            strict=True,
        ):
            difference = one.minus(two)
            assert not difference.values.any() and difference.estimate.value == 0


def test_the_order_shown_needs_no_weights_for_chance() -> None:
    impressions, _, propensity = simulate(300, seed=2, chance=0.4)
    log = Reordering.by_scores(
        impressions, -impressions.place.astype(float), impressions.gain, EXAMINATION, k=K
    )
    observed = estimate_shown(log).estimate.value
    for each in estimate_by_matches(log, propensity, np.zeros(len(propensity))):
        assert each.estimate.value == pytest.approx(observed)


def test_the_stated_error_includes_that_of_a_fitted_examination() -> None:
    """It is no larger than with a known examination: both errors come from the same clicks."""

    def replay_once(seed: int) -> tuple[float, float]:
        impressions, _, _ = simulate(300, seed)
        examination = fit_examination(impressions, Ranker({"bm25": 1.0}), seed=seed)
        log = Reordering.by_scores(
            impressions, impressions.features["bm25"].to_numpy(), impressions.gain,
            examination.values, k=K,
        )  # fmt: skip

        def gain(values: np.ndarray) -> list[ReplayEstimate]:
            order = replace(log, examination=values)
            ips = estimate_by_places(order, np.zeros(len(log.reward)))[0]
            return [ips.minus(estimate_shown(log))]

        (difference,) = with_examination_error(gain, examination, np.ones(300, bool))
        assert difference.estimate.value == pytest.approx(
            gain(examination.values)[0].estimate.value
        )
        return difference.estimate.value, difference.estimate.standard_error

    values, errors = np.transpose([replay_once(seed) for seed in range(9)])
    assert 0.6 < values.std() / errors.mean() < 1.5


def test_matches_need_no_examination_where_chance_made_the_order() -> None:
    impressions, attraction, propensity = simulate(4000, seed=3, chance=0.4)
    undone = impressions.place.copy().reshape(-1, SHOWN)
    for number in range(len(undone)):  # the order before the swaps
        undone[number] = swap_pairs(np.zeros(SHOWN, bool), 0, 0.4, number)[0]
    log = Reordering.by_scores(
        impressions, -undone.ravel().astype(float), impressions.gain, np.ones(SHOWN), k=K
    )
    truth = (EXAMINATION[log.new_place] * (log.new_place < K) * attraction).sum() / 4000
    estimates = estimate_by_matches(log, propensity, np.zeros(len(attraction)))
    assert match_support(log, propensity) == pytest.approx(1, abs=0.05)
    for each in estimates:
        assert not each.interval.excludes(truth), each.name
    reversed_log = Reordering.by_scores(
        impressions, impressions.place.astype(float), impressions.gain, np.ones(SHOWN), k=K
    )
    assert match_support(reversed_log, propensity) < 0.5


def test_large_weights_are_cut_off_and_snips_makes_up_for_it() -> None:
    """A listing of the last place moves to the first, whose examination is 50 times larger."""
    rng = np.random.default_rng(4)
    searches = 20_000
    clicked = np.column_stack([rng.random(searches) < 0.5, rng.random(searches) < 0.01]).ravel()
    impressions = Impressions(
        pd.DataFrame({"bm25": np.tile([0.0, 1.0], searches)}), np.repeat(np.arange(searches), 2),
        np.tile([0, 1], searches), clicked.astype(float), np.arange(searches) % 500,
        np.ones(2 * searches),
    )  # fmt: skip
    examination = np.array([1.0, 0.02])
    scores = impressions.features["bm25"].to_numpy()
    log = Reordering.by_scores(impressions, scores, impressions.gain, examination, k=1)
    ips, snips, robust = (
        each.estimate.value for each in estimate_by_places(log, np.full(2 * searches, 0.5))
    )
    assert ips == pytest.approx(0.1, abs=0.02)  # the truth is 0.5
    assert snips == pytest.approx(0.5, abs=0.05) and robust == pytest.approx(0.5, abs=0.05)
    assert log.effective_clicks == pytest.approx(clicked[1::2].sum())


def test_queries_are_the_cases_of_the_standard_error() -> None:
    values = np.random.default_rng(5).normal(size=100)
    once = ReplayEstimate("ips", values, np.arange(100)).estimate
    often = ReplayEstimate("ips", np.repeat(values, 9), np.repeat(np.arange(100), 9)).estimate
    assert often.value == pytest.approx(once.value)
    assert often.standard_error == pytest.approx(once.standard_error)
    assert often.users == 100


def test_few_queries_that_make_most_searches_widen_the_interval() -> None:
    values = np.random.default_rng(5).normal(size=400)
    even = ReplayEstimate("ips", values, np.arange(400) // 4)
    assert even.effective_queries == pytest.approx(100)
    skewed = ReplayEstimate("ips", values, np.maximum(np.arange(400), 300))  # one has 301
    assert skewed.effective_queries < 2
    wide = (skewed.interval.high - skewed.interval.low) / skewed.estimate.standard_error
    assert wide > 2 * 1.97 and np.isnan(
        ReplayEstimate("ips", values, 0 * np.arange(400)).interval.low
    )


def test_new_places_are_those_that_the_page_had() -> None:
    impressions = Impressions(
        pd.DataFrame({"bm25": [1.0, 3.0, 2.0]}), np.zeros(3, int), np.array([4, 5, 7]), np.zeros(3),
        np.zeros(1, int), np.ones(3),
    )  # fmt: skip
    log = Reordering.by_scores(
        impressions, np.array([1.0, 3.0, 2.0]), np.zeros(3), EXAMINATION, k=10
    )
    assert log.new_place.tolist() == [7, 4, 5]
    assert log.seen.tolist() == [0.3, 0.25, 0.25]


def test_propensities_are_found_by_search_and_place() -> None:
    impressions = Impressions(
        pd.DataFrame(index=range(4)), np.array([0, 0, 1, 1]), np.array([20, 22, 0, 1]), np.zeros(4),
        np.zeros(2, int), np.ones(4), np.array(["s1", "s2"], object),
    )  # fmt: skip
    searches = pd.DataFrame(
        {
            "search_id": ["s2", "s1"],
            "offset": [0, 20],
            "places": [[0, 1], [0, 1, 2]],
            "propensities": [None, [1.0, 0.9, 0.1]],
        }
    )
    impossible = searches.assign(propensities=[[0.0, 1.5], [-0.1, 0.9, np.inf]])
    assert np.isnan(logged_propensities(impressions, impossible)).all()
    assert logged_propensities(impressions, searches) == pytest.approx(
        [1.0, 0.1, np.nan, np.nan], nan_ok=True
    )
