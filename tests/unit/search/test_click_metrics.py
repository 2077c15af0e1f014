"""Metrics by clicks: a click counts more where fewer users look."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from market.search.click_metrics import (
    MIN_EXAMINATION,
    corrected_gains,
    corrected_mrr,
    corrected_ndcg,
    mean_and_error,
)
from market.search.impressions import Impressions

EXAMINATION = np.array([1.0, 0.5, 0.25])


def impressions_of(*searches: list[float]) -> Impressions:
    """Return impressions of searches, each given by the gains of what it showed."""
    sizes = [len(gains) for gains in searches]
    return Impressions(
        pd.DataFrame(index=range(sum(sizes))),
        np.repeat(np.arange(len(searches)), sizes),
        np.concatenate([np.arange(size) for size in sizes]),
        np.concatenate(searches),
        np.arange(len(searches)),
        np.ones(sum(sizes)),
    )


def test_gains_are_divided_by_the_examination_of_their_place() -> None:
    impressions = impressions_of([1, 0, 2, 4])
    assert corrected_gains(impressions, EXAMINATION).tolist() == [1, 0, 8, 16]
    rare = np.array([1.0, MIN_EXAMINATION / 2])
    assert np.isnan(corrected_gains(impressions, rare)).tolist() == [False, True, True, True]


def test_clicks_far_down_outweigh_those_at_the_top() -> None:
    impressions = impressions_of([1, 0, 0], [0, 0, 1])
    scores = np.array([3.0, 2.0, 1.0, 3.0, 2.0, 1.0])
    first, last = corrected_ndcg(impressions, scores, EXAMINATION)
    # The ideal gain is 1 + 4; the second search finds its click in the third place.
    assert first == pytest.approx(2 / 5) and last == pytest.approx(4 * 0.5 * 2 / 5)
    ideal = corrected_ndcg(impressions, impressions.gain, EXAMINATION)
    assert ideal.mean() == pytest.approx(1)
    assert corrected_mrr(impressions, scores, EXAMINATION).mean() == pytest.approx((1 + 4 / 3) / 5)


def test_a_search_without_a_click_scores_nothing() -> None:
    impressions = impressions_of([0, 0], [0, 1])
    scores = corrected_ndcg(impressions, np.array([1.0, 2.0, 1.0, 2.0]), np.ones(1))
    assert scores.tolist() == [0, 2]
    nothing = corrected_ndcg(impressions_of([0, 0]), np.zeros(2), np.ones(1))
    assert nothing.tolist() == [0]


def test_tied_listings_share_their_places() -> None:
    impressions = impressions_of([0, 1, 0])
    [score] = corrected_ndcg(impressions, np.zeros(3), np.ones(1))
    assert score == pytest.approx(1 / np.log2(3))


def test_places_that_nobody_looks_at_are_left_out_of_the_ranking() -> None:
    impressions = impressions_of([0, 1, 9])
    examination = np.array([1.0, 1.0, 0.01])
    [score] = corrected_ndcg(impressions, np.array([1.0, 2.0, 3.0]), examination)
    assert score == 1


def test_the_correction_makes_a_ranking_of_equal_listings_indifferent() -> None:
    """Clicks by the place alone must not favour the order that was shown."""
    rng = np.random.default_rng(0)
    examination = 1 / np.arange(1, 9)
    impressions = impressions_of(*(rng.random((4000, 8)) < examination / 2).astype(float))
    shown, shuffled = -impressions.place.astype(float), rng.random(len(impressions.place))
    by_shown, by_chance = (
        corrected_ndcg(impressions, scores, examination) for scores in (shown, shuffled)
    )
    gain, error = mean_and_error(by_chance - by_shown)
    assert abs(gain) < 3 * error < 0.1
    raw = corrected_ndcg(impressions, shown, np.ones(1)).mean()
    assert raw > corrected_ndcg(impressions, shuffled, np.ones(1)).mean() + 0.1


def test_the_error_of_fewer_than_two_values_is_infinite() -> None:
    gain, error = mean_and_error(np.array([1.0, 3.0]))
    assert gain == 2 and error == 1
    assert mean_and_error(np.array([1.0])) == (1.0, np.inf)
    assert mean_and_error(np.empty(0)) == (0.0, np.inf)
