"""Impressions: training sees the features that the engine had at the moment of the search."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from search_logs import NIGHT, NO_LOG, make_clicks, make_searches

from market.search.collaborative import CollaborativeModel
from market.search.engine import Engine
from market.search.impressions import Impressions, click_gains, query_keys, read_filters
from market.search.tuning import EVERYTHING


def collect(
    engine: Engine,
    searches: pd.DataFrame,
    clicks: pd.DataFrame | None = None,
    log: pd.DataFrame = NO_LOG,
    **options: int,
) -> Impressions:
    options = {"max_searches": 99, "seed": 0} | options
    return Impressions.collect(
        engine, searches, make_clicks() if clicks is None else clicks, log, **options
    )


def make_log(*events: tuple[str, str, int]) -> pd.DataFrame:
    """Return views: user, listing, and the hour before or after NIGHT."""
    table = pd.DataFrame(events, columns=["user_id", "product_id", "hour"])
    table["timestamp"] = NIGHT + pd.to_timedelta(table.pop("hour"), unit="h")
    return table.assign(event="view").sort_values("timestamp", ignore_index=True)


def test_training_sees_the_features_that_serving_sees(shop: Engine) -> None:
    log = make_log(*((f"u{n % 5}", f"p{n:02d}", n - 70) for n in range(60)))
    shown = ["p03", "p06", "p42"]
    searches = make_searches({"query": "lovely guitar", "product_ids": shown, "user_id": "u3"})
    impressions = collect(shop, searches, log=log)
    engine = shop.with_collaborative(CollaborativeModel.fit(log))
    history = log[log["user_id"] == "u3"]
    allowed = engine.allowed(EVERYTHING)
    query = engine.build_query("lovely guitar", is_typing=True)
    rows, served = engine.candidates(query, allowed, history, as_of=NIGHT)
    kept = served.set_axis(engine.catalogue.ids(rows)).reindex(shown)
    known = kept.notna().any(axis=1).to_numpy()
    assert known.sum() >= 2
    pd.testing.assert_frame_equal(
        impressions.features[known].reset_index(drop=True),
        kept[known].reset_index(drop=True),
        check_like=True,
    )
    assert impressions.features["co_occurrence"].max() > 0


def test_nothing_after_a_search_reaches_its_features(shop: Engine) -> None:
    searches = make_searches(
        *({"query": "red sofa", "product_ids": ["p40", "p41"], "user_id": "ann"},) * 4
    )
    log = make_log(("ann", "p40", -2), ("bob", "p41", 1))
    later = make_log(("ann", "p40", -2), ("bob", "p41", 1), ("ann", "p00", 3), ("bob", "p40", 9))
    first, second = (collect(shop, searches, log=each).features for each in (log, later))
    pd.testing.assert_frame_equal(first, second)


def test_places_count_earlier_pages_and_listings_that_left(shop: Engine) -> None:
    searches = make_searches(
        {"query": "tent", "product_ids": ["p30", "gone", "p31"], "offset": 20},
        {"query": "lamp", "product_ids": ["p50", "p51", "p50"], "places": [0, 3, 4]},
    )
    impressions = collect(shop, searches, make_clicks(("s0", "p31", "buy"), ("s0", "gone")))
    assert impressions.place.tolist() == [20, 22, 0, 3]
    assert impressions.search.tolist() == [0, 0, 1, 1]
    assert impressions.gain.tolist() == [0, 4, 0, 0]
    assert impressions.clicked.tolist() == [True, False]


def test_listings_that_a_rule_placed_leave_the_choice(shop: Engine) -> None:
    searches = make_searches(
        {"query": "tent", "product_ids": ["p30", "p31", "p32"], "rules": ["p30"]}
    )
    impressions = collect(shop, searches, make_clicks(("s0", "p30"), ("s0", "p32")))
    assert impressions.place.tolist() == [1, 2]
    assert impressions.gain.tolist() == [0, 1]


def test_rare_listings_of_a_place_weigh_more_up_to_a_limit(shop: Engine) -> None:
    """The mean at a place is 1, or explored places would seem to have more clicks than others."""
    shown = {"query": "tent", "product_ids": ["p30", "p31"]}
    searches = make_searches(
        {**shown, "propensities": [1.0, 0.9]}, {**shown, "propensities": [1.0, 0.001]}, shown
    )
    weight = collect(shop, searches).weight
    np.testing.assert_allclose(weight[[0, 2, 4, 5]], 1)  # never explored, or not logged
    np.testing.assert_allclose(weight[3] / weight[1], 10 * 0.9)
    assert weight[[1, 3]].mean() == pytest.approx(1)


def test_only_searches_in_words_with_a_known_listing_are_read(shop: Engine) -> None:
    searches = make_searches(
        {"query": "tent", "product_ids": ["p30"], "kind": "similar"},
        {"query": " ", "product_ids": ["p30"]},
        {"query": "tent", "product_ids": []},
        {"query": "tent", "product_ids": ["gone"]},
        {"query": "qwxz", "product_ids": ["p30"], "filters": json.dumps({"price_max": 20})},
    )
    impressions = collect(shop, searches)
    assert impressions.search_ids.tolist() == ["s4"] and len(impressions) == 1
    assert len(collect(shop, searches.iloc[:0])) == 0


def test_a_draw_of_searches_is_seeded(shop: Engine) -> None:
    searches = make_searches(*({"query": "tent", "product_ids": ["p30"]},) * 20)
    drawn = [collect(shop, searches, max_searches=5, seed=seed).search_ids for seed in (1, 1, 2)]
    assert len(drawn[0]) == 5
    assert drawn[0].tolist() == drawn[1].tolist() != drawn[2].tolist()


def test_queries_of_the_same_words_share_a_key(shop: Engine) -> None:
    keys = query_keys(shop, ["red sofa", "Sofa  RED", "red sofas", "red guitar", "!?", "??"])
    assert len({*keys[:3]}) == 1
    assert len({*keys}) == 4


@pytest.mark.parametrize(
    ("logged", "read"),
    [
        ({"price_max": 20, "category": "Music"}, {"price_max": 20, "category": "Music"}),
        ({"price_max": "20", "sort": "price", "attr.brand": ["Sony"]}, {"price_max": 20}),
        ({"price_max": "cheap"}, {}),
        ({"price_max": None}, {}),
        ({"radius_km": 5}, {}),  # without a place
        ({"near": "Leeds", "radius_km": 5}, {"near": "Leeds", "radius_km": 5}),
        ({"flagged": False}, {}),
    ],
)
def test_filters_of_any_log_are_read(logged: dict[str, Any], read: dict[str, Any]) -> None:
    assert read_filters(json.dumps(logged)) == replace(EVERYTHING, **read)


def test_strong_events_and_long_views_gain_more() -> None:
    clicks = make_clicks(
        ("s0", "a"), ("s0", "a", "buy"), ("s0", "b", "view", 15.0), ("s0", "c", "view", 0.0),
        ("s0", "d", "view", 900.0), ("s0", "e", "save", 1.0), ("s0", "f", "zoom"),
    )  # fmt: skip
    gains = click_gains(clicks)["s0"].to_dict()
    assert gains == {"a": 4, "b": 0.5, "c": 0.1, "d": 1, "e": 2, "f": 1}


def test_selected_searches_keep_their_rows(shop: Engine) -> None:
    searches = make_searches(
        {"query": "tent", "product_ids": ["p30", "p31"]},
        {"query": "lamp", "product_ids": ["p50"]},
        {"query": "tent", "product_ids": ["p32"]},
    )
    impressions = collect(shop, searches)
    part = impressions.select(np.array([True, False, True]))
    assert part.search.tolist() == [0, 0, 1] and part.place.tolist() == [0, 1, 0]
    assert part.query[0] == part.query[1]
    pd.testing.assert_frame_equal(
        part.features, impressions.features.iloc[[0, 1, 3]].reset_index(drop=True)
    )
