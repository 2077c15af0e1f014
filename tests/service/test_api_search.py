"""Search, similar listings and recommendations over HTTP."""

from __future__ import annotations

import contextlib
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from api_client import all_listings, encoded, get, ids, record_event, texts_of
from click.testing import CliRunner
from fastapi.testclient import TestClient

from market.core.paths import PHOTOS
from market.data.photo_store import PhotoStore, pack_photos
from market.search.engine import Engine
from market.search.feature_names import FEATURE_TEXTS, SIMILAR_TEXTS
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings
from stages import index

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine


def test_search_returns_matches_with_reasons(client: TestClient, listing: dict[str, Any]) -> None:
    results = get(client, "/api/search", q=listing["name"])
    assert listing["product_id"] in ids(results)[:3]
    assert results["corrected_query"] is None and results["unknown_place"] is None
    for hit in results["hits"]:
        parts = [reason["contribution"] for reason in hit["why"]]
        assert parts == sorted(parts, reverse=True)
        assert sum(parts) == pytest.approx(hit["score"], abs=1e-4)
        assert not any("your photo" in reason["text"] for reason in hit["why"]), "no photo was sent"


def test_pages_cover_all_results_without_overlap(client: TestClient) -> None:
    listings = all_listings(client)
    assert get(client, "/api/search")["total"] == len(listings)
    pages = [
        ids(get(client, "/api/search", limit=7, offset=offset))
        for offset in range(0, len(listings) + 7, 7)
    ]
    assert list(chain(*pages)) == [hit["product_id"] for hit in listings]
    assert pages[-1] == []


def test_filters_are_strict(client: TestClient) -> None:
    prices = sorted(hit["price"] for hit in all_listings(client))
    low, high = prices[len(prices) // 4], prices[len(prices) // 2]
    matches = all_listings(client, price_min=low, price_max=high)
    assert matches and all(low <= hit["price"] <= high for hit in matches)

    path = matches[0]["category"][0]
    within = all_listings(client, category=path)
    assert within and all(hit["category"][0] == path for hit in within)

    town = matches[0]["location"]
    near = all_listings(client, near=town, radius_km=1)
    assert near and all(hit["distance_km"] <= 1 for hit in near)
    assert matches[0]["product_id"] in [hit["product_id"] for hit in near]

    shown = all_listings(client, flagged=True)
    assert any(hit["price_flag"] == "placeholder" for hit in shown)
    assert not any(hit["price_flag"] for hit in all_listings(client))


def test_unknown_place_has_no_results(client: TestClient) -> None:
    results = get(client, "/api/search", near="Atlantis", radius_km=5)
    assert (
        results["hits"] == [] and results["total"] == 0 and results["unknown_place"] == "Atlantis"
    )


UNUSUAL_QUERIES = [
    "", " ", "'; --", "<script>", "🔥", "a" * 300, "\x00", "%%", "NaN", "../../etc/passwd",
    "${7*7}",
    "{{7*7}}", "$(reboot)", "\r\nSet-Cookie: a=b", "a\u202eb", "e\u0301" * 150, "\u0300" * 300,
    "ﷺ" * 300, "İ" * 300, "ﬀ" * 300, "\ufeff", "\ufffe", "👩‍👩‍👧‍👦" * 40, "(a+)+$" * 50, "9" * 300,
    " ".join(f"qx{n:03d}zw" for n in range(37)), "NOT AND OR NEAR " * 18, "the " * 75,
]  # fmt: skip


@pytest.mark.parametrize("q", UNUSUAL_QUERIES)
def test_unusual_queries_succeed(client: TestClient, q: str) -> None:
    results = get(client, "/api/search", q=q, near=q[:100], user="anna")
    assert results["unknown_place"] == (q[:100] or None)
    get(client, "/api/search", q=q)
    answer = client.get("/api/search", params={"category": q, "q": "lamp"})
    assert answer.status_code == 200


def test_spelling_is_corrected_and_reported(client: TestClient) -> None:
    results = get(client, "/api/search", q="labtop")
    assert "laptop" in results["corrected_query"]
    assert any("laptop" in hit["name"].lower() for hit in results["hits"])


def test_search_by_photo(client: TestClient, listing: dict[str, Any]) -> None:
    photo = client.get(listing["photo"]).content
    answer = client.post("/api/search/photo", files={"photo": ("a.jpg", photo)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["hits"]
    form = {"q": listing["name"], "price_min": listing["price"], "limit": 3}
    answer = client.post("/api/search/photo", files={"photo": ("a.png", photo)}, data=form)
    assert listing["product_id"] in ids(answer.json())


def test_similar_listings_exclude_the_listing_itself(
    client: TestClient, listing: dict[str, Any]
) -> None:
    results = get(client, f"/api/similar/{listing['product_id']}", limit=5)
    assert results["hits"] and listing["product_id"] not in ids(results)
    query_texts = {FEATURE_TEXTS["text_similarity"], FEATURE_TEXTS["image_similarity"]}
    assert not texts_of(results) & query_texts - set(SIMILAR_TEXTS.values())


def test_new_user_gets_recommendations_without_personal_reasons(client: TestClient) -> None:
    results = get(client, "/api/recommend/new-user", limit=10)
    assert len(results["hits"]) == 10 and results["total"] >= 10
    assert not [words for words in texts_of(results) if "you" in words.split()]


def test_reason_names_the_place(client: TestClient, listing: dict[str, Any]) -> None:
    near = listing["location"]
    assert f"near {near}" in texts_of(get(client, "/api/search", near=near, radius_km=50))


def test_known_user_gets_personal_reasons(client: TestClient, listing: dict[str, Any]) -> None:
    record_event(client, "anna", listing["product_id"])
    assert [words for words in texts_of(get(client, "/api/recommend/anna")) if "you" in words]


# --- Without photos -------------------------------------------------------------------------------


@pytest.fixture
def project_without_photos(ran: Path, tmp_path: Path) -> Path:
    """A project with an index of listings without photos."""
    project = tmp_path / "project_without_photos"
    for name in ("data/price", "models/rank", "models/embed", "models/text", "models/cnn"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).symlink_to(ran / name)
    (project / "params.yaml").symlink_to(ran / "params.yaml")
    for name in ("data/merged", "data/embeddings", "data/clean"):
        (project / name).mkdir()
    rows = pd.read_parquet(ran / "data/merged/listings.parquet").drop_duplicates("product_id")
    rows["photo_index"] = pd.Series(pd.NA, rows.index, rows["photo_index"].dtype)
    rows["image_id"] = pd.Series(pd.NA, rows.index, rows["image_id"].dtype)
    rows.drop(columns="image_array").to_parquet(project / "data/merged/listings.parquet")
    shutil.copy(ran / "data/embeddings/text.parquet", project / "data/embeddings")
    seen = np.load(ran / "data/embeddings/photo.npy")
    np.save(project / "data/embeddings/photo.npy", seen[:0])
    assert pack_photos([], project / PHOTOS, array_size=56) == 0
    with contextlib.chdir(project):
        outcome = CliRunner().invoke(index.main, [])
    assert outcome.exit_code == 0, (outcome.output, outcome.exception)
    assert "and 0 photos" in outcome.output
    return project


def test_listings_without_photos_are_served(
    project_without_photos: Path, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project_without_photos)
    engine = Engine.load()
    app = make_app(engine, PhotoStore(PHOTOS), store, Settings())
    with TestClient(app, raise_server_exceptions=False) as client:
        hits = all_listings(client)
        assert len(hits) > 20 and not any(hit["photo"] for hit in hits)
        listing = hits[0]
        assert listing["product_id"] in ids(get(client, "/api/search", q=listing["name"]))[:3]
        assert get(client, f"/api/similar/{listing['product_id']}")["hits"]
        assert get(client, f"/api/products/{listing['product_id']}")["photos"] == []
        assert client.get("/api/photos/0").status_code == 404
        assert record_event(client, "anna", listing["product_id"]).status_code == 201
        assert get(client, "/api/recommend/anna")["hits"]
        files = {"photo": ("a.png", encoded(20, 20, "PNG"))}
        assert client.post("/api/search/photo", files=files).json()["hits"] == []
        named = client.post("/api/search/photo", files=files, data={"q": listing["name"]}).json()
        assert listing["product_id"] in ids(named)[:3]


def test_a_known_place_without_listings_is_named(client: TestClient) -> None:
    results = get(client, "/api/search", near="Stornoway", radius_km=1)
    assert (results["hits"], results["empty_place"]) == ([], "Stornoway")
    assert results["unknown_place"] is None
    assert get(client, "/api/search", near="Stornoway")["empty_place"] is None
