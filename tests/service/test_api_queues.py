"""Queues over a real server: slots are released whatever clients do, and bodies are limited."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from market.core.paths import PHOTOS
from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine

PATIENCE = 60  # seconds: the machine may be busy


@pytest.fixture
def held(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Searches block until this event is set."""
    released = threading.Event()
    compute = engine.search

    def slow(*args: Any, **named: Any) -> Any:
        assert released.wait(PATIENCE)
        return compute(*args, **named)

    monkeypatch.setitem(vars(engine), "search", slow)
    yield released
    released.set()


def send(site: str, head: str, body: bytes = b"") -> socket.socket:
    """Send a request, valid or not, without waiting for the answer."""
    host, _, port = site.removeprefix("http://").strip("/").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    lines = [head, f"Host: {host}", "", ""]
    connection.sendall("\r\n".join(lines).encode() + body)
    return connection


def status_of(connection: socket.socket) -> int:
    """Return the status of the answer."""
    answer = b""
    while b"\r\n" not in answer:
        piece = connection.recv(4096)
        assert piece, "the service hung up without an answer"
        answer += piece
    return int(answer.split()[1])


def levels(site: str, name: str) -> dict[str, float]:
    """Return the values of a metric by queue."""
    text = httpx.get(f"{site}metrics", timeout=PATIENCE).text
    matches = re.findall(rf'^{name}{{queue="(\w+)"}} (\S+)$', text, re.MULTILINE)
    return {queue: float(value) for queue, value in matches}


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "the condition never became true"
        time.sleep(0.02)


FORM = "Content-Type: multipart/form-data; boundary=x"


PHOTO = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'


def form(size: int) -> bytes:
    """Return a form with a photo, `size` bytes long."""
    picture = io.BytesIO()
    Image.new("RGB", (40, 40)).save(picture, "JPEG")
    end = b"\r\n--x--\r\n"
    fill = size - len(PHOTO) - picture.tell() - len(end)
    return PHOTO + picture.getvalue() + bytes(fill) + end


# --- Slots ----------------------------------------------------------------------------------------


def test_failed_requests_release_their_slots(
    serve: Callable[..., str], held: threading.Event
) -> None:
    at_once = 2
    site = serve(max_at_once=at_once, max_waiting=100, max_wait_seconds=20, max_upload_mb=0.5)
    chunked = "Transfer-Encoding: chunked"
    large = b"fffff\r\n" + bytes(0xFFFFF) + b"\r\n"
    post = "POST /api/search/photo HTTP/1.1\r\n" + FORM
    requests = {
        "too large a length": ("GET /api/search HTTP/1.1\r\nContent-Length: 99999999", b"x"),
        "shorter than declared": ("GET /api/search HTTP/1.1\r\nContent-Length: 400000", b"x"),
        "too many chunks": (f"GET /api/search HTTP/1.1\r\n{chunked}", large),
        "a broken chunk": (f"GET /api/search HTTP/1.1\r\n{chunked}", b"zz\r\n"),
        "an oversized photo": (f"{post}\r\nContent-Length: 99999999", PHOTO),
        "an oversized photo in chunks": (f"{post}\r\n{chunked}", large),
        "a body that is not a form": (f"{post}\r\nContent-Length: 5", b"a\0b\0c"),
        "a form cut off": (f"{post}\r\nContent-Length: {len(PHOTO)}", PHOTO),
        "a photo cut off": (f"{post}\r\nContent-Length: 400000", PHOTO),
        "a photo in broken chunks": (f"{post}\r\n{chunked}", b"zz\r\n"),
        "an unfinished head": ("GET /api/search HTTP/1.1\r\nAccept", b""),
        "a search": ("GET /api/search?q=lamp HTTP/1.1", b""),
    }
    with contextlib.ExitStack() as connections:
        for _ in range(at_once):
            connections.enter_context(send(site, "GET /api/search?q=first HTTP/1.1"))
        wait_for(lambda: levels(site, "search_under_way")["search"] == at_once)
        waiting = []
        for head, body in [*requests.values()] * 3:
            with contextlib.suppress(ConnectionError):  # refused in the middle of its body
                waiting.append(send(site, head, body))
        httpx.get(f"{site}healthz", timeout=PATIENCE)  # sent last, so all have arrived
        for connection in waiting:
            connection.close()
        held.set()
        wait_for(lambda: not any(levels(site, "search_under_way").values()))
        wait_for(lambda: not any(levels(site, "search_body_bytes").values()))
    with ThreadPoolExecutor(at_once) as clients:
        searches = [
            clients.submit(httpx.get, f"{site}api/search?q=lamp", timeout=PATIENCE)
            for _ in range(3 * at_once)
        ]
        assert {search.result().status_code for search in searches} == {200}


SLOW = f"POST /api/search/photo HTTP/1.1\r\n{FORM}\r\nContent-Length: 100000"


def test_slow_upload_does_not_block_searches(serve: Callable[..., str]) -> None:
    site = serve(max_at_once=1, max_wait_seconds=PATIENCE, max_upload_seconds=2 * PATIENCE)
    with send(site, SLOW, PHOTO):
        wait_for(lambda: levels(site, "search_body_bytes")["search"] == len(PHOTO))
        assert httpx.get(f"{site}api/search?q=lamp", timeout=PATIENCE).status_code == 200
        assert levels(site, "search_body_bytes")["search"] == len(PHOTO), "the upload still runs"
    wait_for(lambda: not any(levels(site, "search_body_bytes").values()))


def test_slow_upload_blocks_others_only_until_it_times_out(
    serve: Callable[..., str],
) -> None:
    site = serve(max_uploads=1, max_wait_seconds=PATIENCE, max_upload_seconds=0.5)
    head = f"POST /api/search/photo HTTP/1.1\r\n{FORM}\r\nConnection: close"
    with send(site, SLOW, PHOTO) as slow:
        body = form(10_000)
        with send(site, f"{head}\r\nContent-Length: {len(body)}", body) as other:
            assert status_of(slow) == 408
            assert status_of(other) == 200


def test_overloaded_service_answers_503_and_recovers(
    ran: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ran)
    settings = Settings(max_at_once=1, max_waiting=2, max_wait_seconds=60)
    free = Event()
    compute = engine.search

    def slow(*args: Any, **named: Any) -> Any:
        assert free.wait(60)
        return compute(*args, **named)

    monkeypatch.setitem(vars(engine), "search", slow)
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
    app = make_app(engine, PhotoStore(PHOTOS), store, settings)
    with TestClient(app) as client, ThreadPoolExecutor(12) as users:
        requests = [users.submit(client.get, "/api/search?q=lamp") for _ in range(12)]
        while sum(request.done() for request in requests) < 9:
            time.sleep(0.01)
        # Other requests have their own queues and do not wait.
        product = client.get("/api/categories")
        assert product.status_code == 200 and client.get("/healthz").status_code == 200
        event = {"user_id": "a", "product_id": engine.listings["product_id"][0], "event": "view"}
        assert client.post("/api/events", json=event).status_code == 201
        free.set()
        answers = [request.result() for request in requests]
        assert sorted(answer.status_code for answer in answers) == [200] * 3 + [503] * 9
        for answer in answers:
            if answer.status_code == 503:
                assert answer.headers["retry-after"] == "60" and list(answer.json()) == ["error"]
        assert 'search_refused_total{queue="search"} 9.0' in client.get("/metrics").text
        # Invalid requests and errors release their slots.
        for _ in range(5):
            assert client.get("/api/search?limit=0").status_code == 422
            assert client.get("/api/similar/no-such").status_code == 404
        assert client.get("/api/search?q=lamp").status_code == 200


# --- Bodies ---------------------------------------------------------------------------------------


def test_full_queue_reads_no_bodies(serve: Callable[..., str], held: threading.Event) -> None:
    site = serve(max_at_once=1, max_waiting=1, max_wait_seconds=PATIENCE)
    with contextlib.ExitStack() as connections:
        for number in range(2):  # one runs, one waits
            connections.enter_context(send(site, f"GET /api/search?q={number} HTTP/1.1"))
            wait_for(lambda: levels(site, "search_under_way")["search"] == 1)
        head = f"POST /api/search/photo HTTP/1.1\r\n{FORM}\r\nContent-Length: 10000000"
        with send(site, head) as upload:  # without its body
            assert status_of(upload) == 503


@pytest.mark.parametrize("chunked", [False, True])
def test_number_of_held_bodies_is_limited(
    serve: Callable[..., str], held: threading.Event, chunked: bool
) -> None:
    uploads, clients, size = 3, 12, 900_000
    site = serve(
        max_at_once=1, max_uploads=uploads, max_wait_seconds=PATIENCE, max_upload_mb=size / 1e6
    )
    body = form(size)
    pieces = [body[start : start + 100_000] for start in range(0, size, 100_000)]

    def upload() -> int:
        content: Any = iter(pieces) if chunked else body
        answer = httpx.post(
            f"{site}api/search/photo",
            content=content,
            headers={"Content-Type": "multipart/form-data; boundary=x"},
            timeout=PATIENCE,
        )
        return answer.status_code

    max_held = 0.0
    with ThreadPoolExecutor(clients) as users:
        requests = [users.submit(upload) for _ in range(clients)]

        def are_held() -> bool:
            nonlocal max_held
            max_held = max(max_held, levels(site, "search_body_bytes")["search"])
            return max_held >= uploads * size

        wait_for(are_held)
        for _ in range(10):  # the others are connected and wait
            are_held()
        held.set()
        statuses = [request.result() for request in requests]
    assert max_held == uploads * size
    assert statuses == [200] * clients
    assert not any(levels(site, "search_body_bytes").values())


def test_event_size_is_limited(serve: Callable[..., str], engine: Engine) -> None:
    site = serve()
    known = engine.listings["product_id"][0]
    event = {"user_id": "a", "product_id": known, "event": "view"}
    assert httpx.post(f"{site}api/events", json=event).status_code == 201
    padded = json.dumps(event) + " " * 100_000
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{site}api/events", content=padded, headers=headers)
    assert answer.status_code == 413 and list(answer.json()) == ["error"]
