"""Histories: what users did in the log counts from the start, with later events on top."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from market.data.photo_store import PhotoStore
from market.search.engine import Engine, SearchResult
from market.service.app import LOG, PHOTOS, make_app, renew
from market.service.events import EventStore
from market.service.histories import LoggedHistories, merge_histories
from market.service.settings import Settings

pytestmark = pytest.mark.xdist_group("search_api")  # one engine for all of them
LAST = 30  # events of a history that count


def table(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    history = pd.DataFrame(rows, columns=["product_id", "event", "timestamp"])
    return history.astype({"timestamp": "datetime64[us]"})


def rows_of(history: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(history["product_id"], history["event"], strict=True))


# --- In memory ------------------------------------------------------------------------------------
@pytest.mark.parametrize("last", [1, 3, 1000])
def test_each_user_has_their_last_events_in_order_of_time(tmp_path: Path, last: int) -> None:
    rng = np.random.default_rng(0)
    count = 500
    log = pd.DataFrame(
        {
            "user_id": rng.choice(["anna", "ben", "café 🔥", "0"], count),
            "product_id": [f"p{number}" for number in rng.integers(40, size=count)],
            "event": rng.choice(["view", "save", "4.0"], count),
            "timestamp": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(rng.integers(300, size=count), unit="min"),
        }
    )
    log.to_parquet(tmp_path / "log.parquet", index=False)
    histories = LoggedHistories.load(tmp_path / "log.parquet", last)
    assert len(histories) == 4
    for user, events in log.groupby("user_id"):
        wanted = events.sort_values("timestamp", kind="stable").tail(last)
        found = histories.of(str(user))
        assert rows_of(found) == rows_of(wanted)
        assert found["timestamp"].tolist() == wanted["timestamp"].tolist()
        assert found["timestamp"].dtype == "datetime64[us]"
    nobody = histories.of("nobody")
    assert nobody.empty and nobody.dtypes.equals(histories.of("anna").dtypes)


def test_a_log_without_rows_has_nobody(tmp_path: Path) -> None:
    columns = {"user_id": "str", "product_id": "str", "event": "str", "timestamp": "datetime64[us]"}
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    empty.to_parquet(tmp_path / "log.parquet")
    histories = LoggedHistories.load(tmp_path / "log.parquet", 5)
    assert len(histories) == len(LoggedHistories.empty()) == 0
    assert histories.of("anna").empty and LoggedHistories.empty().of("anna").empty


def test_histories_are_merged_by_time_and_the_last_events_are_kept() -> None:
    logged = table([("a", "view", "2026-01-01 10:00"), ("c", "view", "2026-01-01 12:00")])
    stored = table([("b", "save", "2026-01-01 11:00"), ("d", "buy", "2026-01-01 13:00")])
    assert [row[0] for row in rows_of(merge_histories(logged, stored, 9))] == list("abcd")
    assert [row[0] for row in rows_of(merge_histories(logged, stored, 3))] == list("bcd")
    nothing = logged.iloc[:0]
    assert rows_of(merge_histories(nothing, stored, 9)) == rows_of(stored)
    assert rows_of(merge_histories(logged, nothing, 9)) == rows_of(logged)
    assert rows_of(merge_histories(nothing, stored, 1)) == [("d", "buy")]


@pytest.mark.parametrize("written", ["2026-01-01 10:00:05.123456", "2026-01-01 10:00:05"])
def test_an_event_of_the_store_that_was_exported_into_the_log_counts_once(written: str) -> None:
    stored = table(
        [
            ("a", "view", "2026-01-01 10:00:05.123456"),
            ("a", "save", "2026-01-01 10:00:05.123456"),
            ("b", "view", "2026-01-01 10:00:05.123456"),
            ("a", "view", "2026-01-01 10:00:07"),
        ]
    )
    merged = merge_histories(table([("a", "view", written)]), stored, 9)
    assert sorted(rows_of(merged)) == [("a", "save"), ("a", "view"), ("a", "view"), ("b", "view")]
    assert rows_of(merge_histories(stored, stored, 9)) == rows_of(stored)


# --- Over HTTP ------------------------------------------------------------------------------------
@pytest.fixture
def client(
    ran: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """A service with the log of `ran`."""
    monkeypatch.chdir(ran)
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
    app = make_app(
        engine,
        PhotoStore(PHOTOS),
        store,
        Settings(history_events=LAST),
        logged=LoggedHistories.load(LOG, LAST),
    )
    with TestClient(app) as client:
        yield client


@pytest.fixture
def log(ran: Path) -> pd.DataFrame:
    return pd.read_parquet(ran / LOG)


def ids(results: dict[str, Any] | SearchResult) -> list[str]:
    if isinstance(results, SearchResult):
        return [hit.product_id for hit in results.hits]
    return [hit["product_id"] for hit in results["hits"]]


def get(client: TestClient, path: str, **params: Any) -> dict[str, Any]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_a_user_of_the_log_is_known_from_the_start(
    client: TestClient, engine: Engine, log: pd.DataFrame
) -> None:
    stranger = ids(get(client, "/api/recommend/a-stranger", limit=20))
    differing = 0
    for user, events in log.groupby("user_id"):
        history = events.sort_values("timestamp", kind="stable").tail(LAST)
        found = ids(get(client, f"/api/recommend/{user}", limit=20))
        assert found == ids(engine.recommend(history, limit=20))
        differing += found != stranger
    assert differing == log["user_id"].nunique()


def test_search_and_similar_know_the_history_too(
    client: TestClient, engine: Engine, log: pd.DataFrame
) -> None:
    user = log["user_id"].iloc[0]
    history = log[log["user_id"] == user].tail(LAST)
    product = engine.listings["product_id"].iloc[5]
    asked: dict[str, Callable[[pd.DataFrame | None], SearchResult]] = {
        "/api/search?q=table": lambda past: engine.search("table", history=past, limit=30),
        "/api/search?q=": lambda past: engine.search("", history=past, limit=30),
        f"/api/similar/{product}?": lambda past: engine.similar(product, history=past, limit=30),
    }
    for address, ask in asked.items():
        of_user = client.get(f"{address}&limit=30&user={user}").json()
        assert ids(of_user) == ids(ask(history))
        scores = [hit["score"] for hit in of_user["hits"]]
        assert scores == pytest.approx([hit.score for hit in ask(history).hits])
        assert scores != pytest.approx([hit.score for hit in ask(None).hits])


def test_later_events_come_on_top(client: TestClient, engine: Engine, log: pd.DataFrame) -> None:
    user = log["user_id"].iloc[0]
    history = log[log["user_id"] == user].drop(columns="user_id")
    before = ids(get(client, f"/api/recommend/{user}"))
    event = {"user_id": user, "product_id": before[0], "event": "buy"}
    time = history["timestamp"].iloc[-1] + pd.Timedelta(hours=1)
    told = client.post("/api/events", json=event | {"timestamp": time.isoformat()})
    assert told.status_code == 201
    later = table([(before[0], "buy", time.isoformat())])
    after = ids(get(client, f"/api/recommend/{user}"))
    assert before[0] not in after and after != before
    assert after == ids(engine.recommend(pd.concat([history, later]).tail(LAST)))


def test_a_reload_brings_a_new_log_and_an_export_counts_once(
    client: TestClient, log: pd.DataFrame
) -> None:
    app: Any = client.app
    service = app.state.service
    product = log["product_id"].iloc[0]
    event = {"user_id": "exported", "product_id": product, "event": "save"}
    client.post("/api/events", json=event).raise_for_status()
    before = service.history("exported")
    exported = before.assign(user_id="exported", timestamp=before["timestamp"].dt.floor("s"))
    renewed = LoggedHistories(pd.concat([log, exported]), LAST)
    app.state.service = renew(service, service.engine, service.photos, renewed)
    after = app.state.service.history("exported")
    assert len(after) == len(before) == 1
    kept = renew(app.state.service, service.engine, service.photos)
    assert kept.logged is renewed, "a reload without a log keeps the one there is"
