"""Listings, photos, categories and places over HTTP."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_client import all_listings, encoded, get
from fastapi.testclient import TestClient
from PIL import Image

from market.core.formats import Formats
from market.core.paths import PHOTOS
from market.data.photo_store import PhotoStore, pack_photos
from market.search.engine import Engine
from market.service.app import make_app
from market.service.loaded_index import Index
from market.service.settings import Settings

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine


def test_product_has_all_details(client: TestClient, listing: dict[str, Any]) -> None:
    product = get(client, f"/api/products/{listing['product_id']}")
    for name in ("name", "price", "location", "category", "photo"):
        assert product[name] == listing[name]
    assert product["photos"][0] == product["photo"]
    assert isinstance(product["description"], str)


def test_photo_is_cacheable_only_with_a_version(client: TestClient, listing: Any) -> None:
    answer = client.get(listing["photo"])
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
    unversioned = client.get(listing["photo"].split("?")[0])
    assert (
        unversioned.content == answer.content and unversioned.headers["cache-control"] == "no-cache"
    )


def test_photo_url_stays_valid_after_a_restart(
    client: TestClient, ran: Path, engine: Engine, listing: dict[str, Any]
) -> None:
    assert client.get(listing["photo"].split("?")[0] + "?v=another-run").status_code == 404
    app: Any = client.app
    restarted_app = make_app(engine, PhotoStore(ran / PHOTOS), app.state.service.events, Settings())
    with TestClient(restarted_app) as restarted:
        assert get(restarted, f"/api/products/{listing['product_id']}")["photo"] == listing["photo"]


def test_photo_urls_from_before_a_reload_stay_valid(
    client: TestClient, ran: Path, listing: dict[str, Any], tmp_path: Path
) -> None:
    before = client.get(listing["photo"]).content
    photos = [(f"new-{n}", encoded(20 + n, 20, "JPEG"), np.zeros((3, 56, 56), np.uint8))
              for n in range(3)]  # fmt: skip
    pack_photos(photos, tmp_path / "photos", array_size=56)
    app: Any = client.app
    service = app.state.service
    new = PhotoStore(tmp_path / "photos")
    service.catalogue.replace_index(Index(service.engine, new, service.logged))
    assert client.get(listing["photo"]).content == before
    assert client.get("/api/photos/0").content == photos[0][1]
    assert client.get(f"/api/photos/2?v={new.version()}").content == photos[2][1]
    app.state.service = service


def test_categories_and_places(client: TestClient) -> None:
    hits = all_listings(client)
    paths = {row["path"]: row["count"] for row in get(client, "/api/categories")}
    assert hits[0]["category"][0] in paths and all(count > 0 for count in paths.values())
    places = get(client, "/api/places")
    assert len(set(places)) == len(places) and hits[0]["location"] in places


@pytest.mark.parametrize(
    "path",
    ["/api/products/none", "/api/similar/none", "/api/photos/99999", "/api/none", "/static/none"],
)
def test_unknown_resources_are_404(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404 and list(answer.json()) == ["error"]


def test_settings_are_those_of_the_index(client: TestClient) -> None:
    assert get(client, "/api/settings") == {
        "currency": "GBP", "currency_symbol": "£", "language": "en", "country": "GB",
        "language_tag": "en-GB", "distance_unit": "mi",
        "fields": ["category", "description", "location", "photo", "place", "price"],
        "attributes": [],
    }  # fmt: skip
    state = client.app.state.service  # type: ignore[attr-defined]
    german = replace(state.engine, formats=Formats("EUR", "de", "DE"))
    client.app.state.service = replace(state, engine=german)  # type: ignore[attr-defined]
    settings = get(client, "/api/settings")
    assert (settings["language_tag"], settings["distance_unit"]) == ("de-DE", "km")
    assert {hit["currency"] for hit in all_listings(client)} == {"EUR"}
