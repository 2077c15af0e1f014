"""What the API understands in words: prices, unfinished words, highlights, suggestions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from random_catalogues import make_engine, make_table

from market.search.relevance import WORD_FEATURES, Cutoff, Relevance
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings

NO_PHOTOS: Any = SimpleNamespace(nominal_sizes=(480, 1200), version=lambda: "v")
NAMES = ["red laptop", "old laptop", "red sofa", "laptop bag", "blue sofa", "red lamp"]
BASE: dict[str, Any] = {
    "path": ("Home", "Lamps"), "price": 20, "flag": "", "town": (53.80, -1.55), "brand": "Sony",
    "width": 5, "day": "2024-01-31", "seller": "s0", "status": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("events")
    rows = [{**BASE, "group": n, "price": 20.0 * (n + 1)} for n in range(len(NAMES))]
    weights = dict.fromkeys(WORD_FEATURES, 0.0) | {"bm25_of_best": 10.0}
    engine = make_engine(make_table(rows), NAMES).with_relevance(
        Relevance(words=Cutoff(weights, -5.0, 0.9, 0.1))
    )
    store = EventStore(f"sqlite:///{folder}/events.sqlite")
    with TestClient(make_app(engine, NO_PHOTOS, store, Settings())) as client:
        yield client


def get(client: TestClient, path: str, **parameters: Any) -> dict[str, Any]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(hits: list[dict[str, Any]]) -> list[str]:
    return [hit["name"] for hit in hits]


def test_a_price_in_words_is_reported(client: TestClient) -> None:
    results = get(client, "/api/search", q="laptop under £50")
    assert results["understood"] == {"price_max": 50} and results["corrected_query"] is None
    assert sorted(names(results["hits"])) == ["old laptop", "red laptop"]
    own = get(client, "/api/search", q="laptop under £50", price_max=30)
    assert own["understood"] is None and names(own["hits"]) == ["red laptop"]
    assert own["remaining_query"] is None


def test_a_price_in_words_can_be_taken_back(client: TestClient) -> None:
    results = get(client, "/api/search", q="laptop under £50", include_unavailable=True)
    assert results["remaining_query"] == "laptop"
    wide = get(client, "/api/search", q="laptop", include_unavailable=True)
    assert wide["total"] > results["total"] and wide["understood"] is None
    page = client.get("/", params={"q": "laptop under £50", "sort": "price", "offset": 1}).text
    assert 'href="?sort=price&amp;q=laptop"' in page
    assert 'aria-label="Remove the filter: up to £50, from your words"' in page
    alone = client.get("/", params={"q": "under £50"}).text
    assert '<a class="to-search understood" href="./"' in alone


def test_without_scripts_a_link_opens_the_filters_of_a_telephone(client: TestClient) -> None:
    page = client.get("/", params={"q": "laptop"}).text
    assert '<noscript><a class="button narrow" href="#filters">Filters</a></noscript>' in page
    assert '<noscript><link rel="stylesheet" href="static/noscript.css"></noscript>' in page
    style = client.get("/static/noscript.css").text
    assert ".filters:target { display: grid; }" in style


def test_related_hits_have_no_untrue_reason(client: TestClient) -> None:
    results = get(client, "/api/search", q="red laptop")
    assert names(results["hits"]) == ["red laptop"] and results["total"] == 1
    assert results["related"]
    texts = {reason["text"] for hit in results["related"] for reason in hit["why"]}
    assert texts and not texts & {"matches your words", "similar meaning", "similar photos"}


def test_facets_count_relevant_hits_only(client: TestClient) -> None:
    results = get(client, "/api/search", q="red laptop", facets=True)
    assert {count["count"] for count in results["facets"]["categories"]} == {1}


def test_hits_are_highlighted_also_while_typing(client: TestClient) -> None:
    for query in ("laptop", "lapt"):
        hits = get(client, "/api/search", q=query)["hits"]
        assert len(hits) == 3
        for hit in hits:
            assert [hit["name"][start:end] for start, end in hit["highlights"]["name"]] == [
                "laptop"
            ]
            assert set(hit["highlights"]["description"]) == {"text", "spans"}
    assert get(client, "/api/search")["hits"][0]["highlights"] is None


def test_suggestions_have_one_type(client: TestClient) -> None:
    found = get(client, "/api/suggest", q="lap", limit=8)["suggestions"]
    assert found[0] == {
        "kind": "query", "text": "laptop", "category": None, "product_id": None, "photo": None
    }  # fmt: skip
    assert {each["kind"] for each in found} == {"query", "listing"}
    assert get(client, "/api/suggest", q="lamps")["suggestions"][0]["category"] == "Home / Lamps"
    assert get(client, "/api/suggest", q="")["suggestions"] == []


@pytest.mark.parametrize("parameters", [{"limit": 0}, {"limit": 21}, {"q": "a" * 301}, {"x": "1"}])
def test_invalid_suggest_requests_are_refused(
    client: TestClient, parameters: dict[str, Any]
) -> None:
    assert client.get("/api/suggest", params=parameters).status_code == 422
