"""Attributes of listings: conditions, counts, words, and listings that are not available."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from handmade import PLACES, Handmade, each_request, ids, make_prices

from market.core.errors import MarketError
from market.search.attributes import (
    AttributeColumns,
    AttributeType,
    Condition,
    Facet,
    attribute_types,
    searchable_texts,
)
from market.search.catalogue import Catalogue
from market.search.engine import Engine
from market.search.filters import NO_FILTERS, Filters
from market.search.index import ROW_COLUMNS, index_columns

TYPES = (
    AttributeType("brand", "category"),
    AttributeType("width", "number", "cm"),
    AttributeType("boxed", "boolean"),
    AttributeType("made", "date"),
    AttributeType("remarks", "text"),
)
BRANDS = ["Sony", "SONY", "Hay", None, "Sony"]
CONDITIONS: dict[str, tuple[Condition, Callable[[pd.Series], bool]]] = {
    "brand": (Condition(any_of=("sony ",)), lambda row: str(row["brand"]).lower() == "sony"),
    "width": (Condition(minimum=20, maximum="40"), lambda row: 20 <= row["width"] <= 40),
    "boxed": (Condition(any_of=("yes",)), lambda row: row["boxed"] is True),
    "made": (Condition(maximum="2020-01-10"), lambda row: row["made"].day <= 10),
    "remarks": (Condition(exists=False), lambda row: row["remarks"] is None),
}


def with_attributes(handmade: Handmade) -> pd.DataFrame:
    """Return the handmade listings with attributes, sellers and statuses."""
    listings = handmade.listings.copy()
    number = np.arange(len(listings))
    columns = {
        "brand": pd.array([BRANDS[n % 5] for n in number], dtype="str"),
        "width": np.where(number % 7 == 0, np.nan, number.astype(float)),
        "boxed": pd.array([[True, False, None][n % 3] for n in number], dtype="boolean"),
        "made": pd.Timestamp("2020-01-01") + pd.to_timedelta(number // 2, unit="D"),
        "remarks": pd.array(["smells of zanzibar" if n % 9 == 0 else None for n in number],
                            dtype="str"),
    }  # fmt: skip
    listings = listings.assign(**{f"attribute_{name}": column for name, column in columns.items()})
    listings["seller_id"] = [f"s{n % 4}" if n else None for n in number]
    listings["status"] = ["SOLD_OUT" if n % 10 == 3 else "active" for n in number]
    return listings


@pytest.fixture(scope="module")
def listings(handmade: Handmade) -> pd.DataFrame:
    return with_attributes(handmade)


@pytest.fixture(scope="module")
def attributed(handmade: Handmade, shop: Engine, listings: pd.DataFrame) -> Engine:
    prices = make_prices(listings)
    catalogue = Catalogue.build(listings, handmade.photos, PLACES, prices, attributes=TYPES)
    return replace(shop, catalogue=catalogue)


def plain_rows(listings: pd.DataFrame) -> pd.DataFrame:
    """Return the attributes under their names, missing ones as None."""
    table = pd.DataFrame({name: listings[f"attribute_{name}"].astype(object)
                          for name, *_ in TYPES})  # fmt: skip
    return table.where(table.notna(), None).assign(width=listings["attribute_width"])


@each_request
@pytest.mark.parametrize("name", CONDITIONS)
def test_every_hit_meets_the_condition(
    attributed: Engine, listings: pd.DataFrame, request_page: Callable, name: str
) -> None:
    condition, meets = CONDITIONS[name]
    filters = Filters(attributes={name: condition}, flagged=True, include_unavailable=True)
    expected = set(listings.loc[plain_rows(listings).apply(meets, axis=1), "product_id"])
    assert 0 < len(expected) < len(listings)
    allowed = set(listings.loc[attributed.allowed(filters), "product_id"])
    assert allowed == expected
    assert set(ids(request_page(attributed, filters=filters, limit=100))) <= expected


def test_several_values_of_one_attribute_are_alternatives(attributed: Engine) -> None:
    def count(*values: str | float, name: str = "brand") -> int:
        condition = {name: Condition(any_of=values)}
        filters = Filters(attributes=condition, flagged=True, include_unavailable=True)
        return int(attributed.allowed(filters).sum())

    assert count("Sony", "Hay") == count("Sony") + count("Hay") == 48
    assert count("Nobody") == 0 and count(5, "6.0", name="width") == 2
    assert count("2020-01-03", name="made") == 2, "a date is the whole day"


def count_attributes(
    engine: Engine, text: str = "", *, filters: Filters = NO_FILTERS
) -> list[Facet]:
    counted = engine.search(text, filters=filters, facets=True).facets
    assert counted is not None
    return counted.attributes


@pytest.mark.parametrize(
    ("name", "condition", "message"),
    [
        ("brnd", Condition(exists=True),
         "no attribute 'brnd': the attributes are brand, width, boxed, made, remarks"),
        ("width", Condition(minimum="wide"), "attribute 'width': 'wide' is not a number"),
        ("width", Condition(any_of=("nan",)), "'nan' is not a number"),
        ("boxed", Condition(any_of=("maybe",)), "'maybe' is neither true nor false"),
        ("made", Condition(maximum="soon"), "'soon' is not a date such as 2024-01-31"),
        ("brand", Condition(minimum=3), "only numbers and dates have a lowest"),
    ],
)  # fmt: skip
def test_a_condition_that_means_nothing_is_an_error(
    attributed: Engine, name: str, condition: Condition, message: str
) -> None:
    with pytest.raises(MarketError, match=message):
        attributed.search(filters=Filters(attributes={name: condition}))


def test_counts_are_exact_and_leave_out_the_own_condition(
    attributed: Engine, listings: pd.DataFrame
) -> None:
    conditions = {"brand": Condition(any_of=("Sony",)), "boxed": Condition(any_of=(True,))}
    filters = Filters(attributes=conditions)
    counted = count_attributes(attributed, "guitar sofa", filters=filters)
    facets = {facet.attribute.name: facet for facet in counted}

    def total(**changes: Condition) -> int:
        changed = Filters(attributes={**conditions, **changes})
        return attributed.search("guitar sofa", filters=changed).total

    assert sum(count for _, count in facets["brand"].values) > total() > 0
    for value, count in facets["brand"].values:
        assert count == total(brand=Condition(any_of=(value,)))
    for value, count in facets["boxed"].values:
        assert count == total(boxed=Condition(any_of=(value,)))
    hits = ids(attributed.search("guitar sofa", filters=filters, limit=100))
    widths = listings.set_index("product_id")["attribute_width"][hits].dropna()
    width = facets["width"]
    assert (width.minimum, width.maximum) == (widths.min(), widths.max())
    assert width.listings == len(widths) and not width.values


def test_values_are_counted_in_their_commonest_spelling(attributed: Engine) -> None:
    everything = Filters(flagged=True, include_unavailable=True)
    brand, width, boxed, made, remarks = count_attributes(attributed, filters=everything)
    assert brand == Facet(TYPES[0], 48, [("Sony", 36), ("Hay", 12)], 2)
    assert boxed.values == [(False, 20), (True, 20)]
    assert (width.minimum, width.maximum) == (1, 59)
    assert (made.minimum, made.maximum) == ("2020-01-01", "2020-01-30")
    assert (remarks.listings, remarks.values) == (7, [])


def test_an_unknown_place_has_no_counts(attributed: Engine) -> None:
    facets = count_attributes(attributed, filters=Filters(near="Atlantis", radius_km=5))
    assert [facet.listings for facet in facets] == [0] * len(TYPES)


def test_without_attributes_nothing_is_counted(shop: Engine) -> None:
    assert count_attributes(shop, "sofa") == []


@each_request
def test_listings_that_are_sold_are_shown_on_request_only(
    attributed: Engine, listings: pd.DataFrame, request_page: Callable
) -> None:
    sold = set(listings.loc[listings["status"] == "SOLD_OUT", "product_id"])
    assert not sold & set(ids(request_page(attributed, limit=100)))
    filters = Filters(include_unavailable=True)
    assert attributed.allowed(filters)[attributed.catalogue.unavailable].sum() == len(sold) == 6
    assert not attributed.listing("p03")["available"] and attributed.listing("p04")["available"]


def test_listings_of_a_seller(attributed: Engine, shop: Engine) -> None:
    result = attributed.search(filters=Filters(seller_id="s2"), limit=100)
    sellers = {attributed.listing(hit.product_id)["seller_id"] for hit in result.hits}
    assert sellers == {"s2"} and attributed.listing("p00")["seller_id"] is None
    assert shop.search(filters=Filters(seller_id="s2")).total == 0


def test_a_listing_has_its_attributes(attributed: Engine) -> None:
    assert attributed.listing("p09")["attributes"] == {
        "brand": "Sony", "width": 9.0, "boxed": True, "made": "2020-01-05",
        "remarks": "smells of zanzibar",
    }  # fmt: skip
    assert set(attributed.listing("p23")["attributes"]) == {"width", "made"}


def test_fields_are_those_that_a_listing_has(shop: Engine, attributed: Engine) -> None:
    usual = ["category", "description", "location", "photo", "place", "price"]
    assert shop.catalogue.fields() == usual
    assert attributed.catalogue.fields() == [*usual, "seller_id", "status"]


def test_a_catalogue_of_names_alone_has_no_fields(handmade: Handmade) -> None:
    listings = handmade.listings.assign(
        description="", location="", price=np.nan, latitude=np.nan, longitude=np.nan,
        category_levels=[[] for _ in range(len(handmade.listings))],
    )  # fmt: skip
    prices = make_prices(listings)
    assert Catalogue.build(listings, handmade.photos[:0], PLACES, prices).fields() == []


def test_words_of_attributes_are_text_and_categories(listings: pd.DataFrame) -> None:
    texts = searchable_texts(listings, TYPES)
    assert texts is not None
    assert (texts[0], texts[1], texts[3]) == ("Sony\nsmells of zanzibar", "SONY", "")
    assert searchable_texts(listings, TYPES[1:4]) is None


def test_types_are_those_of_the_table_or_of_its_columns(listings: pd.DataFrame) -> None:
    guessed = {name: kind for name, kind, _ in attribute_types(listings)}
    assert guessed == {"brand": "category", "width": "number", "boxed": "boolean",
                       "made": "date", "remarks": "category"}  # fmt: skip
    stated = listings.copy()
    stated.attrs["attributes"] = {name: {"type": kind, "unit": unit} for name, kind, unit in TYPES}
    assert attribute_types(stated) == TYPES


def test_the_index_takes_all_attributes() -> None:
    present = ["attribute_size", "seller_id", "split", *ROW_COLUMNS]
    assert index_columns(present) == [*ROW_COLUMNS, "seller_id", "attribute_size"]


@pytest.mark.parametrize(
    ("name", "label"),
    [("brand", "Brand"), ("release_year", "Release year"), ("shelfWidth", "Shelf width"),
     ("Zustand", "Zustand"), ("ブランド", "ブランド"), ("GPU model", "GPU model")],
)  # fmt: skip
def test_labels_of_attributes_are_for_users(name: str, label: str) -> None:
    assert AttributeType(name, "category").label == label


def test_columns_without_any_value_are_empty() -> None:
    empty = pd.DataFrame({
        "attribute_brand": pd.array([None, None], dtype="str"),
        "attribute_width": [np.nan, np.nan],
        "attribute_made": pd.array([None, None], dtype="datetime64[s]"),
    })  # fmt: skip
    columns = AttributeColumns.build(empty, (TYPES[0], TYPES[1], TYPES[3]))
    assert [facet.listings for facet in columns.count(np.ones(2, bool), {})] == [0, 0, 0]
    assert columns.of_listing(0) == {}
    assert not columns.passes({"brand": Condition(any_of=("Sony",))})["brand"].any()
