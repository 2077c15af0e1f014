"""Simulated clickers behave as they are described, and their seed decides what they do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from market.search.click_simulation import (
    CLICKERS,
    MAX_SHOWN,
    MIN_SHOWN,
    PLACEBO,
    Clicker,
    PositionBased,
    TopDown,
    leaf_queries,
    simulate_searches,
)

PAGES = 1000
MIXED_PAGE = np.array([True, False] * 5)


def click_rates(clicker: Clicker, relevant: np.ndarray) -> np.ndarray:
    """Return the share of clicks at each place of many pages."""
    rng = np.random.default_rng(0)
    return np.mean([clicker.click(relevant, rng) for _ in range(PAGES)], axis=0)


def test_a_position_based_user_looks_less_often_at_lower_places() -> None:
    rates = click_rates(PositionBased(exponent=1.0, relevant=0.8), np.ones(4, bool))
    np.testing.assert_allclose(rates, 0.8 / np.arange(1, 5), atol=0.06)


def test_trust_adds_clicks_on_irrelevant_listings_at_the_top() -> None:
    nothing = np.zeros(10, bool)
    plain = click_rates(PositionBased(irrelevant=0.05), nothing)
    trusting = click_rates(PositionBased(irrelevant=0.05, trust=0.4), nothing)
    assert trusting[0] > plain[0] + 0.3 and trusting[9] < plain[9] + 0.02


def test_the_cascade_clicks_at_most_once_and_the_bayesian_user_may_go_on() -> None:
    rng = np.random.default_rng(0)
    once = [CLICKERS["cascade"].click(MIXED_PAGE, rng).sum() for _ in range(200)]
    assert max(once) == 1
    again = [CLICKERS["dynamic Bayesian"].click(MIXED_PAGE, rng).sum() for _ in range(200)]
    assert max(again) > 1


def test_a_satisfied_user_hides_what_comes_later() -> None:
    user = TopDown(relevant=1.0, satisfied=1.0, patience=1.0)
    assert user.click(np.ones(3, bool), np.random.default_rng(0)).tolist() == [True, False, False]


@pytest.mark.parametrize("name", CLICKERS)
def test_clicks_show_relevance_at_equal_places(name: str) -> None:
    first, second = (click_rates(CLICKERS[name], page) for page in (MIXED_PAGE, ~MIXED_PAGE))
    assert first[0] > 1.5 * second[0] and second[1] > 1.5 * first[1]


def test_clicks_of_the_placebo_do_not_depend_on_relevance() -> None:
    first, second = (click_rates(PLACEBO, page) for page in (MIXED_PAGE, ~MIXED_PAGE))
    np.testing.assert_allclose(first, second, atol=0.07)
    assert first[0] > 3 * first[9]


def test_searches_show_a_page_near_the_served_order_and_the_seed_decides_them() -> None:
    served, relevant = (
        [np.arange(100)[::-1], np.arange(15)],
        [np.ones(100, bool), np.ones(15, bool)],
    )
    one, same, other = (
        simulate_searches(served, relevant, PLACEBO, searches=50, seed=seed) for seed in (1, 1, 2)
    )
    assert [each.shown.tolist() for each in one] == [each.shown.tolist() for each in same]
    assert [each.shown.tolist() for each in one] != [each.shown.tolist() for each in other]
    for search in one:
        assert MIN_SHOWN <= len(search.shown) <= MAX_SHOWN and len(set(search.shown)) == len(
            search.shown
        )
        best = served[search.query][: len(search.shown) + 8]
        assert set(search.shown) <= set(best) and len(search.clicked) == len(search.shown)


def test_a_word_of_two_leaves_is_no_query() -> None:
    paths = [["Home", "Garden Tables"]] * 5 + [["Home", "Garden Chairs"]] * 5 + [["Sofas"]] * 2
    listings = pd.DataFrame({"product_id": list("abcdefghijkl"), "category_levels": paths})
    queries = leaf_queries(listings)
    assert {leaf: list(texts) for leaf, texts in queries.items()} == {
        "Garden Chairs": ["Garden Chairs", "chairs"],
        "Garden Tables": ["Garden Tables", "tables"],
    }
    assert queries["Garden Chairs"]["chairs"] == set("fghij")
