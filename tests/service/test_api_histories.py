"""Histories over HTTP: the log and later events personalise the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from api_client import get, ids
from fastapi.testclient import TestClient

from market.core.paths import INTERACTIONS, PHOTOS
from market.data.histories import LoggedHistories
from market.data.photo_store import PhotoStore
from market.search.engine import Engine, SearchResult
from market.service.app import make_app
from market.service.events import EventStore
from market.service.loaded_index import Index
from market.service.settings import Settings

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine

LAST = 30  # largest number of events in a history


@pytest.fixture
def client(
    ran: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """A client of a service with the log of `ran`."""
    monkeypatch.chdir(ran)
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
    app = make_app(
        engine,
        PhotoStore(PHOTOS),
        store,
        Settings(history_events=LAST),
        logged=LoggedHistories.load(INTERACTIONS, LAST),
    )
    with TestClient(app) as client:
        yield client


@pytest.fixture
def log(ran: Path) -> pd.DataFrame:
    return pd.read_parquet(ran / INTERACTIONS)


def hit_ids(result: SearchResult) -> list[str]:
    return [hit.product_id for hit in result.hits]


def test_logged_users_are_known_from_the_start(
    client: TestClient, engine: Engine, log: pd.DataFrame
) -> None:
    stranger = ids(get(client, "/api/recommend/a-stranger", limit=20))
    personal = 0
    for user, events in log.groupby("user_id"):
        history = events.sort_values("timestamp", kind="stable").tail(LAST)
        recommended = ids(get(client, f"/api/recommend/{user}", limit=20))
        assert recommended == hit_ids(engine.recommend(history, limit=20))
        personal += recommended != stranger
    assert personal == log["user_id"].nunique()


def test_search_and_similar_use_the_history(
    client: TestClient, engine: Engine, log: pd.DataFrame
) -> None:
    user = log["user_id"].iloc[0]
    history = log[log["user_id"] == user].tail(LAST)
    product = engine.listings["product_id"].iloc[5]
    searches: dict[str, Callable[[pd.DataFrame | None], SearchResult]] = {
        "/api/search?q=table": lambda past: engine.search("table", history=past, limit=30),
        "/api/search?q=": lambda past: engine.search("", history=past, limit=30),
        f"/api/similar/{product}?": lambda past: engine.similar(product, history=past, limit=30),
    }
    for address, find in searches.items():
        answer = client.get(f"{address}&limit=30&user={user}").json()
        assert ids(answer) == hit_ids(find(history))
        scores = [hit["score"] for hit in answer["hits"]]
        assert scores == pytest.approx([hit.score for hit in find(history).hits])
        assert scores != pytest.approx([hit.score for hit in find(None).hits])


def test_later_events_extend_the_log(client: TestClient, engine: Engine, log: pd.DataFrame) -> None:
    user = log["user_id"].iloc[0]
    history = log[log["user_id"] == user].drop(columns="user_id")
    before = ids(get(client, f"/api/recommend/{user}"))
    event = {"user_id": user, "product_id": before[0], "event": "buy"}
    time = history["timestamp"].iloc[-1] + pd.Timedelta(hours=1)
    stored = client.post("/api/events", json=event | {"timestamp": time.isoformat()})
    assert stored.status_code == 201
    later = pd.DataFrame({"product_id": [before[0]], "event": ["buy"], "timestamp": [time]}).astype(
        {"timestamp": "datetime64[us]"}
    )
    after = ids(get(client, f"/api/recommend/{user}"))
    assert before[0] not in after and after != before
    assert after == hit_ids(engine.recommend(pd.concat([history, later]).tail(LAST)))


def test_reload_brings_a_new_log(client: TestClient, log: pd.DataFrame) -> None:
    app: Any = client.app
    service = app.state.service
    product = log["product_id"].iloc[0]
    event = {"user_id": "exported", "product_id": product, "event": "save"}
    client.post("/api/events", json=event).raise_for_status()
    before = service.history("exported")
    exported = before.assign(user_id="exported", timestamp=before["timestamp"].dt.floor("s"))
    new_log = LoggedHistories(pd.concat([log, exported]), LAST)
    service.catalogue.replace_index(Index(service.engine, PhotoStore(PHOTOS), new_log))
    after = app.state.service.history("exported")
    assert len(after) == len(before) == 1
