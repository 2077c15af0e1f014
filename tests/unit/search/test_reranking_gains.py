"""The rise of clicks that are added up over the searches for a query."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from market.search.click_metrics import reranking_gains, surplus_clicks
from market.search.impressions import Impressions

# Listing 7 stands second in both searches for query 0, and both users click it.
IMPRESSIONS = Impressions(
    features=pd.DataFrame(index=range(6)),
    search=np.array([0, 0, 1, 1, 2, 2]),
    place=np.array([0, 1, 0, 1, 0, 1]),
    gain=np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0]),
    query=np.array([0, 0, 1]),
    weight=np.ones(6),
    listing=np.array([5, 7, 5, 7, 5, 7]),
)
SHOWN = -IMPRESSIONS.place.astype(float)


def test_the_surplus_is_over_the_mean_listing_at_the_same_place() -> None:
    surplus = surplus_clicks(IMPRESSIONS)
    assert np.allclose(surplus, np.array([-1, 1, -1, 1, 2, -2]) / 3)
    heavy = replace(IMPRESSIONS, weight=np.array([1.0, 1, 1, 1, 2, 2]))
    assert np.allclose(surplus_clicks(heavy), [-0.5, 0.5, -0.5, 0.5, 1, -1])


def test_clicks_on_a_listing_are_added_up_over_the_searches_for_a_query() -> None:
    surplus = surplus_clicks(IMPRESSIONS)
    first, second = reranking_gains(IMPRESSIONS, -SHOWN, SHOWN, surplus)
    # Each listing moves one place, which is the whole list, and the mean query has 1.5 clicks.
    assert np.isclose(first, (2 + 2) / 3 / 1.5) and np.isclose(second, -(2 + 2) / 3 / 1.5)
    assert not reranking_gains(IMPRESSIONS, SHOWN, SHOWN, surplus).any()


def test_clicks_that_places_explain_gain_nothing() -> None:
    searches = 40
    place = np.tile([0, 1], searches)
    impressions = Impressions(
        features=pd.DataFrame(index=range(2 * searches)),
        search=np.repeat(np.arange(searches), 2),
        place=place,
        gain=np.where(place == 0, 1.0, 0.5),  # the same for all listings
        query=np.zeros(searches, int),
        weight=np.ones(2 * searches),
        listing=place,
    )
    surplus = surplus_clicks(impressions)
    [gain] = reranking_gains(impressions, place.astype(float), -place.astype(float), surplus)
    assert abs(gain) < 1e-9


def test_searches_for_a_frequent_query_count_less() -> None:
    limited = IMPRESSIONS.limit_queries(1)
    assert limited.weight.tolist() == [0.5, 0.5, 0.5, 0.5, 1, 1]
    assert IMPRESSIONS.limit_queries(2).weight.tolist() == [1.0] * 6
