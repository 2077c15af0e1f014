"""The gains of another order by clicks that are added up over the searches for a query."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.search.click_metrics import reranking_gains
from market.search.impressions import Impressions

EXAMINATION = np.array([1.0, 0.5])


def test_clicks_on_a_listing_are_added_up_over_the_searches_for_a_query() -> None:
    # Listing 7 stands second in both searches for query 0, and both users click it.
    impressions = Impressions(
        features=pd.DataFrame(index=range(6)),
        search=np.array([0, 0, 1, 1, 2, 2]),
        place=np.array([0, 1, 0, 1, 0, 1]),
        gain=np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0]),
        query=np.array([0, 0, 1]),
        weight=np.ones(6),
        listing=np.array([5, 7, 5, 7, 5, 7]),
    )
    shown_order = -impressions.place.astype(float)
    reversed_order = -shown_order
    gained, lost = reranking_gains(impressions, reversed_order, shown_order, EXAMINATION)
    assert gained > 0 > lost and gained > -lost
    # By query, the surplus of each listing over 3 clicks for 4.5 looks, times its rise, 1 or -1.
    assert np.allclose([gained, lost], np.array([8 / 3, -2 / 3]) / 1.5)
    nothing = reranking_gains(impressions, shown_order, shown_order, EXAMINATION)
    assert nothing.tolist() == [0.0, 0.0]


def test_clicks_that_places_explain_gain_nothing() -> None:
    searches = 40
    place = np.tile([0, 1], searches)
    clicked = np.zeros(2 * searches)
    clicked[place == 0], clicked[1::4] = 1.0, 1.0  # every first listing, half of the second
    impressions = Impressions(
        features=pd.DataFrame(index=range(2 * searches)),
        search=np.repeat(np.arange(searches), 2),
        place=place,
        gain=clicked,
        query=np.zeros(searches, int),
        weight=np.ones(2 * searches),
        listing=place,
    )
    [gain] = reranking_gains(
        impressions, place.astype(float), -place.astype(float), np.array([1, 0.5])
    )
    assert abs(gain) < 1e-9
