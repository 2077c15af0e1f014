"""Health, metrics, docs and internal errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_client import get, record_event
from fastapi.testclient import TestClient

from market.search.engine import Engine
from market.service.events import EventStore

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine


def test_health_depends_on_the_event_store(client: TestClient, store: EventStore) -> None:
    assert get(client, "/healthz") == {"status": "ok", "version": "latest"}
    database = Path(str(store._engine.url.database))
    store.close()
    database.parent.rename(database.parent.with_name(f"{database.parent.name}-away"))
    answer = client.get("/healthz")
    assert answer.status_code == 503 and "event store" in answer.json()["error"]
    recommended = client.get("/api/recommend/anna")
    assert recommended.status_code == 503 and recommended.headers["retry-after"]
    assert get(client, "/api/search")["hits"], "searches without a user still work"


def test_metrics_count_requests_and_events(client: TestClient, listing: dict[str, Any]) -> None:
    record_event(client, "anna", listing["product_id"], "save")
    text = client.get("/metrics").text
    assert 'search_events_total{event="save"} 1.0' in text
    assert 'handler="/api/search"' in text and "process_resident_memory_bytes" in text
    assert listing["product_id"] not in text, "metrics have the template of a path"


def test_docs_are_complete_and_load_nothing_from_other_sites(client: TestClient) -> None:
    schema = get(client, "/openapi.json")
    endpoints = [
        (path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(endpoints) >= 10
    for path, _, operation in endpoints:
        assert operation["summary"] and operation["tags"], path
        errors = {code for code in operation["responses"] if code >= "400"}
        for code in errors:
            content = operation["responses"][code]["content"]["application/json"]
            assert content["schema"]["$ref"].endswith("/Error"), path
    page = client.get("/docs")
    assert "http" not in page.text.replace("http-equiv", "")
    assert client.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


def test_internal_error_is_one_line(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(engine), "places", lambda: 1 / 0)
    answer = client.get("/api/places")
    assert answer.status_code == 500 and list(answer.json()) == ["error"]
    assert "ZeroDivision" not in answer.text


def test_only_the_pages_own_scripts_may_run(client: TestClient) -> None:
    for path in ("/", "/static/base.css", "/api/places"):
        headers = client.get(path).headers
        assert "script-src 'self';" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
