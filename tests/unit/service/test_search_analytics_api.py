"""Analytics of recorded searches over HTTP."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from random_catalogues import make_engine, make_table

from market.search.engine import Engine
from market.service import app as app_module
from market.service import daily_outcomes
from market.service.app import make_app
from market.service.daily_outcomes import DailyOutcomes
from market.service.events import EventStore
from market.service.search_log import RecordedSearch, SearchLog
from market.service.settings import Settings

NO_PHOTOS: Any = SimpleNamespace(nominal_sizes=(480, 1200), version=lambda: "v")
ROW: dict[str, Any] = {
    "path": ("Home", "Lamps"), "price": 20, "flag": "", "town": (53.80, -1.55), "brand": "Sony",
    "width": 5, "day": "2024-01-31", "seller": "s0", "status": "",
}  # fmt: skip
DAY = datetime(2026, 3, 2)
PERIOD = {"from": "2026-03-01", "to": "2026-03-03"}
KEY = "0123456789abcdef-"
KEYS = SecretStr(
    f"[{{name: boss, key: {KEY}a, scopes: [analytics]}}, "
    f"{{name: page, key: {KEY}r, scopes: [read, events]}}]"
)


@pytest.fixture(scope="module")
def shop() -> Engine:
    rows = [{**ROW, "price": 20 + number, "group": number} for number in range(6)]
    return make_engine(make_table(rows), ["red lamp"] * 4 + ["sofa", "bed"])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EventStore:
    """A store with a log of three days, which no test changes."""
    store = EventStore(f"sqlite:///{tmp_path_factory.mktemp('log')}/events.sqlite")
    searches = SearchLog(store.database)
    searches.add([make_search(number) for number in range(8)])
    searches.add([make_search(number, "=oak lamp", total=0) for number in range(8, 14)])
    searches.add([make_search(20, "my secret", total=0), make_search(21, kind="recommendation")])
    for number in (0, 1):
        store.add(f"u{number}", "p01", "view", at(number, 1), search_id=f"s{number}")
    store.add("u1", "p00", "buy", at(1, 2), search_id="s1")
    return store


@pytest.fixture(scope="module", autouse=True)
def _compute_here() -> Iterator[None]:
    """Compute in the process of the tests: starting another one takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_module, "AnalyticsProcess", DailyOutcomes)
        yield


@pytest.fixture(scope="module")
def client(shop: Engine, store: EventStore) -> TestClient:
    return TestClient(make_app(shop, NO_PHOTOS, store, Settings()))


def at(number: int, minutes: int = 0) -> datetime:
    return DAY + timedelta(hours=number - 8, minutes=minutes)  # searches 0 to 7 on the day before


def make_search(
    number: int, query: str = "Red  Lamp", total: int = 2, kind: Any = "search"
) -> RecordedSearch:
    shown = ["p00", "p01"] if total else []
    return RecordedSearch(
        f"s{number}", f"u{number}", at(number), query, shown, kind=kind, total=total
    )


def get(client: TestClient, path: str = "", **parameters: Any) -> Any:
    answer = client.get(f"/api/analytics{path}", params=PERIOD | parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_rates_of_all_searches(client: TestClient) -> None:
    answer = get(client)
    assert {name: answer[name] for name in ("from", "to", "min_users")} == PERIOD | {"min_users": 5}
    recommendation, search = answer["rows"]
    assert recommendation["kind"] == "recommendation" and recommendation["searches"] == 1
    assert search["kind"] == "search" and search["searches"] == search["users"] == 15
    assert search["ctr"]["value"] == pytest.approx(2 / 15) and search["ctr"]["n"] == 15
    assert search["conversion"]["value"] == pytest.approx(1 / 15)
    assert search["zero_results"]["value"] == pytest.approx(7 / 15)
    assert 0 < search["ctr"]["low"] < 2 / 15 < search["ctr"]["high"] < 1
    assert search["click_place"]["value"] == 2 and search["click_place"]["n"] == 2
    assert recommendation["click_place"] == {"value": None, "n": 0, "low": None, "high": None}
    assert search["query"] is search["day"] is search["variant"] is None


def test_rates_by_day_query_and_variant(client: TestClient) -> None:
    days = get(client, by="day", kind="search")["rows"]
    assert [(row["day"], row["searches"]) for row in days] == [("2026-03-01", 8), ("2026-03-02", 7)]
    latest = get(client, by="day", kind="search", limit=1)["rows"]
    assert [row["day"] for row in latest] == ["2026-03-02"]
    queries = get(client, by="query", kind="search")["rows"]
    shown = [(row["query"], row["pooled"], row["searches"]) for row in queries]
    assert shown == [("red lamp", 0, 8), ("=oak lamp", 0, 6), ("other", 1, 1)]
    assert get(client, by="variant", kind="search")["rows"][0]["variant"] == "A"


def test_queries_without_results_have_hints(client: TestClient) -> None:
    answer = get(client, "/no-results")
    assert answer["rows"] == [
        {"query": "=oak lamp", "searches": 6, "users": 6, "last_seen": "2026-03-02T05:00:00",
         "share": 1.0, "with_filters": 0, "results_now": 5, "corrected": "", "closest_words": "",
         "category": "Home / Lamps"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "headers", "is_csv"),
    [
        ({"format": "csv"}, {}, True),
        ({}, {"Accept": "text/csv"}, True),
        ({"format": "json"}, {"Accept": "text/csv"}, False),
        ({}, {"Accept": "text/csv;q=0.1, application/json"}, False),
        ({}, {"Accept": "*/*"}, False),
    ],
)
def test_csv_on_request(client: TestClient, parameters: Any, headers: Any, is_csv: bool) -> None:
    for path in ("", "/no-results"):
        answer = client.get(f"/api/analytics{path}", params=PERIOD | parameters, headers=headers)
        expected = "text/csv" if is_csv else "application/json"
        assert answer.headers["content-type"].startswith(expected)


def test_csv_runs_no_formula(client: TestClient) -> None:
    for path, parameters in (("", {"by": "query", "kind": "search"}), ("/no-results", {})):
        address = f"/api/analytics{path}"
        text = client.get(address, params=PERIOD | parameters | {"format": "csv"}).text
        queries = [row["query"] for row in csv.DictReader(io.StringIO(text))]
        assert "'=oak lamp" in queries and "=oak lamp" not in queries


@pytest.mark.parametrize(
    "parameters",
    [
        {"from": "2026-03-04"},
        {"from": "2020-01-01"},
        {"from": "0001-01-01"},
        {"to": "9999-12-31"},
        {"from": "yesterday"},
        {"by": "user"},
        {"kind": "photo"},
        {"limit": 0},
        {"format": "xml"},
        {"user": "anna"},
    ],
)
def test_wrong_parameters_get_one_line(client: TestClient, parameters: dict[str, Any]) -> None:
    answer = client.get("/api/analytics", params=PERIOD | parameters)
    assert answer.status_code == 422 and list(answer.json()) == ["error"]


def test_the_default_period_ends_today(client: TestClient) -> None:
    answer = client.get("/api/analytics").json()
    first, last = (datetime.fromisoformat(answer[name]).date() for name in ("from", "to"))
    assert abs(datetime.now(UTC).date() - last).days <= 1 and (last - first).days == 27


def test_a_period_with_too_many_searches_is_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_outcomes, "MAX_SEARCHES", 15)
    answer = client.get("/api/analytics", params=PERIOD)
    assert answer.status_code == 422 and "16 searches" in answer.json()["error"]
    assert client.get("/api/analytics", params=PERIOD | {"to": "2026-03-01"}).status_code == 200


def test_only_keys_for_analytics_see_them(shop: Engine, store: EventStore) -> None:
    client = TestClient(make_app(shop, NO_PHOTOS, store, Settings(api_keys=KEYS)))
    for path in ("/api/analytics", "/api/analytics/no-results"):
        statuses = {
            key: client.get(path, params=PERIOD, headers={"X-API-Key": f"{KEY}{key}"}).status_code
            for key in "arx"
        }
        assert statuses == {"a": 200, "r": 403, "x": 401}
    assert client.get("/api/search", headers={"X-API-Key": f"{KEY}a"}).status_code == 403


# --- What is kept between requests ----------------------------------------------------------------
def test_days_are_kept_until_a_user_is_erased(client: TestClient, store: EventStore) -> None:
    period = {"from": "2026-04-01", "to": "2026-04-01"}
    searches = SearchLog(store.database)
    for number, expected in enumerate([1, 1, 3]):
        name, time = f"late{number}", datetime(2026, 4, 1, 12, number)
        searches.add([RecordedSearch(name, "zoe", time, "lamp", ["p00"], total=9)])
        if number == 2:
            client.app.state.service.user_data.erase("ben")  # type: ignore[attr-defined]
        assert get(client, **period)["rows"][0]["searches"] == expected


def test_searches_around_midnight_belong_to_one_day_each(
    client: TestClient, store: EventStore
) -> None:
    midnight = datetime(2026, 3, 10)
    rows = [("n0", "lamp", -1, 0), ("n1", "lamp", 1, 2), ("n2", "sofa", 2, 0)]
    SearchLog(store.database).add(
        [
            RecordedSearch(name, "zoe", midnight + timedelta(minutes=minute), query,
                           [f"p0{offset}"], offset=offset, total=9)
            for name, query, minute, offset in rows
        ]
    )  # fmt: skip
    store.add("zoe", "p02", "view", midnight + timedelta(minutes=90), search_id="n1")
    period = {"from": "2026-03-09", "to": "2026-03-10", "by": "day"}
    first, second = get(client, **period)["rows"]
    assert first["searches"] == second["searches"] == 1
    assert first["click_place"]["value"] == 3 and first["reformulation"]["value"] == 1
    assert second["ctr"]["value"] == 0


def test_prometheus_counts_what_the_api_answers(
    shop: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = EventStore(f"sqlite:///{tmp_path_factory.mktemp('counted')}/events.sqlite")
    client = TestClient(make_app(shop, NO_PHOTOS, store, Settings()))
    answer = client.get("/api/search", params={"q": "lamp", "user": "anna"}).json()
    client.get("/api/search", params={"q": "lamp", "price_min": 9999})
    client.get("/api/search", params={"q": "lamp", "record": "false"})
    event = {"user_id": "anna", "product_id": answer["hits"][1]["product_id"], "event": "message",
             "search_id": answer["search_id"]}  # fmt: skip
    assert client.post("/api/events", json=event).status_code == 201
    text = client.get("/metrics").text
    for line in (
        'search_answers_total{kind="search",results="some",variant="A"} 1.0',
        'search_answers_total{kind="search",results="none",variant="A"} 1.0',
        'search_clicks_total{kind="search",variant="A"} 1.0',
        'search_click_places_total{kind="search",variant="A"} 2.0',
        'search_conversions_total{kind="search",variant="A"} 1.0',
    ):
        assert line in text
