"""Weights of query features: fitted by gradient, near their prior, on what the engine ranks by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import check_grad

from market.search import tuning
from market.search.engine import Engine, Filters, Query
from market.search.evaluation import fuse_ranks
from market.search.feature_names import MATCH_FEATURES, PRIOR, QUERY_FEATURES, rank_detail
from market.search.metrics import score_list
from market.search.ranker import Ranker
from market.search.tuning import (
    EVERYTHING,
    MAX_RELEVANT,
    SOFTNESS,
    AnsweredQuery,
    QueryCandidates,
    answer_queries,
    fit_weights,
)

PRIOR_WEIGHTS = {name: PRIOR[name] for name in QUERY_FEATURES}


def toy_candidates(count: int, seed: int) -> QueryCandidates:
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(rng.random((count, len(QUERY_FEATURES))), columns=list(QUERY_FEATURES))
    return QueryCandidates([str(number) for number in range(count)], features, rng.random(count))


def toy_queries(right: str, count: int = 40) -> list[AnsweredQuery]:
    """Draw queries whose relevant listing has the largest value of the feature `right`."""
    drawn = [toy_candidates(30, seed) for seed in range(count)]
    return [AnsweredQuery.of(each, {str(each.features[right].idxmax())}) for each in drawn]


def test_smooth_ndcg_of_scores_far_apart_is_the_ndcg_of_the_ranking() -> None:
    for count, answers in ((30, {"2", "4"}), (30, {str(n) for n in range(15)}), (4, {"9"})):
        candidates = toy_candidates(count, seed=count)
        query = AnsweredQuery.of(candidates, answers)
        scores = np.random.default_rng(1).permutation(count) * 100 * SOFTNESS
        value, _ = replace(query, other_scores=scores).smooth_ndcg(np.zeros(len(QUERY_FEATURES)))
        exact = score_list(candidates.ranking(scores), answers)["ndcg@10"]
        # Only a listing near place ten differs, because the edge of the first ten is smooth.
        assert value == pytest.approx(exact, abs=0.1)


def test_the_gradient_of_smooth_ndcg_is_exact() -> None:
    query = AnsweredQuery.of(toy_candidates(20, seed=3), {"1", "7", "8", "absent"})
    weights = np.random.default_rng(0).random(len(QUERY_FEATURES)) * 4
    error = check_grad(
        lambda point: query.smooth_ndcg(point)[0],
        lambda point: query.smooth_ndcg(point)[1],
        weights,
    )
    assert error < 1e-5


@pytest.mark.parametrize("right", ["bm25", "text_similarity.short", rank_detail("bm25")])
def test_the_most_useful_feature_gains_the_most_weight(right: str) -> None:
    weights = fit_weights([toy_queries(right), []])
    gains = {name: weights[name] - PRIOR[name] for name in QUERY_FEATURES}
    assert max(gains, key=lambda name: gains[name]) == right and gains[right] > 1
    assert min(weights.values()) >= 0


def test_a_feature_that_misleads_loses_its_weight() -> None:
    queries = []
    for query in toy_queries("bm25", 60):
        features = query.features.copy()
        features[query.relevant, QUERY_FEATURES.index("text_similarity")] = 0.0
        queries.append(replace(query, features=features))
    assert fit_weights([queries])["text_similarity"] < 0.1


def test_each_large_set_of_queries_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "FULL_COUNT", 10)
    words, photos = toy_queries("bm25", 10), toy_queries("image_similarity", 10)
    one, two, three = (
        fit_weights(sets)["image_similarity"]
        for sets in ([words], [words, photos], [words, photos * 3])
    )
    assert one < two == pytest.approx(three, abs=0.05)


def test_a_few_queries_move_the_weights_less_than_many() -> None:
    few, many = (fit_weights([toy_queries("bm25", count)])["bm25"] for count in (2, 100))
    assert PRIOR["bm25"] < few < many


@pytest.mark.parametrize("sets", [[], [[], []]])
def test_without_queries_weights_are_the_prior(sets: list[list[AnsweredQuery]]) -> None:
    assert fit_weights(sets) == PRIOR_WEIGHTS


def test_queries_without_a_relevant_candidate_do_not_move_the_weights() -> None:
    empty = QueryCandidates([], pd.DataFrame(columns=list(QUERY_FEATURES)), np.empty(0))
    missed = AnsweredQuery.of(toy_candidates(9, seed=0), {"absent"})
    assert fit_weights([[missed, AnsweredQuery.of(empty, {"1"})]]) == PRIOR_WEIGHTS


def test_only_the_best_of_many_relevant_candidates_count() -> None:
    candidates = toy_candidates(3 * MAX_RELEVANT, seed=0)
    query = AnsweredQuery.of(candidates, set(candidates.ids))
    assert len(query.relevant) == MAX_RELEVANT and query.n_relevant == 3 * MAX_RELEVANT
    scores = candidates.features.to_numpy() @ np.array([*PRIOR_WEIGHTS.values()])
    assert set(np.argsort(-scores)[:MAX_RELEVANT]) == set(query.relevant)


def test_weights_are_fitted_on_the_features_that_are_served(shop: Engine) -> None:
    """A search ranks the candidates by exactly the features that the fit has seen."""
    fresh = shop.with_ranker(Ranker.prior()).with_collaborative(None)
    queries = {
        " ".join(name.split()[:2]): set(rows)
        for name, rows in shop.listings.groupby("name")["product_id"]
    }
    queries = dict(list(queries.items())[:6])
    answered = answer_queries(fresh, queries)
    weights = fit_weights([answered])
    fresh = fresh.with_ranker(fresh.ranker.with_weights(weights))
    for text, before, after in zip(queries, answered, answer_queries(fresh, queries), strict=True):
        np.testing.assert_array_equal(after.features, before.features)
        candidates = QueryCandidates.of(fresh, text)
        scores = candidates.features.to_numpy() @ [*weights.values()] + candidates.other_scores
        hits = fresh.search(f"{text} ", filters=EVERYTHING, limit=50).hits
        served = {hit.product_id: hit.score for hit in hits}
        expected = dict(zip(candidates.ids, scores, strict=True))
        assert served == pytest.approx({id_: expected[id_] for id_ in served})


def test_candidates_have_the_features_that_the_engine_ranks_by(shop: Engine) -> None:
    name = shop.listings["name"].iat[0]
    candidates = QueryCandidates.of(shop, name)
    ids, features = candidates.ids, candidates.features
    assert features.columns.tolist() == list(QUERY_FEATURES) and features.notna().all(axis=None)
    assert len(ids) == len(features) == len(set(ids))
    assert candidates.ranking(features["bm25"].to_numpy())[0] == shop.listings["product_id"][0]
    fused = fuse_ranks(features[list(MATCH_FEATURES)])
    assert fused.max() <= len(MATCH_FEATURES) / 61 and fused.min() > 0
    assert shop.candidates(Query(), shop.allowed(Filters(flagged=True)))[0].size == 60
