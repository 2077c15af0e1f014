"""Examination of places, fitted to clicks beside the attraction of what stands there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from market.search.click_logit import PLACE_GROUPS
from market.search.impressions import Impressions
from market.search.position_model import fit_attraction, fit_examination
from market.search.ranker import Ranker

SHOWN = 6
EXAMINATION = np.array([1.0, 0.7, 0.5, 0.4, 0.3, 0.25])
PRIOR = Ranker({"bm25": 1.0})


def simulate(
    searches: int, seed: int, *, hidden: float = 0.0, knows_listings: bool = False
) -> tuple[Impressions, np.ndarray]:
    """Return searches whose best listings stand high, and the attraction of their rows.

    Attraction levels off: the best listings attract hardly more than good ones. A quality with the
    weight `hidden` attracts users and raises the place, and is no feature.
    """
    rng = np.random.default_rng(seed)
    query = rng.integers(0, searches // 3, searches)
    values = rng.normal(size=(searches // 3, SHOWN))[query]
    quality = hidden * rng.normal(size=(searches // 3, SHOWN))[query]
    order = np.argsort(-values - quality - 0.5 * rng.gumbel(size=values.shape), axis=1)
    values, quality = (np.take_along_axis(each, order, 1).ravel() for each in (values, quality))
    attraction = 1 / (1 + np.exp(-3 * (values + quality)))
    place = np.tile(np.arange(SHOWN), searches)
    clicked = (rng.random(len(place)) < EXAMINATION[place] * attraction).astype(float)
    impressions = Impressions(
        pd.DataFrame({"bm25": values}), np.repeat(np.arange(searches), SHOWN), place, clicked,
        query, np.ones(len(place)), listing=order.ravel() if knows_listings else np.empty(0, int),
    )  # fmt: skip
    return impressions, attraction


def test_the_examination_is_found_where_attraction_levels_off() -> None:
    impressions, attraction = simulate(3000, seed=1)
    examination = fit_examination(impressions, PRIOR, seed=1)
    assert examination.values[:SHOWN] == pytest.approx(EXAMINATION, rel=0.15)
    model = fit_attraction(impressions, impressions.gain, examination.values, seed=1)
    assert np.corrcoef(model, attraction)[0, 1] > 0.95


def test_listings_at_several_places_correct_for_what_no_feature_shows() -> None:
    without, with_listings = (
        fit_examination(
            simulate(3000, seed=4, hidden=1.0, knows_listings=knows)[0], PRIOR, seed=4
        ).values[:SHOWN]
        for knows in (False, True)
    )
    assert (without[2:] < 0.8 * EXAMINATION[2:]).all()
    assert with_listings == pytest.approx(EXAMINATION, rel=0.2)


def test_listings_that_keep_their_places_correct_nothing() -> None:
    impressions, _ = simulate(200, seed=5)
    fit = fit_examination(impressions, PRIOR, seed=5)
    alone = replace(impressions, listing=np.arange(len(impressions.place)))
    again = fit_examination(alone, PRIOR, seed=5)
    assert again.intercepts == pytest.approx(fit.intercepts, abs=1e-3)
    assert again.influence == pytest.approx(fit.influence, abs=0.1)


@pytest.mark.parametrize("knows_listings", [False, True])
def test_the_influence_of_searches_states_the_error_of_the_fit(knows_listings: bool) -> None:
    fits = [
        fit_examination(simulate(400, seed, knows_listings=knows_listings)[0], PRIOR, seed=seed)
        for seed in range(8)
    ]
    spread = np.std([fit.intercepts[1:SHOWN] for fit in fits], axis=0)
    stated = np.mean([fit.influence[:, 1:SHOWN].std(axis=0) for fit in fits], axis=0) / 20
    assert 0.6 < (spread / stated).mean() < 1.5
    assert np.abs(fits[0].influence.mean(axis=0)).max() < 1e-9


def test_without_a_click_all_places_are_equal() -> None:
    impressions, _ = simulate(30, seed=2)
    nothing = Impressions(
        impressions.features, impressions.search, impressions.place, 0 * impressions.gain,
        impressions.query, impressions.weight,
    )  # fmt: skip
    fit = fit_examination(nothing, PRIOR, seed=2)
    assert set(fit.values) == {1.0} and not fit.influence.any()
    assert not fit_attraction(nothing, nothing.gain, fit.values, seed=2).any()


def test_shifting_a_group_changes_its_places_alone() -> None:
    fit = fit_examination(simulate(60, seed=3)[0], PRIOR, seed=3)
    ratio = fit.shifted(int(np.searchsorted(PLACE_GROUPS, 12)), 0.1) / fit.values
    assert np.flatnonzero(ratio > 1).tolist() == [12, 13, 14]
    assert ratio.max() == pytest.approx(np.exp(0.1))
