"""Ranking: scores explain themselves, and pages fit together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import Handmade, each_request, limit_candidates

from market.search.engine import Engine
from market.search.feature_names import FEATURE_TEXTS
from market.search.filters import Filters


@each_request
@pytest.mark.parametrize("few_candidates", [False, True], ids=["all", "few candidates"])
def test_pages_do_not_overlap_and_add_up_to_the_whole_result(
    shop: Engine, request_page: Callable, few_candidates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if few_candidates:
        limit_candidates(monkeypatch, each=9, browsed=30, pool=12)
    whole = request_page(shop, limit=1000)
    assert len(whole.hits) == whole.total > 5
    pages: list[Any] = []
    for offset in range(0, whole.total + 4, 4):
        page = request_page(shop, limit=4, offset=offset)
        assert page.total == whole.total
        pages += page.hits
    assert pages == whole.hits
    assert len({hit.product_id for hit in pages}) == len(pages)


def test_remaining_matches_follow_the_ranked_candidates(
    handmade: Handmade, shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ranker orders the candidates, and the rest follows as SearchResult describes."""
    limit_candidates(monkeypatch)
    text = "lovely guitar or a red sofa"
    candidates, features = shop.candidates(shop.build_query(text), shop.allowed(Filters()))
    scores, _ = shop.ranker.score(features)
    expected_order = candidates[np.argsort(-scores, kind="stable")]
    result = shop.search(text, limit=100)
    head, tail = result.hits[: len(candidates)], result.hits[len(candidates) :]
    assert [hit.product_id for hit in head] == [f"p{position:02d}" for position in expected_order]
    assert len(tail) > 10
    assert [hit.score for hit in tail] == sorted((hit.score for hit in tail), reverse=True)
    assert all(
        hit.why and hit.why.keys() <= {"bm25", "text_similarity", "image_similarity"}
        for hit in tail
    )

    browsed = shop.search("", limit=100).hits
    created = handmade.listings.set_index("product_id")["created"]
    dates = [created[hit.product_id] for hit in browsed[12:]]
    known = [date for date in dates if not pd.isna(date)]
    assert known == sorted(known, reverse=True)
    assert all(pd.isna(date) for date in dates[len(known) :]), "undated listings come last"


@each_request
def test_contributions_add_up_to_the_score_largest_first(
    shop: Engine, request_page: Callable
) -> None:
    for hit in request_page(shop, limit=100, filters=Filters(near="Leeds")).hits:
        assert set(hit.why) <= set(FEATURE_TEXTS)
        parts = list(hit.why.values())
        assert np.isfinite(hit.score) and sum(parts) == pytest.approx(hit.score)
        assert all(parts) and sorted(map(abs, parts), reverse=True) == [abs(part) for part in parts]


def test_search_results_are_sorted_by_score(shop: Engine) -> None:
    scores = [hit.score for hit in shop.search("red guitar", limit=100).hits]
    assert scores == sorted(scores, reverse=True)
