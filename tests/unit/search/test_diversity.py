"""Diversity: the best listing stays first, and no product appears twice."""

from __future__ import annotations

import numpy as np
import pytest
from handmade import ids, past
from sklearn.preprocessing import normalize

from market.search import diversity
from market.search.engine import Engine
from market.search.vectors import VectorIndex


def test_diversity_keeps_the_best_first_and_changes_the_rest(
    shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = past(25, 35)
    diversified = ids(shop.recommend(history, limit=12))
    monkeypatch.setattr(diversity, "DIVERSITY_WEIGHT", 0.0)
    plain = shop.recommend(history, limit=12)
    assert diversified[0] == ids(plain)[0] and diversified != ids(plain)
    scores = [hit.score for hit in plain.hits]
    assert scores == sorted(scores, reverse=True)


def test_the_best_of_each_group_is_kept_and_a_larger_count_continues() -> None:
    rng = np.random.default_rng(0)
    vectors = normalize(rng.normal(size=(30, 4))).astype(np.float32)
    texts = VectorIndex.build(vectors, "Flat", 1)
    candidates = rng.permutation(30)[:20]
    groups = np.arange(30) // 2
    scores = rng.random(20)
    order = np.argsort(-scores)
    few, many = (
        diversity.diversify(order, candidates, scores, groups, texts, count) for count in (5, 9)
    )
    assert few[0] == many[0] == order[0] and few[:5].tolist() == many[:5].tolist()
    kept = order[diversity.first_of_each_group(groups[candidates[order]])]
    assert sorted(few) == sorted(many) == sorted(kept)
    assert set(groups[candidates[kept]]) == set(groups[candidates])
