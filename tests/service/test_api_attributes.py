"""Attributes, sellers and missing fields over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from api_client import all_listings, encoded, get
from attributed import with_attributes
from fastapi.testclient import TestClient

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine


@pytest.fixture
def attributed(client: TestClient) -> Iterator[TestClient]:
    """A service whose listings have attributes."""
    app: Any = client.app
    state = app.state.service
    app.state.service = replace(state, engine=with_attributes(state.engine))
    yield client
    app.state.service = state


def test_search_filters_and_counts_attributes(attributed: TestClient) -> None:
    brand, width, _ = get(attributed, "/api/attributes")
    assert (brand["label"], brand["type"], width["unit"]) == ("Brand", "category", "cm")
    counts = {row["value"]: row["count"] for row in brand["values"]}
    both = get(attributed, "/api/search", **{"attr.brand": ["sony", "Hay"], "facets": True})
    assert both["total"] == sum(counts.values()) == brand["listings"]
    assert {hit["attributes"]["brand"] for hit in both["hits"]} == {"Sony", "Hay"}
    assert both["attributes"][0]["values"] == brand["values"], "the own condition does not count"
    narrow = get(attributed, "/api/search", **{"attr.width_max": 50, "attr.brand": "Hay"})
    assert 0 < narrow["total"] < counts["Hay"] and narrow["attributes"] is None


def test_photo_search_and_recommendations_filter_attributes(attributed: TestClient) -> None:
    fields = {"attr.brand": ["Sony", "Hay"], "facets": "true"}
    files = {"photo": ("a.png", encoded(60, 60, "PNG"))}
    results = attributed.post("/api/search/photo", data=fields, files=files)
    assert results.status_code == 200, results.text
    assert len(results.json()["attributes"]) == 3
    assert {hit["attributes"]["brand"] for hit in results.json()["hits"]} <= {"Sony", "Hay"}
    recommended = get(attributed, "/api/recommend/u", **{"attr.brand": "Hay"})["hits"]
    assert {hit["attributes"]["brand"] for hit in recommended} == {"Hay"}


@pytest.mark.parametrize("path", ["/api/search", "/api/recommend/u"])
def test_an_unknown_attribute_is_named(attributed: TestClient, path: str) -> None:
    answer = attributed.get(path, params={"attr.brnd": "Sony"})
    assert answer.status_code == 422
    assert answer.json() == {"error": "there is no attribute 'brnd': the attributes are "
                                      "brand, width, boxed"}  # fmt: skip


def test_unavailable_listings_and_sellers(attributed: TestClient) -> None:
    shown = get(attributed, "/api/search")["total"]
    every = get(attributed, "/api/search", include_unavailable=True)["total"]
    assert shown < every and all(hit["available"] for hit in all_listings(attributed))
    assert {hit["seller_id"] for hit in all_listings(attributed, seller_id="s1")} == {"s1"}
    assert get(attributed, "/api/settings")["fields"][-2:] == ["seller_id", "status"]
