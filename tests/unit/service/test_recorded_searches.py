"""Which searches over HTTP are recorded, and with which fields."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from random_catalogues import make_engine, make_table

from market.search.engine import Engine
from market.service.app import make_app
from market.service.events import EventStore
from market.service.search_log import SearchLog, new_search_id
from market.service.settings import Settings

NO_PHOTOS: Any = SimpleNamespace(nominal_sizes=(480, 1200), version=lambda: "v")
ROW: dict[str, Any] = {
    "path": ("Home", "Lamps"), "price": 20, "flag": "", "town": (53.80, -1.55), "brand": "Sony",
    "width": 5, "day": "2024-01-31", "seller": "s0", "status": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> Engine:
    rows = [{**ROW, "price": 20 + number, "group": number} for number in range(6)]
    return make_engine(make_table(rows), ["red lamp"] * 4 + ["sofa", "bed"])


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    return EventStore(f"sqlite:///{tmp_path}/events.sqlite")


@pytest.fixture
def client(shop: Engine, store: EventStore) -> TestClient:
    """A service that has not started: it writes no search by itself."""
    return TestClient(make_app(shop, NO_PHOTOS, store, Settings()))


def get(client: TestClient, path: str, **parameters: Any) -> dict[str, Any]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def recorded(client: TestClient, store: EventStore) -> pd.DataFrame:
    """Return the searches that were recorded so far."""
    client.app.state.service.recorder.write()  # type: ignore[attr-defined]
    return SearchLog(store.database).all_searches()


def test_search_ids_are_unique_uuids_that_sort_by_time() -> None:
    ids = [new_search_id() for _ in range(1000)]
    assert len({*ids}) == 1000
    assert {UUID(text).version for text in ids} == {7}
    assert [text[:8] for text in ids] == sorted(text[:8] for text in ids)


def test_every_kind_of_answer_is_recorded_under_its_id(
    client: TestClient, store: EventStore
) -> None:
    answers = [
        get(client, "/api/suggest", q="la"),
        get(client, "/api/search", q="lamp", user="anna"),
        get(client, "/api/similar/p00", user="anna"),
        get(client, "/api/recommend/anna"),
    ]
    batch = client.post("/api/search/batch", json={"searches": [{"q": "bed"}, {"q": "sofa"}]})
    answers += batch.json()["results"]
    searches = recorded(client, store)
    assert searches["search_id"].tolist() == [answer["search_id"] for answer in answers]
    kinds = ["suggest", "search", "similar", "recommendation", "search", "search"]
    assert searches["kind"].tolist() == kinds
    assert {answer["variant"] for answer in answers[1:]} == {*searches["variant"]} == {"A"}
    shown = [[hit["product_id"] for hit in answer["hits"]] for answer in answers[1:]]
    assert searches["product_ids"].tolist()[1:] == shown
    assert searches["user_id"].tolist() == [None, "anna", "anna", "anna", None, None]
    assert json.loads(searches["filters"].iloc[2]) == {"similar_to": "p00"}


def test_the_query_and_the_parameters_are_recorded_as_they_were_given(
    client: TestClient, store: EventStore
) -> None:
    ids = {"suggest_id": "from-suggestions", "user": "anna"}
    place = {"latitude": 53.80123, "longitude": -1.55123}
    answer = get(
        client, "/api/search", q=" Red  LAMP", limit=2, offset=1, sort="price", price_min=5,
        **{"attr.width_min": 1, "attr.brand": "sony"}, **place, **ids,
    )  # fmt: skip
    (search,) = recorded(client, store).to_dict("records")
    assert (search["query"], search["offset"], search["total"]) == (
        " Red  LAMP",
        1,
        answer["total"],
    )
    assert search["product_ids"] == ["p01", "p02"] == [h["product_id"] for h in answer["hits"]]
    assert json.loads(search["filters"]) == {
        "attr.brand": ["sony"], "attr.width_min": "1", "latitude": 53.8, "longitude": -1.55,
        "price_min": 5.0, "sort": "price",
    }  # fmt: skip
    assert search["suggest_id"] == "from-suggestions" and search["propensities"] is None
    assert abs(search["timestamp"] - pd.Timestamp.now("UTC").tz_localize(None)).seconds < 60


def test_the_offset_of_a_page_by_cursor_counts_the_pages_before(
    client: TestClient, store: EventStore
) -> None:
    page = get(client, "/api/search", q="lamp", limit=2, sort="price")
    get(client, "/api/search", q="lamp", limit=2, sort="price", cursor=page["next_cursor"],
        suggest_id="x")  # fmt: skip
    searches = recorded(client, store)
    assert searches["offset"].tolist() == [0, 2]
    assert searches["product_ids"].tolist() == [["p00", "p01"], ["p02", "p03"]]


@pytest.mark.parametrize(
    ("parameters", "headers"),
    [({"record": "false"}, {}), ({}, {"Sec-GPC": "1"}), ({}, {"DNT": "1"})],
)
def test_nothing_is_recorded_of_a_request_that_objects(
    client: TestClient, store: EventStore, parameters: dict[str, str], headers: dict[str, str]
) -> None:
    fields = {"q": "lamp", **parameters}
    addresses = ["search", "similar/p00", "recommend/anna", "suggest"]
    for address in addresses:
        given = fields if address in ("search", "suggest") else parameters
        answer = client.get(f"/api/{address}", params=given, headers=headers)
        assert answer.status_code == 200 and UUID(answer.json()["search_id"])
    batch = client.post("/api/search/batch", json={"searches": [fields]}, headers=headers)
    assert UUID(batch.json()["results"][0]["search_id"])
    assert recorded(client, store).empty
