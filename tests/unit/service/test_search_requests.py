"""Searches over HTTP: sorts, cursors, facets, limits, batches and explanations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from random_catalogues import encode_text, make_engine, make_table

from market.search.encoders import CachedTextEncoder
from market.search.engine import Engine
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings

NO_PHOTOS: Any = SimpleNamespace(nominal_sizes=(480, 1200), version=lambda: "v")
LEEDS = {"latitude": 53.80, "longitude": -1.55}
BASE: dict[str, Any] = {
    "path": ("Home", "Lamps"), "price": 20, "flag": "", "town": (53.80, -1.55), "brand": "Sony",
    "width": 5, "day": "2024-01-31", "group": 0, "seller": "s0", "status": "",
}  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {},
    {"price": 12, "brand": "Hay", "seller": "s1"},
    {"price": 300, "width": 80, "town": (51.51, -0.13)},
    {"price": 12.5, "path": ("Toys",), "status": "SOLD", "brand": None},
    {"flag": "placeholder", "price": 1},
    {"price": float("nan"), "group": 6, "day": None, "town": (float("nan"), float("nan"))},
    {"price": 40, "group": 6, "day": "2024-03-01"},
    {"price": 60, "seller": None, "day": "2022-03-01"},
]
NAMES = [
    "red lamp",
    "red lamp",
    "red lamp",
    "red train",
    "red lamp",
    "red lamp",
    "old lamp",
    "sofa",
]


@pytest.fixture(scope="module")
def shop() -> Engine:
    table = make_table([{**BASE, "group": 10 + n, **row} for n, row in enumerate(ROWS)])
    return make_engine(table, NAMES)


@pytest.fixture(scope="module")
def client(shop: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("events")
    store = EventStore(f"sqlite:///{folder}/events.sqlite")
    app = make_app(shop, NO_PHOTOS, store, Settings())
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def search(client: TestClient, **parameters: Any) -> dict[str, Any]:
    answer = client.get("/api/search", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(results: dict[str, Any]) -> list[str]:
    return [hit["product_id"] for hit in results["hits"]]


def test_facets_are_counted_without_their_own_filter(client: TestClient) -> None:
    results = search(
        client, **LEEDS, facets=True, price_max=30, category="Lamps", **{"attr.brand": "Hay"}
    )
    assert ids(results) == ["p01"] and results["total"] == 1
    facets = results["facets"]
    assert facets["categories"] == [
        {"value": "Home", "count": 1}, {"value": "Home / Lamps", "count": 1}
    ]  # fmt: skip
    assert facets["prices"] == [{"minimum": None, "maximum": None, "count": 1}]
    assert facets["distances"] == [{"maximum_km": 1.609344, "count": 1}]
    assert results["attributes"][0]["values"] == [
        {"value": "Hay", "count": 1}, {"value": "Sony", "count": 1}
    ]  # fmt: skip
    assert search(client)["facets"] is None


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("price", ["p01", "p00", "p06", "p07", "p02", "p05"]),
        ("price_desc", ["p02", "p07", "p06", "p00", "p01", "p05"]),
        ("newest", ["p06", "p00", "p01", "p02", "p07", "p05"]),
    ],
)
def test_sorted_pages_by_cursor(client: TestClient, sort: str, expected: list[str]) -> None:
    page = search(client, sort=sort, limit=2)
    shown = ids(page)
    while page["next_cursor"] is not None:
        page = search(client, sort=sort, limit=2, cursor=page["next_cursor"], facets=True)
        shown += ids(page)
    if sort == "newest":  # equal dates are in order of relevance
        assert shown[0] == "p06" and set(shown[1:4]) == {"p00", "p01", "p02"}
    else:
        assert shown == expected
    assert shown[-2:] == expected[-2:] and page["total"] == 6


def test_distance_sorts_the_unknown_places_last(client: TestClient) -> None:
    results = search(client, **LEEDS, sort="distance")
    assert ids(results)[-2:] == ["p02", "p05"]
    assert results["hits"][0]["distance_km"] == 0 and results["hits"][-1]["distance_km"] is None


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"sort": "distance"}, "sort=distance needs a place to measure from: give near, or "
                               "latitude and longitude"),
        ({"sort": "cheapest"}, "sort: Input should be 'relevance', 'price', 'price_desc', "
                               "'newest' or 'distance'"),
        ({"latitude": 1}, "latitude and longitude belong together: give both or neither"),
        ({"longitude": 1, "near": "Leeds"},
         "latitude and longitude belong together: give both or neither"),
        ({**LEEDS, "near": "Leeds"},
         "near and latitude with longitude both name a place: give one of them"),
        ({"radius_km": 5}, "radius_km needs near, the town to measure from, or latitude and "
                           "longitude"),
        ({**LEEDS, "latitude": 91}, "latitude: Input should be less than or equal to 90"),
        ({"cursor": "abc", "offset": 2},
         "cursor and offset both name a place: give one of them"),
        ({"cursor": "abc"}, "cursor is damaged or no cursor: send `next_cursor` of an answer, or "
                            "no cursor for the first page"),
        ({"max_per_seller": 0}, "max_per_seller: Input should be greater than or equal to 1"),
        ({"listing": "p01"}, "listing needs explain=true"),
        ({"exclude": ["p01", ""]},
         "exclude.1: String should have at least 1 character"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_in_one_line(
    client: TestClient, parameters: dict[str, Any], error: str
) -> None:
    answer = client.get("/api/search", params=parameters)
    assert (answer.status_code, answer.json()) == (422, {"error": error})
    # A batch gives the same line for this search alone.
    batch = client.post("/api/search/batch", json={"searches": [parameters, {"q": "sofa"}]})
    wrong, right = batch.json()["results"]
    assert wrong == {"error": error} and right["total"] == 1


def test_a_cursor_is_for_its_search_alone(client: TestClient) -> None:
    cursor = search(client, q="lamp", limit=1)["next_cursor"]
    assert ids(search(client, q="lamp", limit=3, cursor=cursor))
    for change in ({"q": "sofa"}, {"sort": "price"}, {"price_max": 500}, {"attr.brand": "Sony"},
                   {"user": "anna"}, {"exclude": "p07"}, {"collapse": True}):  # fmt: skip
        parameters = {"q": "lamp", "cursor": cursor, **change}
        answer = client.get("/api/search", params=parameters)
        assert answer.status_code == 422
        assert answer.json()["error"].startswith("cursor belongs to another search"), change


def test_excluded_listings_and_sellers(client: TestClient) -> None:
    every = set(ids(search(client)))
    without = search(client, exclude=["p00", "p07", "unknown"])
    assert set(ids(without)) == every - {"p00", "p07"}
    assert set(ids(search(client, exclude_seller=["s0"]))) == {"p01", "p07"}
    assert set(ids(search(client, exclude_seller=["s0", "s1"]))) == {"p07"}


def test_attributes_are_equal_any_of_in_a_range_or_known(client: TestClient) -> None:
    assert ids(search(client, **{"attr.width_min": 6})) == ["p02"]
    assert len(ids(search(client, **{"attr.brand": ["hay", "Sony"]}))) == 6
    assert ids(search(client, **{"attr.made_exists": False})) == ["p05"]
    assert ids(search(client, **{"attr.made": "2024-03-01"})) == ["p06"]
    assert ids(search(client, **{"attr.made_max": "2023-01-01"})) == ["p07"]


def test_copies_and_sellers_are_limited(client: TestClient) -> None:
    collapsed = search(client, collapse=True)
    copies = {hit["product_id"]: hit["copies"] for hit in collapsed["hits"]}
    assert collapsed["total"] == 5 and sorted(copies.values()) == [0, 0, 0, 0, 1]
    limited = search(client, max_per_seller=1)
    sellers = [hit["seller_id"] for hit in limited["hits"]]
    assert sorted(map(str, sellers)) == ["None", "s0", "s1"] and limited["total"] == 3
    assert {hit["copies"] for hit in limited["hits"]} == {None}


@pytest.mark.parametrize(
    ("parameters", "listing", "obstacles"),
    [
        ({"price_max": 100, "attr.brand": "Hay"}, "p02",
         ["price_max: the price £300 is above price_max (£100)",
          "attr.brand: brand is 'Sony', not 'Hay'"]),
        ({"price_min": 5}, "p05", ["price_min: the price is unknown, and price_min is £5"]),
        ({}, "p03", ["include_unavailable: the listing is no longer available (status 'SOLD'): "
                     "include_unavailable=true shows such listings"]),
        ({}, "p04", ["flagged: the price is marked 'placeholder': flagged=true shows such "
                     "listings"]),
        ({"category": "Toys"}, "p00", ["category: the category is Home / Lamps, not Toys"]),
        ({**LEEDS, "radius_km": 50}, "p02",
         ["radius_km: the distance of 272.0 km is beyond radius_km of 50 around 53.8, -1.55"]),
        ({"exclude": "p00"}, "p00", ["exclude: exclude names the listing"]),
        ({"exclude_seller": "s0"}, "p00",
         ["exclude_seller: the seller is 's0', which exclude_seller names"]),
        ({"seller_id": "s1"}, "p00", ["seller_id: the seller is 's0', not 's1'"]),
        ({"attr.width_min": 6, "attr.width_max": 9}, "p00",
         ["attr.width: width is 5.0, not at least 6 and at most 9"]),
        ({"q": "sofa"}, "p00", ["no_match: it does not match: it has no word of the query, and "
                                "the similarity of its text is below 0.2"]),
        ({"q": "sofa", "price_min": 25}, "p00",
         ["price_min: the price £20 is below price_min (£25)",
          "no_match: it does not match: it has no word of the query, and the similarity of its "
          "text is below 0.2"]),
        ({"collapse": True, "sort": "price"}, "p05",
         ["copy: it is a copy of p06, which collapse shows at rank 3"]),
        ({"max_per_seller": 2, "sort": "price"}, "p02",
         ["seller_limit: max_per_seller is 2, and that many listings of its seller rank higher"]),
    ],
)  # fmt: skip
def test_every_obstacle_of_a_listing_is_named(
    client: TestClient, parameters: dict[str, Any], listing: str, obstacles: list[str]
) -> None:
    results = search(client, **parameters, explain=True, listing=listing)
    assert listing not in ids(results)
    explanation = results["explanation"]
    lines = [f"{each['code']}: {each['text']}" for each in explanation["obstacles"]]
    assert lines == obstacles
    assert (explanation["shown"], explanation["rank"]) == (False, None)


def test_a_shown_listing_has_its_rank_and_all_contributions(client: TestClient) -> None:
    whole = search(client, sort="price", explain=True, listing="p07")
    assert whole["explanation"] == {
        "product_id": "p07", "shown": True, "rank": 4, "obstacles": [],
    }  # fmt: skip
    assert ids(whole)[3] == "p07"
    for hit in whole["hits"]:
        assert sum(hit["contributions"].values()) == pytest.approx(hit["score"])
    assert search(client)["hits"][0]["contributions"] is None
    unknown = client.get("/api/search", params={"explain": True, "listing": "nothing"})
    assert (unknown.status_code, unknown.json()) == (
        404, {"error": "there is no product 'nothing'"},
    )  # fmt: skip


def test_a_batch_answers_each_search_like_a_request_of_its_own(client: TestClient) -> None:
    searches: list[dict[str, Any]] = [
        {"q": "lamp", "limit": 2, "facets": True},
        {"attr.brand": ["Hay", "sony"], "attr.width_min": 6, "sort": "price"},
        {"exclude": ["p00"], "user": None, "collapse": True},
    ]
    results = client.post("/api/search/batch", json={"searches": searches}).json()["results"]
    for given, result in zip(searches, results, strict=True):
        alone = search(client, **{name: v for name, v in given.items() if v is not None})
        assert result == alone | {"search_id": result["search_id"]}


def test_a_batch_encodes_its_queries_together(shop: Engine) -> None:
    passes: list[list[str]] = []

    def encode(texts: list[str], **options: Any) -> np.ndarray:
        passes.append(texts)
        return np.array([encode_text(text) for text in texts])

    encoder = CachedTextEncoder(lambda: SimpleNamespace(encode_query=encode))
    cached = replace(shop, encode_text=encoder)
    cached.encode_ahead(["red lamp", "qwxz", "old  lamp", "", "red lamp"])
    for text in ("red lamp", "old lamp"):
        cached.search(text)
    assert passes == [["red lamp", "old lamp"]]


@pytest.mark.parametrize(
    ("searches", "error"),
    [
        (
            [{"attr.brnd": "x"}],
            "there is no attribute 'brnd': the attributes are brand, width, made",
        ),
        (
            [{"attr.width": {"min": 3}}],
            "attr.width: give a text, a number, true or false, or a list of them",
        ),
        ([{"explain": True, "listing": "nothing"}], "there is no product 'nothing'"),
        (
            [{"limit": "many"}],
            "limit: Input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_a_wrong_search_of_a_batch_has_its_own_error(
    client: TestClient, searches: list[dict[str, Any]], error: str
) -> None:
    answer = client.post("/api/search/batch", json={"searches": [*searches, {}]})
    assert answer.status_code == 200
    assert answer.json()["results"][0] == {"error": error}
    assert answer.json()["results"][1]["total"] == 6


def test_an_unknown_field_of_a_search_is_named(client: TestClient) -> None:
    answer = client.post("/api/search/batch", json={"searches": [{"colour": "red"}, {"qq": "x"}]})
    first, second = (result["error"] for result in answer.json()["results"])
    assert first.startswith("unknown field 'colour' (known: price_min, price_max, category, ")
    assert first.endswith("): remove it, or filter by an attribute with attr.colour")
    assert second.startswith("unknown field 'qq' (known: ") and "\n" not in first + second


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"searches": []}, "searches: List should have at least 1 item after validation, not 0"),
        ({"searches": [{}] * 51},
         "searches: List should have at most 50 items after validation, not 51"),
        ({}, "searches: Field required"),
        ({"searches": ["lamp"]}, "searches.0: Input should be a valid dictionary"),
    ],
)  # fmt: skip
def test_a_wrong_batch_is_refused_in_one_line(
    client: TestClient, body: dict[str, Any], error: str
) -> None:
    answer = client.post("/api/search/batch", json=body)
    assert (answer.status_code, answer.json()) == (422, {"error": error})
