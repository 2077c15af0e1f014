"""Examination of places, fitted to clicks beside the attraction of what stands there."""

from __future__ import annotations

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


def simulate(searches: int, seed: int) -> tuple[Impressions, np.ndarray]:
    """Return searches whose best listings stand high, and the attraction of their rows.

    Attraction levels off: the best listings attract hardly more than good ones.
    """
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(searches, SHOWN))
    order = np.argsort(-values - 0.5 * rng.gumbel(size=values.shape), axis=1)
    values = np.take_along_axis(values, order, 1).ravel()
    attraction = 1 / (1 + np.exp(-3 * values))
    place = np.tile(np.arange(SHOWN), searches)
    clicked = (rng.random(len(place)) < EXAMINATION[place] * attraction).astype(float)
    impressions = Impressions(
        pd.DataFrame({"bm25": values}), np.repeat(np.arange(searches), SHOWN), place, clicked,
        rng.integers(0, searches // 3, searches), np.ones(len(place)),
    )  # fmt: skip
    return impressions, attraction


def test_the_examination_is_found_where_attraction_levels_off() -> None:
    impressions, attraction = simulate(3000, seed=1)
    examination = fit_examination(impressions, PRIOR, seed=1)
    assert examination.values[:SHOWN] == pytest.approx(EXAMINATION, rel=0.15)
    model = fit_attraction(impressions, impressions.gain, examination.values, seed=1)
    assert np.corrcoef(model, attraction)[0, 1] > 0.95


def test_the_influence_of_searches_states_the_error_of_the_fit() -> None:
    fits = [fit_examination(simulate(400, seed)[0], PRIOR, seed=seed) for seed in range(16)]
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
