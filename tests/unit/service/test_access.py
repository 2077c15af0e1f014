"""Scopes, limits, other origins, rules and the data of a user over HTTP, on handmade listings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from handmade import Handmade
from pydantic import SecretStr
from repository import REPO

from market.data.histories import LoggedHistories
from market.search.engine import Engine
from market.search.rules import Rules
from market.service.app import make_app
from market.service.events import EventStore
from market.service.routes.assembly import api_router
from market.service.scopes import ScopedRoute
from market.service.settings import Settings

KEYS = {scope: f"{scope}-0123456789abcdef" for scope in ("read", "events", "catalogue")}
LIST = ", ".join(f"{{name: {name}, key: {key}, scopes: [{name}]}}" for name, key in KEYS.items())
SHOP = "https://shop.example"


class NoPhotos:
    """A store that knows the sizes of photos, and has no photo."""

    nominal_sizes = (480, 1200)

    def __len__(self) -> int:
        return 1000

    def version(self) -> str:
        return "1"

    def sizes(self, number: int) -> tuple[int, int, int, int]:
        return (4, 4, 4, 4)

    def read(self, number: int, size: int) -> bytes:
        raise LookupError


NO_PHOTOS: Any = NoPhotos()


@pytest.fixture(scope="module")
def shop() -> Engine:
    return Handmade().engine()


@pytest.fixture
def connect(
    shop: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., TestClient]]:
    """Return connect(rules="", logged=None, **settings), which returns a client of a service."""
    monkeypatch.chdir(REPO)
    clients = []

    def start(
        rules: str = "", logged: LoggedHistories | None = None, **settings: Any
    ) -> TestClient:
        events = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
        engine = shop.with_rules(Rules.parse(rules))
        app = make_app(engine, NO_PHOTOS, events, Settings(**settings), logged=logged)
        clients.append(TestClient(app, raise_server_exceptions=False))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def with_key(name: str) -> dict[str, str]:
    return {"X-API-Key": KEYS[name]}


# --- Scopes and limits ----------------------------------------------------------------------------
def test_every_route_declares_a_scope() -> None:
    needs = {}
    for included in api_router.routes:
        for route in included.original_router.routes:  # type: ignore[attr-defined]
            assert isinstance(route, ScopedRoute)
            needs[route.path] = route.needs
    assert needs["/search"] == needs["/predict"] == needs["/products/{product_id:path}"] == "read"
    assert needs["/events"] == "events"
    assert needs["/users/{user_id:path}"] == needs["/users/{user_id:path}/data"] == "catalogue"


def test_a_key_is_refused_without_the_scope_of_a_route(connect: Callable[..., TestClient]) -> None:
    client = connect(api_keys=SecretStr(f"[{LIST}]"))
    event = {"user_id": "anna", "product_id": "p01", "event": "view"}
    requests: list[tuple[str, str, str, dict[str, Any]]] = [
        ("read", "GET", "/api/search?q=guitar", {}),
        ("read", "GET", "/api/places", {}),
        ("events", "POST", "/api/events", {"json": event}),
        ("catalogue", "GET", "/api/users/anna/data", {}),
        ("catalogue", "DELETE", "/api/users/anna", {}),
    ]
    for scope, method, path, options in requests:
        for name in KEYS:
            answer = client.request(method, path, headers=with_key(name), **options)
            if name == scope:
                assert answer.status_code in (200, 201), answer.text
            else:
                assert answer.status_code == 403
                assert answer.json()["error"] == f"the key '{name}' lacks the scope '{scope}'"
        assert client.request(method, path, **options).status_code == 401
    broken = client.post("/api/events", content=b"{", headers=with_key("read"))
    assert broken.status_code == 403, "the scope is checked before the body is read"


def test_a_key_over_its_limit_gets_429(connect: Callable[..., TestClient]) -> None:
    limited = LIST.replace("scopes: [read]", "scopes: [read], limit: 2/minute")
    client = connect(api_keys=SecretStr(f"[{limited}]"))
    answers = [client.get("/api/places", headers=with_key("read")) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert "the key 'read' is limited to 2/minute" in answers[-1].json()["error"]
    assert client.post("/api/events", headers=with_key("events"), json={}).status_code == 422
    assert client.get("/healthz").status_code == 200


# --- Other origins --------------------------------------------------------------------------------
def test_other_origins_are_refused_by_default(connect: Callable[..., TestClient]) -> None:
    client = connect()
    answer = client.get("/api/places", headers={"Origin": SHOP})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_allowed_origins_may_call_the_api_alone(connect: Callable[..., TestClient]) -> None:
    client = connect(cors_origins=f"{SHOP} http://localhost:3000", api_keys=SecretStr(f"[{LIST}]"))
    preflight = {"Origin": SHOP, "Access-Control-Request-Method": "PUT"}
    asked = client.options(
        "/api/events",
        headers={**preflight, "Access-Control-Request-Headers": "X-API-Key, If-Match"},
    )
    assert asked.status_code == 200, "a browser asks without a key"
    assert asked.headers["access-control-allow-origin"] == SHOP
    for path, headers in (("/api/places", with_key("read")), ("/api/places", {})):
        answer = client.get(path, headers={"Origin": SHOP, **headers})
        assert answer.headers["access-control-allow-origin"] == SHOP, "errors can be read as well"
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    strange = client.get("/api/places", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in strange.headers
    for path in ("/", "/metrics", "/healthz"):
        answer = client.get(path, headers={"Origin": SHOP})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
    photo = client.get("/api/photos/0", headers=with_key("read"))
    assert photo.headers["cross-origin-resource-policy"] == "cross-origin"


def test_all_origins_are_allowed_without_credentials(connect: Callable[..., TestClient]) -> None:
    answer = connect(cors_origins="*").get("/api/places", headers={"Origin": SHOP})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


# --- Rules ----------------------------------------------------------------------------------------
def test_rules_are_reasons_and_redirects_are_named(connect: Callable[..., TestClient]) -> None:
    client = connect(
        "pins: [{name: first, listing: p55, place: 1, queries: [guitar]}]\n"
        "boosts: [{name: up, listings: {ids: [p03]}, factor: 3}]\n"
        "hidden: [{name: recall, listings: {ids: [p04]}}]\n"
        "redirects: [{name: sale, queries: [guitar], category: Music, filters: {price_max: 50}}]"
    )
    answer = client.get("/api/search?q=guitar&limit=100").json()
    assert answer["redirect"] == {
        "rule": "sale",
        "path": None,
        "filters": {"category": "Music", "price_max": "50"},
    }
    hits = {hit["product_id"]: hit for hit in answer["hits"]}
    assert answer["hits"][0]["product_id"] == "p55" and "p04" not in hits
    assert hits["p55"]["why"][0]["text"] == "placed by rule ‘first’"
    assert any(reason["text"] == "raised by rule ‘up’" for reason in hits["p03"]["why"])
    for hit in hits.values():
        total = sum(reason["contribution"] for reason in hit["why"])
        assert total == pytest.approx(hit["score"])
    assert client.get("/api/search?q=sofa").json()["redirect"] is None


# --- The data of a user ---------------------------------------------------------------------------
def test_an_erased_user_is_a_new_user_at_once(connect: Callable[..., TestClient]) -> None:
    times = pd.to_datetime(["2022-03-01", "2022-03-02"])
    log = pd.DataFrame({"user_id": "anna", "product_id": ["p01", "p02"], "event": "buy"})
    client = connect(logged=LoggedHistories(log.assign(timestamp=times), 10))
    event = {"user_id": "anna", "product_id": "p33", "event": "save"}
    assert client.post("/api/events", json=event).status_code == 201
    new_user = client.get("/api/recommend/nobody").json()["hits"]
    assert client.get("/api/recommend/anna").json()["hits"] != new_user
    lines = client.get("/api/users/anna/data").text.splitlines()
    assert [json.loads(line)["product_id"] for line in lines if "store" in line] == ["p33"]
    erased = client.delete("/api/users/anna")
    assert erased.json() == {"events": 1}
    assert client.get("/api/recommend/anna").json()["hits"] == new_user
    assert client.get("/api/users/anna/data").text == ""
    assert client.delete("/api/users/anna").json() == {"events": 0}
    again = {**event, "timestamp": datetime.now(UTC).isoformat()}
    assert client.post("/api/events", json=again).status_code == 201
    assert client.get("/api/recommend/anna").json()["hits"] != new_user


def test_ids_of_users_may_have_slashes(connect: Callable[..., TestClient]) -> None:
    client = connect()
    event = {"user_id": "a/b data", "product_id": "p33", "event": "save"}
    client.post("/api/events", json=event).raise_for_status()
    assert len(client.get("/api/users/a%2Fb%20data/data").text.splitlines()) == 1
    assert client.delete("/api/users/a%2Fb%20data").json() == {"events": 1}
