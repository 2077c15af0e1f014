"""The storage of user events over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_client import get, ids, record_event
from fastapi.testclient import TestClient

from market.service.events import EventStore

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine


def test_event_changes_the_next_results(client: TestClient, listing: dict[str, Any]) -> None:
    before = ids(get(client, "/api/recommend/anna"))
    assert before == ids(get(client, "/api/recommend/ben"))
    for event in ("view", "save", "message"):
        assert record_event(client, "anna", listing["product_id"], event).status_code == 201
    after = ids(get(client, "/api/recommend/anna"))
    assert after != before and listing["product_id"] not in after
    assert ids(get(client, "/api/recommend/ben")) == before, "other users' results stay the same"

    anonymous = get(client, "/api/search", limit=30)["hits"]
    personal = get(client, "/api/search", limit=30, user="anna")["hits"]
    assert anonymous != personal


def test_event_is_stored_with_its_time(client: TestClient, store: EventStore, listing: Any) -> None:
    stored = record_event(
        client, "anna", listing["product_id"], "buy", timestamp="2026-01-02T03:04:05+01:00"
    )
    assert stored.status_code == 201 and stored.json()["id"] > 0
    record_event(client, "anna", listing["product_id"], timestamp=1_700_000_000)
    history = store.history("anna", 9)
    assert history["event"].tolist() == ["view", "buy"]
    assert str(history["timestamp"].iloc[1]) == "2026-01-02 02:04:05"


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"product_id": "no-such"}, 404, "there is no product 'no-such'"),
        ({"event": "look"}, 422, "event: Input should be 'view', 'save', 'message' or 'buy'"),
        ({"user_id": ""}, 422, "user_id"),
        ({"user_id": "x" * 201}, 422, "user_id"),
        ({"product_id": "a/../b"}, 422, "product_id"),
        ({"user_id": "a\x00b"}, 422, "user_id"),
        ({"timestamp": "2999-01-01"}, 422, "timestamp is in the future"),
        ({"timestamp": "9999-12-31T23:59:59-01:00"}, 422, "timestamp is in the future"),
        ({"timestamp": "0001-01-01T00:00:00+01:00"}, 422, "timestamp is before 1990"),
        ({"timestamp": "0001-01-01T00:00:00"}, 422, "timestamp is before 1990"),
        ({"timestamp": "20240105"}, 422, "timestamp is before 1990"),
        ({"timestamp": 0}, 422, "timestamp is before 1990"),
        ({"timestamp": "soon"}, 422, "timestamp"),
        ({"extra": 1}, 422, "extra"),
    ],
)
def test_invalid_event_is_refused(
    client: TestClient, store: EventStore, listing: Any, change: Any, status: int, message: str
) -> None:
    body = {"user_id": "anna", "product_id": listing["product_id"], "event": "view"} | change
    answer = client.post("/api/events", json=body)
    assert answer.status_code == status and message in answer.json()["error"]
    assert list(answer.json()) == ["error"]
    assert store.history("anna", 9).empty


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_event_that_is_not_json_is_refused(
    client: TestClient, listing: dict[str, Any], media_type: str | None
) -> None:
    event = {"user_id": "a", "product_id": listing["product_id"], "event": "view"}
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = client.post("/api/events", content=json.dumps(event), headers=headers)
    assert answer.status_code == 415 and "application/json" in answer.json()["error"]
    headers = {"Content-Type": "application/vnd.event+json; charset=utf-8"}
    assert client.post("/api/events", content=json.dumps(event), headers=headers).is_success
