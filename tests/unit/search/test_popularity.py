"""The most popular products: counts by hand, and windows that end at a time."""

from __future__ import annotations

import pandas as pd
from logs import START, make_log

from market.search.popularity import Popularity


def test_recent_popularity_counts_only_events_before_the_time() -> None:
    log = make_log({"u": "aab", "v": "abcc"})
    popularity = Popularity(log)
    assert popularity.ranking() == ["a", "b", "c"]
    assert popularity.ranking(START, 1) == [], "no event was before it"
    second = START + pd.Timedelta(minutes=1)
    assert popularity.ranking(second, 1) == ["a"]
    minute = 1 / 24 / 60
    assert popularity.ranking(START + pd.Timedelta(days=9), 2 * minute) == ["c", "b"]


def test_counts_are_in_the_order_of_the_products() -> None:
    popularity = Popularity(make_log({"u": "bba"}))
    assert popularity.products.tolist() == ["a", "b"] and popularity.counts().tolist() == [1, 2]
    empty = Popularity(make_log({"u": "a"})[:0])
    assert empty.ranking() == empty.ranking(START, 3) == []
