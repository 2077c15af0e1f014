"""Weights of query features: the best of the grid, on the features that the engine ranks by."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from market.search.engine import Engine, Filters, Query
from market.search.evaluation import fuse_ranks
from market.search.metrics import score_list
from market.search.ranker import PRIOR, QUERY_FEATURES, Ranker
from market.search.tuning import (
    EVERYTHING,
    GRID,
    TOTAL_WEIGHT,
    QueryCandidates,
    choose_weights,
    ndcg_by_weights,
    score_weights,
)


def toy_queries(right: str, count: int = 12) -> list[np.ndarray]:
    """Draw queries whose relevant listing has the largest value of the feature `right`."""
    rng = np.random.default_rng(0)
    queries = []
    for _ in range(count):
        features = pd.DataFrame(rng.random((30, len(QUERY_FEATURES))), columns=list(QUERY_FEATURES))
        ids = [str(number) for number in range(30)]
        candidates = QueryCandidates(ids, features, np.zeros(len(ids)))
        queries.append(ndcg_by_weights(candidates, {str(features[right].idxmax())}))
    return queries


def test_ndcg_by_weights_equals_the_score_of_each_ranking() -> None:
    rng = np.random.default_rng(1)
    for count, relevant in (
        (30, set("24")),
        (30, {str(n) for n in range(15)}),
        (4, set("9")),
        (0, {"1"}),
    ):
        table = rng.random((count, len(QUERY_FEATURES)))
        ids = [str(number) for number in range(count)]
        features = pd.DataFrame(table, columns=list(QUERY_FEATURES))
        candidates = QueryCandidates(ids, features, rng.random(count))
        values = ndcg_by_weights(candidates, relevant)
        assert values.shape == (len(GRID),)
        for weights, value in list(zip(GRID, values, strict=True))[::20]:
            scores = table @ weights * TOTAL_WEIGHT + candidates.other_scores
            order = candidates.ranking(scores)
            assert value == pytest.approx(score_list(order, relevant)["ndcg@10"])


@pytest.mark.parametrize("right", QUERY_FEATURES)
def test_the_most_useful_feature_has_the_largest_weight(right: str) -> None:
    weights = choose_weights([toy_queries(right), []])
    assert max(weights, key=lambda name: weights[name]) == right
    assert sum(weights.values()) == pytest.approx(sum(PRIOR[name] for name in QUERY_FEATURES))
    assert min(weights.values()) >= 0


def test_each_set_of_queries_counts_the_same() -> None:
    many, few = toy_queries("bm25", 40), toy_queries("image_similarity", 4)
    one, two, joined = (
        choose_weights(sets)["image_similarity"] for sets in ([many], [many, few], [many + few])
    )
    assert one == 0 < two and joined < two


@pytest.mark.parametrize("sets", [[], [[], []], [[np.ones(len(GRID))]]])
def test_without_queries_to_choose_on_weights_are_even(sets: list) -> None:
    weights = choose_weights(sets)
    assert max(weights.values()) - min(weights.values()) < 0.11 * sum(weights.values())


def test_weights_are_chosen_on_the_features_that_are_served(shop: Engine) -> None:
    """With the chosen weights the engine reaches the best NDCG@10 of the grid."""
    names = shop.listings["name"].unique()[:8]
    ids_of_name = {
        name: set(shop.listings.loc[shop.listings["name"] == name, "product_id"]) for name in names
    }
    queries = {" ".join(name.split()[:2]): ids for name, ids in ids_of_name.items()}

    fresh = shop.with_ranker(Ranker.prior()).with_collaborative(None)
    before = score_weights(fresh, queries)
    weights = choose_weights([before])
    fresh = fresh.with_ranker(fresh.ranker.with_weights(weights))
    np.testing.assert_array_equal(score_weights(fresh, queries), before)
    served = [
        score_list(
            [hit.product_id for hit in fresh.search(text, filters=EVERYTHING, limit=50).hits],
            ids,
        )["ndcg@10"]
        for text, ids in queries.items()
    ]
    assert np.mean(served) == pytest.approx(np.mean(before, axis=0).max())


def test_candidates_have_the_features_that_the_engine_ranks_by(shop: Engine) -> None:
    name = shop.listings["name"].iat[0]
    candidates = QueryCandidates.of(shop, name)
    ids, features = candidates.ids, candidates.features
    assert features.columns.tolist() == list(QUERY_FEATURES) and features.notna().all(axis=None)
    assert len(ids) == len(features) == len(set(ids))
    assert candidates.ranking(features["bm25"].to_numpy())[0] == shop.listings["product_id"][0]
    fused = fuse_ranks(features)
    assert fused.max() <= len(QUERY_FEATURES) / 61 and fused.min() > 0
    assert shop.candidates(Query(), shop.allowed(Filters(flagged=True)))[0].size == 60
