"""The API key, form limits and security headers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from market.core.paths import PHOTOS
from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine

KEY = "0123456789abcdef-key"


def new_client(ran: Path, engine: Engine, folder: Path, settings: Settings) -> TestClient:
    store = EventStore(f"sqlite:///{folder}/events.sqlite")
    app = make_app(engine, PhotoStore(ran / PHOTOS), store, settings)
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def locked(
    ran: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """A client of a service that needs KEY."""
    monkeypatch.chdir(ran)
    with new_client(ran, engine, tmp_path, Settings(api_key=SecretStr(KEY))) as client:
        yield client


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ([("photos", ("a.jpg", b"x"))] * 11, 422),
        ([("photos", ("a.jpg", b"x"))] * 1001, 400),
        ([("colour", (None, "x"))] * 1001, 400),
        ([("name", (None, "x" * 1_100_000))], 400),
    ],
    ids=["photos", "files", "fields", "field"],
)
def test_form_size_is_limited(locked: TestClient, files: Any, status: int) -> None:
    answer = locked.post("/api/predict", files=files, headers={"X-API-Key": KEY})
    assert answer.status_code == status and list(answer.json()) == ["error"]


# --- The key --------------------------------------------------------------------------------------


def endpoints(client: TestClient) -> list[tuple[str, str]]:
    paths = client.get("/openapi.json").json()["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


def test_every_endpoint_needs_the_key(locked: TestClient) -> None:
    operations = endpoints(locked)
    assert len(operations) >= 11
    for method, path in operations:
        # The key is checked before the body, so the invalid body gives no other error.
        answer = locked.request(method, path, content=b"{")
        if path == "/healthz":
            assert answer.status_code == 200
        else:
            assert answer.status_code == 401 and list(answer.json()) == ["error"]
            assert answer.headers["www-authenticate"] == "Bearer"
    for page in ("/", "/docs", "/static/app.js"):
        assert locked.get(page).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-API-Key": KEY}, 200),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"Authorization": f"bearer  {KEY}"}, 200),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": KEY[:-1]}, 401),
        ({"X-API-Key": f"{KEY}x"}, 401),
        ({"X-API-Key": KEY.upper()}, 401),
        ({"X-API-Key": b"\xff\xfe"}, 401),
        ({"Authorization": KEY}, 401),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"X-API-Key": "wrong", "Authorization": f"Bearer {KEY}"}, 401),
    ],
)
def test_only_the_exact_key_is_accepted(locked: TestClient, headers: Any, status: int) -> None:
    assert locked.get("/api/places", headers=headers).status_code == status
    assert locked.get("/api/photos/0?v=x", headers=headers).status_code in (404, status)


@pytest.mark.parametrize(
    "path",
    ["//api/places", "/./api/places", "/API/places", "/static/../api/places", "/%61pi/places",
     "/api%2fplaces", "/docs/../api/places", "/healthz/../api/places", "/api/places/"],
)  # fmt: skip
def test_other_spellings_of_a_path_do_not_bypass_the_key(locked: TestClient, path: str) -> None:
    answer = locked.get(path, follow_redirects=True)
    assert answer.status_code in (401, 404), answer.text


def test_key_is_needed_under_a_root_path(
    ran: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ran)
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
    app = make_app(engine, PhotoStore(PHOTOS), store, Settings(api_key=SecretStr(KEY)))
    with TestClient(app, root_path="/find") as client:
        for path in ("/api/places", "/find/api/places"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"X-API-Key": KEY}).status_code == 200


def test_docs_describe_the_key_without_showing_it(locked: TestClient) -> None:
    schema = locked.get("/openapi.json").json()
    schemes = schema["components"]["securitySchemes"].values()
    assert {scheme["type"] for scheme in schemes} == {"apiKey", "http"}
    assert "security" not in schema["paths"]["/healthz"]["get"]
    assert KEY not in repr(Settings(api_key=SecretStr(KEY))) + locked.get("/openapi.json").text


# --- Headers --------------------------------------------------------------------------------------


def test_every_answer_has_security_headers(
    locked: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(engine), "places", lambda: 1 / 0)
    key = {"X-API-Key": KEY}
    answers = {
        200: locked.get("/"),
        401: locked.get("/api/places"),
        404: locked.get("/nowhere"),
        405: locked.put("/api/places", headers=key),
        422: locked.get("/api/search?limit=0", headers=key),
        500: locked.get("/api/places", headers=key),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff", status
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy and "unsafe" not in policy
        assert "strict-transport-security" not in headers, "the proxy that ends TLS sends it"
        assert "access-control-allow-origin" not in headers


def test_personal_answers_are_not_cached(locked: TestClient) -> None:
    key = {"X-API-Key": KEY}
    hits = locked.get("/api/recommend/anna", headers=key)
    assert hits.headers["cache-control"] == "no-store"
    photo = next(hit["photo"] for hit in hits.json()["hits"] if hit["photo"])
    assert locked.get(photo, headers=key).headers["cache-control"].startswith("private, max-age")
    assert locked.get("/static/app.js").headers["cache-control"] == "no-cache"
