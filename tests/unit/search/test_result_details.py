"""Explanations of listings that the gate withholds, or that the cut-off leaves out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
from handmade import ids, photo_of

from market.search.engine import Engine
from market.search.filters import Filters
from market.search.relevance import WORD_FEATURES, Cutoff, Relevance
from market.search.rules import Rules

CHEAP = Filters(price_max=5)


def obstacles(engine: Engine, text: str, listing: str, filters: Filters = CHEAP) -> list[str]:
    explanation = engine.search(text, filters=filters, explain=listing).explanation
    assert explanation is not None and explanation.rank is None
    return [obstacle.code for obstacle in explanation.obstacles]


def test_of_an_expired_listing_only_that_is_told(shop: Engine) -> None:
    expires = np.full(len(shop.catalogue), np.datetime64("NaT", "us"))
    expires[4] = np.datetime64("2020-01-01")
    engine = replace(shop, catalogue=replace(shop.catalogue, expires=expires))
    assert obstacles(engine, "guitar", "p04") == ["expired"]
    assert obstacles(engine, "sofa", "p05") == ["price_max", "no_match"]


def test_of_a_hidden_listing_only_that_is_told(shop: Engine) -> None:
    rules = Rules.parse("hidden: [{name: h, listings: {ids: [p04]}}]")
    engine = shop.with_rules(rules, date(2024, 1, 1))
    assert obstacles(engine, "guitar", "p04") == ["hidden"]


def test_a_listing_below_the_cut_off(shop: Engine) -> None:
    weights = dict.fromkeys(WORD_FEATURES, 0.0) | {"bm25_of_best": 10.0}
    engine = shop.with_relevance(Relevance(words=Cutoff(weights, -5.0, 0.95, 0.1)))
    shown = engine.search("old guitar", limit=100)
    listing = next(hit.product_id for hit in shop.search("old guitar", limit=100).hits
                   if hit.product_id not in ids(shown))  # fmt: skip
    assert obstacles(engine, "old guitar", listing, Filters()) == ["below_cut_off"]
    facets = engine.search("old guitar", facets=True).facets
    assert facets is not None and sum(bucket.count for bucket in facets.prices) == shown.total


def test_a_search_by_a_listing_leaves_that_one_out(shop: Engine) -> None:
    explanation = shop.search("red", like="p05", explain="p05").explanation
    assert explanation is not None
    assert [obstacle.code for obstacle in explanation.obstacles] == ["own_query"]


def test_ranks_are_those_of_the_result(shop: Engine) -> None:
    for sort in ("relevance", "price_desc"):
        hits = ids(shop.search("guitar", photo=photo_of(20), sort=sort, limit=100))
        for place in (0, len(hits) // 2, len(hits) - 1):
            explanation = shop.search(
                "guitar", photo=photo_of(20), sort=sort, limit=1, explain=hits[place]
            ).explanation
            assert explanation is not None and explanation.rank == place + 1
