"""What every request passes: room, bounds, a key; and the headers of every answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, Counter
from starlette.exceptions import HTTPException

from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.service.admission import Admission
from market.service.app import PHOTOS, make_app
from market.service.events import EventStore
from market.service.security import BodyLimit
from market.service.settings import Settings

pytestmark = pytest.mark.xdist_group("search_api")  # one engine for all of them
KEY = "0123456789abcdef-key"


def client_of(ran: Path, engine: Engine, folder: Path, settings: Settings) -> TestClient:
    store = EventStore(f"sqlite:///{folder}/events.sqlite")
    app = make_app(engine, PhotoStore(ran / PHOTOS), store, settings)
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def guarded(
    ran: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """A service that asks for KEY."""
    monkeypatch.chdir(ran)
    with client_of(ran, engine, tmp_path, Settings(api_key=KEY)) as client:
        yield client


# --- Room -----------------------------------------------------------------------------------------
async def there() -> bool:
    return False


async def gone() -> bool:
    return True


def admission(at_once: int, waiting: int, seconds: float) -> Admission:
    return Admission(
        at_once, waiting, seconds, Counter("refused", "", registry=CollectorRegistry())
    )


def test_so_many_at_once_so_many_wait_and_the_rest_are_refused() -> None:
    queue = admission(2, 3, 60)
    running = most = 0
    order: list[int] = []

    async def ask(number: int) -> int:
        nonlocal running, most
        try:
            async with queue.turn(there):
                running += 1
                most = max(most, running)
                order.append(number)
                await asyncio.sleep(0.01)
                running -= 1
        except HTTPException as refused:
            assert refused.headers == {"Retry-After": "60"}
            return refused.status_code
        return 200

    async def twice() -> None:  # as nobody keeps a place
        for _ in range(2):
            order.clear()
            statuses = await asyncio.gather(*(ask(number) for number in range(9)))
            assert statuses == [200] * 5 + [503] * 4
            assert order == [0, 1, 2, 3, 4] and most == 2

    asyncio.run(twice())


def test_nobody_waits_longer_than_is_said() -> None:
    async def ask() -> None:
        queue = admission(1, 5, 0.05)
        async with queue.turn(there):
            with pytest.raises(HTTPException, match="503"):
                async with queue.turn(there):
                    raise AssertionError("there was no room")
        async with queue.turn(there):
            pass

    asyncio.run(ask())


def test_for_who_has_gone_nothing_is_computed() -> None:
    async def ask() -> str:
        queue = admission(1, 5, 60)
        done = []

        async def one(is_gone: Any, name: str) -> None:
            async with queue.turn(is_gone):
                await asyncio.sleep(0.01)
                done.append(name)

        names = [one(there, "first"), one(gone, "gone"), one(there, "last")]
        faults = await asyncio.gather(*names, return_exceptions=True)
        assert isinstance(faults[1], HTTPException) and faults[1].status_code == 499
        return " ".join(done)

    assert asyncio.run(ask()) == "first last"


def test_a_turn_ends_where_asking_who_is_there_fails() -> None:
    """That reads from the connection, where the request may turn out to be wrong."""

    async def wrong() -> bool:
        raise HTTPException(413)

    async def ask() -> list[Any]:
        queue = admission(1, 5, 60)

        async def one(is_gone: Any) -> int:
            async with queue.turn(is_gone):
                await asyncio.sleep(0.01)
                return 200

        people = [one(is_gone) for is_gone in (there, wrong, wrong, there)]
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*people, return_exceptions=True)
        assert queue.under_way == 0
        return [getattr(answer, "status_code", answer) for answer in answers]

    assert asyncio.run(ask()) == [200, 413, 413, 200]


def test_a_turn_ends_with_a_fault_and_with_a_cancelled_request() -> None:
    async def ask() -> None:
        queue = admission(1, 1, 60)
        with pytest.raises(ZeroDivisionError):
            async with queue.turn(there):
                raise ZeroDivisionError
        async with queue.turn(there):
            waits = asyncio.create_task(queue.turn(there).__aenter__())
            await asyncio.sleep(0)
            waits.cancel()
            await asyncio.gather(waits, return_exceptions=True)
            again = asyncio.create_task(queue.turn(there).__aenter__())
            await asyncio.sleep(0)
            assert not again.done(), "there is room to wait again"
        await again

    asyncio.run(ask())


def test_an_overloaded_service_answers_503_and_then_goes_on(
    ran: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ran)
    settings = Settings(max_at_once=1, max_waiting=2, max_wait_seconds=60)
    free = Event()
    whole = engine.search

    def slow(*args: Any, **named: Any) -> Any:
        assert free.wait(60)
        return whole(*args, **named)

    monkeypatch.setitem(vars(engine), "search", slow)
    with client_of(ran, engine, tmp_path, settings) as client, ThreadPoolExecutor(12) as people:
        asked = [people.submit(client.get, "/api/search?q=lamp") for _ in range(12)]
        while sum(one.done() for one in asked) < 9:
            time.sleep(0.01)
        # What is no search has its own room, and is not kept waiting.
        product = client.get("/api/categories")
        assert product.status_code == 200 and client.get("/healthz").status_code == 200
        event = {"user_id": "a", "product_id": engine.listings["product_id"][0], "event": "view"}
        assert client.post("/api/events", json=event).status_code == 201
        free.set()
        answers = [one.result() for one in asked]
        assert sorted(answer.status_code for answer in answers) == [200] * 3 + [503] * 9
        for answer in answers:
            if answer.status_code == 503:
                assert answer.headers["retry-after"] == "60" and list(answer.json()) == ["error"]
        assert 'search_refused_total{queue="search"} 9.0' in client.get("/metrics").text
        # Neither wrong requests nor faults keep a place.
        for _ in range(5):
            assert client.get("/api/search?limit=0").status_code == 422
            assert client.get("/api/similar/no-such").status_code == 404
        assert client.get("/api/search?q=lamp").status_code == 200


# --- Bodies ---------------------------------------------------------------------------------------
def test_a_body_that_never_ends_is_given_up() -> None:
    """Whoever sends a byte now and then would hold a connection and a file for ever."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    async def trickle() -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    limited = BodyLimit(app, limit=1000, seconds=0.1)
    scope = {"type": "http", "headers": []}
    with pytest.raises(HTTPException) as raised:
        asyncio.run(limited(scope, trickle, None))  # type: ignore[arg-type]
    assert raised.value.status_code == 408


def test_the_time_of_a_body_begins_when_it_is_read() -> None:
    """Not while the request waits for its turn."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.3)
        assert (await receive())["type"] == "http.request"

    async def come() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": False}

    limited = BodyLimit(app, limit=1000, seconds=0.2)
    asyncio.run(limited({"type": "http", "headers": []}, come, None))  # type: ignore[arg-type]


def test_a_length_over_the_limit_is_refused_before_anything_is_read() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it went on")

    async def receive() -> Any:
        raise AssertionError("it was read")

    async def send(message: Any) -> None:
        sent.append(message)

    limited = BodyLimit(app, limit=1000, seconds=60)
    scope = {"type": "http", "headers": [(b"content-length", b"1001")]}
    asyncio.run(limited(scope, receive, send))
    assert sent[0]["status"] == 413 and b"the request is over 0.001 MB" in sent[1]["body"]


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
def test_a_form_is_bounded_in_every_way(guarded: TestClient, files: Any, status: int) -> None:
    answer = guarded.post("/api/predict", files=files, headers={"X-API-Key": KEY})
    assert answer.status_code == status and list(answer.json()) == ["error"]


# --- The key --------------------------------------------------------------------------------------
def endpoints(client: TestClient) -> list[tuple[str, str]]:
    paths = client.get("/openapi.json").json()["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


def test_without_the_key_nothing_of_the_api_answers(guarded: TestClient) -> None:
    asked = endpoints(guarded)
    assert len(asked) >= 11
    for method, path in asked:
        # Nor does it read what was sent: a body that is wrong says nothing of it.
        answer = guarded.request(method, path, content=b"{")
        if path == "/healthz":
            assert answer.status_code == 200
        else:
            assert answer.status_code == 401 and list(answer.json()) == ["error"]
            assert answer.headers["www-authenticate"] == "Bearer"
    for page in ("/", "/docs", "/static/app.js"):
        assert guarded.get(page).status_code == 200


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
def test_the_key_is_all_of_it(guarded: TestClient, headers: Any, status: int) -> None:
    assert guarded.get("/api/places", headers=headers).status_code == status
    assert guarded.get("/api/photos/0?v=x", headers=headers).status_code in (404, status)


@pytest.mark.parametrize(
    "path",
    ["//api/places", "/./api/places", "/API/places", "/static/../api/places", "/%61pi/places",
     "/api%2fplaces", "/docs/../api/places", "/healthz/../api/places", "/api/places/"],
)  # fmt: skip
def test_no_other_spelling_of_a_path_lets_one_in(guarded: TestClient, path: str) -> None:
    answer = guarded.get(path, follow_redirects=True)
    assert answer.status_code in (401, 404), answer.text


def test_the_key_is_asked_for_under_a_path_too(
    ran: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ran)
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
    app = make_app(engine, PhotoStore(PHOTOS), store, Settings(api_key=KEY))
    with TestClient(app, root_path="/find") as client:
        for path in ("/api/places", "/find/api/places"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"X-API-Key": KEY}).status_code == 200


def test_the_key_is_in_the_docs_and_never_in_what_is_said(guarded: TestClient) -> None:
    schema = guarded.get("/openapi.json").json()
    schemes = schema["components"]["securitySchemes"].values()
    assert {scheme["type"] for scheme in schemes} == {"apiKey", "http"}
    assert "security" not in schema["paths"]["/healthz"]["get"]
    assert KEY not in repr(Settings(api_key=KEY)) + guarded.get("/openapi.json").text


# --- Headers --------------------------------------------------------------------------------------
def test_every_answer_has_the_headers(
    guarded: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(engine), "places", lambda: 1 / 0)
    key = {"X-API-Key": KEY}
    answers = {
        200: guarded.get("/"),
        401: guarded.get("/api/places"),
        404: guarded.get("/nowhere"),
        405: guarded.put("/api/places", headers=key),
        422: guarded.get("/api/search?limit=0", headers=key),
        500: guarded.get("/api/places", headers=key),
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
        assert "strict-transport-security" not in headers, "it is of whoever ends TLS"
        assert "access-control-allow-origin" not in headers


def test_answers_to_a_person_are_kept_nowhere(guarded: TestClient) -> None:
    key = {"X-API-Key": KEY}
    hits = guarded.get("/api/recommend/anna", headers=key)
    assert hits.headers["cache-control"] == "no-store"
    photo = next(hit["photo"] for hit in hits.json()["hits"] if hit["photo"])
    assert guarded.get(photo, headers=key).headers["cache-control"].startswith("private, max-age")
    assert guarded.get("/static/app.js").headers["cache-control"] == "no-cache"
