"""The pages that the service renders, without JavaScript."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import quote

import pytest
from api_client import all_listings, get
from fastapi.testclient import TestClient

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine


def test_the_first_page_of_results_needs_no_script(client: TestClient) -> None:
    hits = get(client, "/api/search", q="laptop", limit=24)["hits"]
    page = client.get("/", params={"q": "laptop", "price_min": "", "radius_km": "25"})
    assert page.status_code == 200
    links = [f'href="listing/{quote(hit["product_id"], safe="")}"' for hit in hits]
    places = [page.text.index(link) for link in links]
    assert places == sorted(places), "the order of the API"
    assert re.search('data-search="[0-9a-f]{8}-[0-9a-f]{4}-7', page.text), "for the events"
    assert '<form class="search"' in page.text and 'name="description"' in page.text


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><b>'])
def test_words_of_an_address_are_escaped(client: TestClient, text: str) -> None:
    for params in ({"q": text}, {"category": text}, {"near": text}, {"attr.x": text}):
        page = client.get("/", params=params).text
        assert text not in page
        assert html.escape(text, quote=False).split("&")[0] in page


def test_the_heading_names_what_is_shown(client: TestClient) -> None:
    category = get(client, "/api/categories")[0]["path"]
    searches: list[tuple[dict[str, str], str]] = [
        ({}, "All listings"),
        ({"price_max": "50"}, "All listings"),
        ({"category": category}, category.split(" / ")[-1]),
        ({"saved": "true"}, "Saved listings"),
    ]
    for params, heading in searches:
        page = client.get("/", params=params).text
        assert f'<h1 id="results-title">{html.escape(heading)}</h1>' in page


def test_a_wrong_filter_is_explained_on_the_page(client: TestClient) -> None:
    page = client.get("/", params={"price_min": 9, "price_max": 5})
    assert page.status_code == 422
    assert "Price_min is above price_max" in page.text and "Back to the start page" in page.text


def test_a_listing_has_a_page_that_other_sites_can_show(
    client: TestClient, listing: dict[str, Any]
) -> None:
    page = client.get(f"/listing/{quote(listing['product_id'], safe='')}")
    assert page.status_code == 200
    name = html.escape(listing["name"], quote=False).replace('"', "&#34;").replace("'", "&#39;")
    assert f'<meta property="og:title" content="{name}">' in page.text
    assert f'og:image" content="{client.base_url}/' in page.text
    assert client.get("/listing/none").status_code == 404


def test_texts_are_compressed_and_photos_are_not(
    client: TestClient, listing: dict[str, Any]
) -> None:
    for path in ("/", "/api/search", "/static/app.js", "/static/base.css"):
        assert client.get(path).headers["content-encoding"] == "gzip", path
    assert "content-encoding" not in client.get("/" + listing["photo"]).headers


def test_photos_have_their_sizes(client: TestClient) -> None:
    sizes = [hit["photo_sizes"] for hit in all_listings(client) if hit["photo"]]
    assert sizes and all(each["width"] and each["height"] for photos in sizes for each in photos)
