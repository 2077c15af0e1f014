"""What rules cost: NDCG@10 of known queries with and without them."""

from __future__ import annotations

from datetime import date

import pytest

from market.search.engine import Engine
from market.search.ranker import Ranker
from market.search.ranking_models import SearchTest
from market.search.rules import Rules
from market.search.rules_cost import latest_day, rules_cost

DAY = date(2022, 3, 1)


@pytest.fixture
def tests(shop: Engine) -> list[SearchTest]:
    weights = Ranker.prior().weights
    return [
        SearchTest("known_items", {"red guitar": {"p00", "p01"}}, weights),
        SearchTest("category_names", {"tent": {"p31"}, "lamp": {"p52"}}, weights),
    ]


def test_without_rules_the_key_says_so(shop: Engine, tests: list[SearchTest]) -> None:
    expired = Rules.parse("hidden: [{name: h, listings: {ids: [p00]}, until: 2022-02-28}]")
    for rules in (Rules(), expired):
        cost = rules_cost(shop, rules, tests, day=DAY, seed=3)
        assert cost == {"active": 0, "day": "2022-03-01", "seed": 3}


def test_the_cost_is_the_loss_of_ndcg(shop: Engine, tests: list[SearchTest]) -> None:
    text = "pins: [{name: a, listing: p55, place: 1, queries: [red guitar]}]"
    cost = rules_cost(shop, Rules.parse(text), tests, day=DAY, seed=3)
    assert cost["active"] == 1
    known, names = cost["known_items"], cost["category_names"]
    assert known["n"] == known["changed"] == 1 and known["cost"] > 0
    assert known["cost"] == pytest.approx(known["without"] - known["with"])
    assert names["n"] == 2 and names["changed"] == names["cost"] == 0


def test_the_day_is_the_latest_of_the_listings(shop: Engine) -> None:
    assert latest_day(shop) == DAY
