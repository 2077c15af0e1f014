"""Filters: every hit of every kind of request satisfies them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from handmade import FLAGGED, REQUESTS, each_request, ids

from market.search.engine import Engine
from market.search.filters import Filters


def in_category(path: list[str], *names: str) -> bool:
    """Return whether the names follow one another in the path."""
    joined = "|".join(["", *path, ""])
    return "|".join(["", *names, ""]) in joined


@each_request
@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (Filters(price_min=50), lambda row: row["price"] >= 50),
        (Filters(price_max=50), lambda row: row["price"] <= 50),
        (Filters(price_min=30, price_max=30), lambda row: row["price"] == 30),
        (Filters(price_min=31, price_max=29), lambda row: False),
        (Filters(category="Music"), lambda row: in_category(row["category_levels"], "Music")),
        (
            Filters(category=" home & garden "),
            lambda row: in_category(row["category_levels"], "Home & Garden"),
        ),
        (Filters(category="Other"), lambda row: in_category(row["category_levels"], "Other")),
        (
            Filters(category="Camping / Other"),
            lambda row: in_category(row["category_levels"], "Camping", "Other"),
        ),
        (
            Filters(category="Sports / Cycling / Bicycles"),
            lambda row: in_category(row["category_levels"], "Bicycles"),
        ),
        (Filters(category="Sports / Other"), lambda row: False),
        (Filters(category="Instrument"), lambda row: False),
        (Filters(near="Leeds", radius_km=1), lambda row: row["location"].startswith("Leeds")),
        (Filters(near="leeds,  WEST yorkshire", radius_km=50),
         lambda row: "Yorkshire" in row["location"]),
        (Filters(near="London", radius_km=500), lambda row: "Ambridge" not in row["location"]),
        (Filters(near="London", radius_km=0), lambda row: row["location"] == "London"),
        (Filters(), lambda row: True),
    ],
)  # fmt: skip
def test_every_hit_satisfies_the_filters(
    shop: Engine, request_page: Callable, filters: Filters, passes: Callable[[pd.Series], bool]
) -> None:
    allowed = shop.listings[
        shop.listings.apply(passes, axis=1) & shop.listings["price_flag"].eq("")
    ]
    found_ids = ids(request_page(shop, filters=filters, limit=100))
    assert set(found_ids) <= set(allowed["product_id"])
    if request_page is REQUESTS["empty"]:
        assert set(found_ids) == set(allowed["product_id"]), "browsing shows all of them"


@each_request
def test_listings_with_flagged_prices_are_shown_on_request_only(
    shop: Engine, request_page: Callable
) -> None:
    flagged = {f"p{number}" for number in FLAGGED}
    assert not flagged & set(ids(request_page(shop, limit=100)))
    if request_page not in (REQUESTS["similar"], REQUESTS["photo"]):
        assert flagged & set(ids(request_page(shop, filters=Filters(flagged=True), limit=100)))


@each_request
@pytest.mark.parametrize("near", ["Atlantis", "🔥", " ", "Ambridge", "'; DROP TABLE"])
def test_an_unknown_place_is_reported_without_hits(
    shop: Engine, request_page: Callable, near: str
) -> None:
    result = request_page(shop, filters=Filters(near=near, radius_km=10_000))
    assert (result.hits, result.total, result.unknown_place) == ([], 0, near)


def test_distances_are_from_the_filters_place(shop: Engine) -> None:
    result = shop.search("guitar", filters=Filters(near="York"), limit=100)
    assert result.unknown_place is None and len(result.hits) > 5
    for hit in result.hits:
        location = shop.listing(hit.product_id)["location"]
        expected = {"Leeds": 35.6, "York": 0, "London": 279.2}.get(location.partition(",")[0])
        assert hit.distance_km == (None if expected is None else pytest.approx(expected, abs=1))
    assert all(hit.distance_km is None for hit in shop.search("guitar").hits)


def test_near_without_a_radius_ranks_near_listings_first(shop: Engine) -> None:
    for town in ("Leeds", "London"):
        hits = shop.search(filters=Filters(near=town, category="Lighting")).hits
        assert shop.listing(hits[0].product_id)["location"].startswith(town)


@each_request
def test_filters_that_nothing_passes_give_an_empty_result(
    shop: Engine, request_page: Callable
) -> None:
    result = request_page(shop, filters=Filters(price_min=1e9))
    assert (result.hits, result.total) == ([], 0)
