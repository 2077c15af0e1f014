"""Learning from clicks: the place is accounted for, and the log must help on held-out queries."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click_models import FEATURES, SERVED, TRUE, draw, served_ranker, true_ndcg

from market.search.click_fitting import ClickFit, fit_clicks, learn_from_clicks
from market.search.click_logit import PLACE_GROUPS, ClickData, Evidence, fit_click_logit
from market.search.feature_names import PRIOR
from market.search.impressions import Impressions
from market.search.query_folds import folds_of


@pytest.fixture(scope="module")
def impressions() -> Impressions:
    return draw(400, seed=1)


@pytest.fixture(scope="module")
def aware(impressions: Impressions) -> ClickFit:
    return fit_clicks(impressions, served_ranker(), seed=0)


def test_the_examination_of_places_is_found(aware: ClickFit) -> None:
    np.testing.assert_allclose(aware.examination[:6], 1 / np.arange(1, 7), atol=0.15)
    assert len(aware.examination) == PLACE_GROUPS[-1] + 1


def test_a_fit_with_places_comes_nearer_to_the_truth_than_one_without(
    impressions: Impressions, aware: ClickFit
) -> None:
    naive = fit_clicks(impressions, served_ranker(), seed=0, position_aware=False)
    prior, without, with_places = (
        true_ndcg(ranker, seed=9) for ranker in (served_ranker(), naive.ranker, aware.ranker)
    )
    assert with_places > without + 0.02 and with_places > prior + 0.05
    assert naive.examination.tolist() == [1.0]


def test_a_log_that_helps_on_unseen_queries_moves_the_ranker(impressions: Impressions) -> None:
    learned = learn_from_clicks(impressions, served_ranker(), seed=0)
    assert learned.accepted and learned.gain > 2 * learned.standard_error
    assert learned.n_searches == impressions.clicked.sum()
    assert learned.ranker.weights["image_similarity"] < SERVED["image_similarity"]


def test_clicks_that_ignore_relevance_move_nothing() -> None:
    prior = served_ranker()
    learned = learn_from_clicks(draw(150, seed=2, placebo=True), prior, seed=0)
    assert not learned.accepted and learned.ranker is prior


@pytest.mark.parametrize("lacking", ["searches", "clicks", "queries"])
def test_too_little_to_learn_from_leaves_the_prior(impressions: Impressions, lacking: str) -> None:
    prior = served_ranker()
    few = impressions.select(np.isin(impressions.query, np.unique(impressions.query)[:5]))
    if lacking == "searches":
        few = few.select(np.zeros(len(few), bool))
    if lacking == "clicks":
        few = few.select(~few.clicked)
    learned = learn_from_clicks(few, prior, seed=0)
    assert not learned.accepted and learned.ranker is prior


def test_a_query_is_never_on_both_sides() -> None:
    query = np.array([4, 9, 4, 2, 9, 7, 7, 2])
    fold = folds_of(query, 3, seed=0)
    assert all(len(set(fold[query == code])) == 1 for code in set(query))
    assert set(fold) == {0, 1, 2}


def test_searches_without_a_click_teach_nothing(impressions: Impressions, aware: ClickFit) -> None:
    clicked = fit_clicks(impressions.select(impressions.clicked), served_ranker(), seed=0)
    assert clicked.ranker.weights == aware.ranker.weights


def test_features_that_no_search_knows_keep_their_weights(aware: ClickFit) -> None:
    for name in set(PRIOR) - set(FEATURES):
        assert aware.ranker.weights[name] == PRIOR[name]


def test_choices_of_users_who_do_not_search_count_too(impressions: Impressions) -> None:
    """Browsing users choose by `recency`, which is worth nothing in the searches."""
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame({"recency": rng.random(10)}) for _ in range(150)]
    chosen = [(table["recency"] == table["recency"].max()).to_numpy(int) for table in tables]
    evidence = Evidence.of(tables, chosen, PRIOR | {"recency": 8.0})
    alone, both = (
        fit_clicks(impressions, served_ranker(), seed=0, evidence=each).ranker.weights["recency"]
        for each in (None, evidence)
    )
    assert alone < 2 < 5 < both


def test_the_sum_of_evidence_has_the_slopes_of_the_likelihood() -> None:
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame(rng.random((5, 2)), columns=["bm25", "recency"]) for _ in range(30)]
    chosen = [rng.multinomial(1, np.full(5, 0.2)) for _ in tables]
    weights = {"bm25": 1.0, "recency": 2.0, "trending": 0.5}
    evidence = Evidence.of(tables, chosen, weights)

    def cost(bm25: float, recency: float) -> float:
        total = 0.0
        for table, choice in zip(tables, chosen, strict=True):
            scores = table.to_numpy() @ [bm25, recency]
            total -= choice @ (scores - np.log(np.exp(scores).sum()))
        return total

    step = 1e-3
    slopes = [
        (cost(1 + step, 2) - cost(1 - step, 2)) / (2 * step),
        (cost(1, 2 + step) - cost(1, 2 - step)) / (2 * step),
    ]
    np.testing.assert_allclose(evidence.slope, slopes, atol=1e-3)
    moved = np.array([1.1, 1.9])
    assert evidence.cost(moved)[0] == pytest.approx(cost(*moved) - cost(1, 2), abs=1e-3)
    wider = evidence.select(["trending", "recency"], np.array([7.0, 7.0]))
    assert wider.weights.tolist() == [7, 2] and wider.slope[0] == 0
    assert wider.curvature[0].tolist() == [0, 0] and wider.curvature[1, 1] > 0


def test_noisy_clicks_leave_the_proportions_of_the_weights() -> None:
    """A scale of its own takes up the noise; without one all weights would shrink."""
    drawn = draw(500, seed=3, steepness=0.15)
    data = ClickData.of(drawn.features[FEATURES].to_numpy(), drawn.gain, drawn.search, drawn.place)
    model = fit_click_logit(data, np.array(list(TRUE.values())), penalty=0.3)
    assert model.log_scale < -0.7
    np.testing.assert_allclose(model.weights, list(TRUE.values()), atol=1.5)


def test_clicks_on_rarely_shown_places_weigh_more(impressions: Impressions) -> None:
    """Listings that only exploration shows are clicked by their `recency`."""
    weight = np.where(impressions.features["recency"] > 0.9, 8.0, 1.0)
    weighted = Impressions(
        impressions.features,
        impressions.search,
        impressions.place,
        impressions.gain,
        impressions.query,
        weight,
    )
    before, after = (
        fit_clicks(each, served_ranker(), seed=0).ranker.weights["recency"]
        for each in (impressions, weighted)
    )
    assert after > before + 1
