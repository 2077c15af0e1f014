"""Facets: the counts equal those of pandas, and those of a search with the counted choice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import photo_of
from hypothesis import given, settings
from hypothesis import strategies as st
from random_catalogues import ROW, make_catalogue, make_table

from market.core.formats import BRITISH, Formats
from market.search.attributes import Condition
from market.search.distances import distance_km
from market.search.engine import Engine
from market.search.facets import Facets, count_facets, without_facet_filters
from market.search.filters import Filters, allowed_listings
from market.search.price_buckets import price_buckets

LEEDS = (53.80, -1.55)
FILTERS = st.builds(
    Filters,
    price_min=st.sampled_from([None, 4.5]),
    price_max=st.sampled_from([None, 50.0]),
    category=st.sampled_from([None, "home", "Home / Sofas", "Toys"]),
    latitude=st.just(LEEDS[0]),
    longitude=st.just(LEEDS[1]),
    radius_km=st.sampled_from([None, 20.0]),
    exclude=st.sampled_from([(), ("p00", "unknown")]),
    exclude_seller=st.sampled_from([(), ("s0",)]),
    include_unavailable=st.booleans(),
    attributes=st.sampled_from(
        [{}, {"brand": Condition(any_of=("sony",))}, {"width": Condition(minimum=6)},
         {"made": Condition(any_of=("2024-01-31",)), "brand": Condition(exists=True)}]
    ),
)  # fmt: skip


def in_category(path: list[str], wanted: str) -> bool:
    return f" / {wanted} / ".casefold() in f" / {' / '.join(path)} / ".casefold()


def expected_rows(table: pd.DataFrame, filters: Filters, *ignored: str) -> pd.DataFrame:
    """Return the rows that pass all filters but the ignored facets, by pandas alone."""
    passing = table["price_flag"].eq("") & ~table["product_id"].isin(filters.exclude)
    passing &= ~table["seller_id"].isin(filters.exclude_seller).fillna(False).astype(bool)
    if not filters.include_unavailable:
        passing &= table["status"].eq("")
    if "prices" not in ignored:
        passing &= table["price"].ge(filters.price_min) if filters.price_min else True
        passing &= table["price"].le(filters.price_max) if filters.price_max else True
    if "categories" not in ignored and (category := filters.category):
        passing &= table["category_levels"].map(lambda path: in_category(path, category))
    if "distances" not in ignored and filters.radius_km:
        passing &= table["distance"].le(filters.radius_km)
    for name, condition in filters.attributes.items():
        values = table[f"attribute_{name}"]
        if name in ignored:
            continue
        if condition.exists:
            passing &= values.notna()
        elif name == "brand":
            passing &= values.str.casefold().eq("sony").fillna(False).astype(bool)
        elif name == "width":
            passing &= values.ge(6)
        else:
            passing &= values.eq(pd.Timestamp("2024-01-31"))
    return table[passing]


@settings(max_examples=25, deadline=None, database=None)
@given(rows=st.lists(ROW, min_size=1, max_size=14), filters=FILTERS)
def test_counts_equal_those_of_pandas(rows: list[dict], filters: Filters) -> None:
    table = make_table(rows)
    catalogue = make_catalogue(table)
    distances = distance_km(*LEEDS, catalogue.sphere)
    table["distance"] = distances
    matched = allowed_listings(catalogue, without_facet_filters(filters), distances)
    facets = count_facets(catalogue, filters, matched, distances, Formats(country="DE"))

    paths = expected_rows(table, filters, "categories")["category_levels"]
    values = {" / ".join(path[:depth]) for path in paths for depth in range(1, len(path) + 1)}
    assert dict(facets.categories) == {
        value: sum(in_category(path, value) for path in paths) for value in values
    }
    prices = expected_rows(table, filters, "prices")["price"]
    assert sum(bucket.count for bucket in facets.prices) == prices.notna().sum()
    for bucket in facets.prices:
        inside = prices.between(
            -1 if bucket.minimum is None else bucket.minimum,
            np.inf if bucket.maximum is None else bucket.maximum,
        )
        assert bucket.count == inside.sum() > 0
    near = expected_rows(table, filters, "distances")["distance"]
    assert facets.distances == [(radius, near.le(radius).sum()) for radius, _ in facets.distances]
    assert max((count for _, count in facets.distances), default=0) == near.notna().sum()
    brand, width, made = facets.attributes
    brands = expected_rows(table, filters, "brand")["attribute_brand"].str.casefold()
    assert {str(value).casefold(): count for value, count in brand.values} == (
        brands.value_counts().to_dict()
    )
    widths = expected_rows(table, filters, "width")["attribute_width"].dropna()
    assert width.listings == len(widths)
    assert (width.minimum, width.maximum) == (
        (widths.min(), widths.max()) if len(widths) else (None, None)
    )
    assert made.listings == expected_rows(table, filters, "made")["attribute_made"].count()


@pytest.mark.parametrize(
    "query",
    [{"text": "lovely guitar or a red sofa"}, {"text": ""}, {"photo": photo_of(20)},
     {"text": "old tent", "photo": photo_of(50)}, {"text": "red", "like": "p05"}],
    ids=["words", "browse", "photo", "both", "like"],
)  # fmt: skip
def test_a_choice_gives_as_many_results_as_its_count(shop: Engine, query: dict[str, Any]) -> None:
    filters = Filters(price_max=70, category="Music", near="Leeds", radius_km=300)
    result = shop.search(**query, filters=filters, facets=True)
    assert replace(result, facets=None) == shop.search(**query, filters=filters)

    def total(**changes: Any) -> int:
        return shop.search(**query, filters=replace(filters, **changes)).total

    assert isinstance(result.facets, Facets) and result.facets.categories
    for value, count in result.facets.categories:
        assert count == total(category=value)
    for bucket in result.facets.prices:
        assert bucket.count == total(price_min=bucket.minimum, price_max=bucket.maximum)
    for radius, count in result.facets.distances:
        assert count == total(radius_km=radius)


def test_a_search_encodes_its_photo_once(shop: Engine) -> None:
    encoded = []

    def encode_photo(photo: Any) -> np.ndarray:
        encoded.append(photo)
        return shop.encode_photo(photo)

    counting = replace(shop, encode_photo=encode_photo)
    counting.search(photo=photo_of(20), filters=Filters(price_max=30), facets=True)
    assert len(encoded) == 1


def test_without_a_place_there_are_no_rings_and_an_unknown_one_has_no_facets(shop: Engine) -> None:
    facets = shop.search("guitar", facets=True).facets
    assert facets is not None and facets.distances == [] and facets.prices
    nowhere = shop.search("guitar", filters=Filters(near="Atlantis"), facets=True).facets
    assert nowhere == Facets([], [], [], [])


def test_rings_are_round_in_the_unit_of_the_country() -> None:
    rows = [{"path": (), "price": 1, "flag": "", "town": (53.96, -1.08), "brand": None,
             "width": 1, "day": None, "group": 0, "seller": None, "status": ""}]  # fmt: skip
    catalogue = make_catalogue(make_table(rows))
    distances = distance_km(*LEEDS, catalogue.sphere)
    rings = [
        count_facets(catalogue, Filters(), np.ones(1, bool), distances, formats).distances
        for formats in (BRITISH, Formats("EUR", "de", "DE"))
    ]
    assert rings == [[(80.4672, 1)], [(50.0, 1)]], "35.6 km are within 50 miles, and within 50 km"


@pytest.mark.parametrize(
    ("prices", "decimals", "minima"),
    [
        ([5, 12, 18, 30, 60, 80, 150, 300, 900, 2000], 2, [None, 10, 20, 50, 100, 500]),
        ([1000, 1010, 1020, 1050, 1080, 1100], 2, [None, 1010, 1020, 1030, 1060]),
        ([900, 1500, 2500, 7000, 20_000], 0, [None, 1000, 2000, 5000, 10_000]),
        ([7, 7, 7], 2, [None]),
        ([0, 0, 5], 2, [None, 1.5]),
        ([np.nan], 2, []),
    ],
)
def test_price_bounds_are_round_and_suit_the_prices(
    prices: list[float], decimals: int, minima: list[float | None]
) -> None:
    buckets = price_buckets(np.array(prices, float), decimals)
    assert [bucket.minimum for bucket in buckets] == minima
    assert all(bucket.count for bucket in buckets)
    unit = 10**-decimals
    for one, following in pairwise(buckets):
        assert one.maximum == pytest.approx(following.minimum - unit)


def test_a_price_with_more_decimals_than_the_currency_is_in_a_bucket() -> None:
    buckets = price_buckets(np.array([1, 2, 9.999, 10, 20, 30]))
    assert [bucket.count for bucket in buckets if bucket.maximum == 9.999] == [1]
