"""What a ranker learns from simulated clicks: the truth if there is one to learn, else nothing.

`DRAWS=200 python -m pytest -n0 -m campaign tests/campaigns/test_learning_from_clicks.py -s`
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from click_models import TRUE, draw, served_ranker, true_ndcg
from scipy.stats import binom

from market.search.click_fitting import fit_clicks, learn_from_clicks

pytestmark = pytest.mark.campaign

DRAWS = int(os.environ.get("DRAWS", 200))
EXPECTED_RATE = 0.025  # of means above two standard errors, without an effect


def test_clicks_that_ignore_relevance_rarely_move_the_ranking() -> None:
    learned = [
        learn_from_clicks(draw(240, seed, placebo=True), served_ranker(), seed=seed)
        for seed in range(DRAWS)
    ]
    moved = sum(each.accepted for each in learned)
    print(f"{moved} of {DRAWS} placebo logs moved the ranking")
    assert moved <= binom.ppf(0.99, DRAWS, EXPECTED_RATE)


@pytest.mark.parametrize("searches", [300, 1000, 4000])
def test_the_fit_with_places_approaches_the_truth(searches: int) -> None:
    truth = true_ndcg(served_ranker().with_weights(TRUE), seed=99)
    prior = true_ndcg(served_ranker(), seed=99)
    rows = []
    for seed in range(5):
        impressions = draw(searches, seed)
        fits = [
            fit_clicks(impressions, served_ranker(), seed=seed, position_aware=aware)
            for aware in (False, True)
        ]
        rows.append([true_ndcg(fit.ranker, seed=99) for fit in fits])
    naive, aware = np.mean(rows, axis=0)
    print(f"{searches}: prior {prior:.3f}, naive {naive:.3f}, places {aware:.3f}, {truth:.3f}")
    assert aware > naive > prior and truth - aware < (truth - prior) / 5
