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


def test_nothing_is_recorded_of_a_request_that_objects(
    client: TestClient, store: EventStore
) -> None:
    objections: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"record": "false"}, {}), ({}, {"Sec-GPC": "1"}), ({}, {"DNT": "1"}),
    ]  # fmt: skip
    for parameters, headers in objections:
        for address in ("search", "similar/p00", "recommend/anna", "suggest"):
            answer = client.get(f"/api/{address}", params=parameters, headers=headers)
            assert answer.status_code == 200 and UUID(answer.json()["search_id"])
        body = {"searches": [{"q": "lamp", **parameters}]}
        batch = client.post("/api/search/batch", json=body, headers=headers)
        assert UUID(batch.json()["results"][0]["search_id"])
        assert recorded(client, store).empty, (parameters, headers)


def test_searches_can_be_left_unrecorded(shop: Engine, store: EventStore) -> None:
    app = make_app(shop, NO_PHOTOS, store, Settings(record_searches=False))
    client = TestClient(app)
    assert get(client, "/api/search", q="lamp")["search_id"]
    assert recorded(client, store).empty


# --- The data of a user ---------------------------------------------------------------------------
def test_an_export_lists_the_searches_and_an_erasure_deletes_them(
    client: TestClient, store: EventStore
) -> None:
    answer = get(client, "/api/search", q="lamp", user="anna", price_max=100)
    get(client, "/api/search", q="lamp", user="ben")
    recorded(client, store)
    (line,) = [json.loads(line) for line in client.get("/api/users/anna/data").text.splitlines()]
    assert line["search_id"] == answer["search_id"] and line["source"] == "searches"
    assert line["product_ids"] == [hit["product_id"] for hit in answer["hits"]]
    assert line["filters"] == {"price_max": 100.0} and line["query"] == "lamp"
    get(client, "/api/search", q="sofa", user="anna")  # still in the queue
    client.delete("/api/users/anna").raise_for_status()
    assert recorded(client, store)["user_id"].tolist() == ["ben"]
    assert client.get("/api/users/anna/data").text == ""


def test_no_search_of_a_user_who_opted_out_is_recorded(
    client: TestClient, store: EventStore
) -> None:
    assert client.put("/api/users/a%2Fb/opt-out").json() == {"opted_out": True}
    get(client, "/api/search", q="lamp", user="a/b")
    get(client, "/api/recommend/a/b")
    assert recorded(client, store).empty
    (line,) = client.get("/api/users/a%2Fb/data").text.splitlines()
    assert json.loads(line)["source"] == "opt-out"
    assert client.delete("/api/users/a%2Fb/opt-out").json() == {"opted_out": False}
    get(client, "/api/search", q="lamp", user="a/b")
    assert len(recorded(client, store)) == 1, "and the opt-out's DELETE erased nobody"
    assert client.get("/api/users/a%2Fb/data").text.count("opt-out") == 0


# --- Events ---------------------------------------------------------------------------------------
def test_an_event_keeps_the_search_from_which_it_follows(
    client: TestClient, store: EventStore
) -> None:
    event = {"user_id": "anna", "product_id": "p01", "event": "view"}
    search_id = get(client, "/api/search", q="lamp", user="anna")["search_id"]
    for more in ({}, {"search_id": search_id, "dwell_seconds": 12.5}):
        assert client.post("/api/events", json={**event, **more}).status_code == 201
    events = store.all_events()
    assert events["search_id"].isna()[0] and events["dwell_seconds"].isna()[0]
    assert events[["search_id", "dwell_seconds"]].iloc[1].tolist() == [search_id, "12.5"]
    lines = [json.loads(line) for line in client.get("/api/users/anna/data").text.splitlines()]
    assert "search_id" not in lines[0] and lines[1]["dwell_seconds"] == 12.5


def test_malformed_fields_of_an_event_are_refused(client: TestClient) -> None:
    malformed: list[dict[str, Any]] = [
        {"search_id": ""}, {"search_id": "a\nb"}, {"search_id": 5}, {"search_id": "x" * 5000},
        {"dwell_seconds": -1}, {"dwell_seconds": 86_401}, {"dwell_seconds": "long"},
    ]  # fmt: skip
    for fields in malformed:
        event = {"user_id": "anna", "product_id": "p01", "event": "view", **fields}
        answer = client.post("/api/events", json=event)
        assert answer.status_code == 422, fields
        assert next(iter(fields)) in answer.json()["error"]


def test_a_view_is_given_its_dwell_time_by_its_own_user(
    client: TestClient, store: EventStore
) -> None:
    event = {"user_id": "anna", "product_id": "p01", "event": "view"}
    number = client.post("/api/events", json=event).json()["id"]
    for user, status in [("ben", 404), ("anna", 204)]:
        body = {"user_id": user, "dwell_seconds": 4.5}
        assert client.post(f"/api/events/{number}/dwell", json=body).status_code == status
    assert store.all_events()["dwell_seconds"].tolist() == ["4.5"]
