"""Admission, over a real uvicorn: places come back whatever clients do, and bodies are bounded."""

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
from typing import Any

import httpx
import pytest
from listening import listening
from PIL import Image

from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.service.app import PHOTOS, make_app
from market.service.events import EventStore
from market.service.settings import Settings

pytestmark = pytest.mark.xdist_group("search_api")  # one engine for all of them
PATIENCE = 60  # seconds: a busy machine takes its time


@pytest.fixture
def serve(
    ran: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Return serve(max_at_once=1): the URL of a service with these settings."""
    monkeypatch.chdir(ran)
    engine.search("warm up", limit=1)  # as the service does
    with contextlib.ExitStack() as running:

        def start(**settings: Any) -> str:
            store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
            app = make_app(engine, PhotoStore(PHOTOS), store, Settings(**settings))
            return running.enter_context(listening(app))

        yield start


@pytest.fixture
def held(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Searches compute until this is set."""
    go_on = threading.Event()
    compute = engine.search

    def slow(*args: Any, **named: Any) -> Any:
        assert go_on.wait(PATIENCE)
        return compute(*args, **named)

    monkeypatch.setitem(vars(engine), "search", slow)
    yield go_on
    go_on.set()


def send(site: str, head: str, body: bytes = b"") -> socket.socket:
    """Send a request as it is, right or wrong, and do not wait for the answer."""
    host, _, port = site.removeprefix("http://").strip("/").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    lines = [head, f"Host: {host}", "", ""]
    connection.sendall("\r\n".join(lines).encode() + body)
    return connection


def status_of(connection: socket.socket) -> int:
    """The status of the answer that comes."""
    answer = b""
    while b"\r\n" not in answer:
        piece = connection.recv(4096)
        assert piece, "the service hung up without an answer"
        answer += piece
    return int(answer.split()[1])


def levels(site: str, name: str) -> dict[str, float]:
    """A metric's values by queue."""
    text = httpx.get(f"{site}metrics", timeout=PATIENCE).text
    found = re.findall(rf'^{name}{{queue="(\w+)"}} (\S+)$', text, re.MULTILINE)
    return {queue: float(value) for queue, value in found}


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.02)


FORM = "Content-Type: multipart/form-data; boundary=x"
PHOTO = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'


def form(size: int) -> bytes:
    """A form with a photo, `size` bytes long."""
    picture = io.BytesIO()
    Image.new("RGB", (40, 40)).save(picture, "JPEG")
    end = b"\r\n--x--\r\n"
    fill = size - len(PHOTO) - picture.tell() - len(end)
    return PHOTO + picture.getvalue() + bytes(fill) + end


# --- Places ---------------------------------------------------------------------------------------
def test_every_place_is_free_after_broken_cancelled_and_oversized_requests(
    serve: Callable[..., str], held: threading.Event
) -> None:
    at_once = 2
    site = serve(max_at_once=at_once, max_waiting=100, max_wait_seconds=20, max_upload_mb=0.5)
    chunked = "Transfer-Encoding: chunked"
    large = b"fffff\r\n" + bytes(0xFFFFF) + b"\r\n"
    post = "POST /api/search/photo HTTP/1.1\r\n" + FORM
    requests = {
        "no such length": ("GET /api/search HTTP/1.1\r\nContent-Length: 99999999", b"x"),
        "shorter than said": ("GET /api/search HTTP/1.1\r\nContent-Length: 400000", b"x"),
        "too many chunks": (f"GET /api/search HTTP/1.1\r\n{chunked}", large),
        "a broken chunk": (f"GET /api/search HTTP/1.1\r\n{chunked}", b"zz\r\n"),
        "an oversized photo": (f"{post}\r\nContent-Length: 99999999", PHOTO),
        "an oversized photo in chunks": (f"{post}\r\n{chunked}", large),
        "a form that is none": (f"{post}\r\nContent-Length: 5", b"a\0b\0c"),
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
            with contextlib.suppress(ConnectionError):  # it was refused in the middle of its body
                waiting.append(send(site, head, body))
        httpx.get(f"{site}healthz", timeout=PATIENCE)  # it came after them: they have arrived
        for connection in waiting:
            connection.close()
        held.set()
        wait_for(lambda: not any(levels(site, "search_under_way").values()))
        wait_for(lambda: not any(levels(site, "search_body_bytes").values()))
    with ThreadPoolExecutor(at_once) as clients:
        asked = [
            clients.submit(httpx.get, f"{site}api/search?q=lamp", timeout=PATIENCE)
            for _ in range(3 * at_once)
        ]
        assert {one.result().status_code for one in asked} == {200}


SLOW = f"POST /api/search/photo HTTP/1.1\r\n{FORM}\r\nContent-Length: 100000"


def test_a_slow_upload_keeps_no_search_from_its_turn(serve: Callable[..., str]) -> None:
    site = serve(max_at_once=1, max_wait_seconds=PATIENCE, max_upload_seconds=2 * PATIENCE)
    with send(site, SLOW, PHOTO):
        wait_for(lambda: levels(site, "search_body_bytes")["search"] == len(PHOTO))
        assert httpx.get(f"{site}api/search?q=lamp", timeout=PATIENCE).status_code == 200
        assert levels(site, "search_body_bytes")["search"] == len(PHOTO), "it still comes"
    wait_for(lambda: not any(levels(site, "search_body_bytes").values()))


def test_a_slow_upload_keeps_others_out_for_so_long_only(serve: Callable[..., str]) -> None:
    site = serve(max_uploads=1, max_wait_seconds=PATIENCE, max_upload_seconds=0.5)
    head = f"POST /api/search/photo HTTP/1.1\r\n{FORM}\r\nConnection: close"
    with send(site, SLOW, PHOTO) as slow:
        body = form(10_000)
        with send(site, f"{head}\r\nContent-Length: {len(body)}", body) as other:
            assert status_of(slow) == 408
            assert status_of(other) == 200


# --- Bodies ---------------------------------------------------------------------------------------
def test_where_the_queue_is_full_no_body_is_read(
    serve: Callable[..., str], held: threading.Event
) -> None:
    site = serve(max_at_once=1, max_waiting=1, max_wait_seconds=PATIENCE)
    with contextlib.ExitStack() as connections:
        for number in range(2):  # one has its turn, one waits
            connections.enter_context(send(site, f"GET /api/search?q={number} HTTP/1.1"))
            wait_for(lambda: levels(site, "search_under_way")["search"] == 1)
        head = f"POST /api/search/photo HTTP/1.1\r\n{FORM}\r\nContent-Length: 10000000"
        with send(site, head) as upload:  # no byte of its body is sent
            assert status_of(upload) == 503


@pytest.mark.parametrize("chunked", [False, True])
def test_so_many_bodies_are_held_and_no_more(
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

    most = 0.0
    with ThreadPoolExecutor(clients) as people:
        asked = [people.submit(upload) for _ in range(clients)]

        def are_held() -> bool:
            nonlocal most
            most = max(most, levels(site, "search_body_bytes")["search"])
            return most >= uploads * size

        wait_for(are_held)
        for _ in range(10):  # the others have their connections, and wait
            are_held()
        held.set()
        statuses = [one.result() for one in asked]
    assert most == uploads * size
    assert statuses == [200] * clients
    assert not any(levels(site, "search_body_bytes").values())


def test_an_event_is_small(serve: Callable[..., str], engine: Engine) -> None:
    site = serve()
    known = engine.listings["product_id"][0]
    event = {"user_id": "a", "product_id": known, "event": "view"}
    assert httpx.post(f"{site}api/events", json=event).status_code == 201
    padded = json.dumps(event) + " " * 100_000
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{site}api/events", content=padded, headers=headers)
    assert answer.status_code == 413 and list(answer.json()) == ["error"]


# --- HEAD -----------------------------------------------------------------------------------------
def test_head_is_answered_as_get(serve: Callable[..., str], engine: Engine) -> None:
    site = serve()
    known = engine.listings["product_id"][0]
    paths = httpx.get(f"{site}openapi.json").json()["paths"]
    readable = [path for path, methods in paths.items() if "get" in methods]
    values = {"{product_id}": known, "{user_id}": "anna", "{number}": "0"}
    asked = ["/", "/docs", "/openapi.json", "/metrics", "/static/app.js", "/nowhere"]
    for path in readable:
        for name, value in values.items():
            path = path.replace(name, value)
        asked.append(path)
    assert len(asked) >= 14
    with httpx.Client(base_url=site, timeout=PATIENCE) as client:
        for path in asked:
            head, get = client.head(path), client.get(path)
            assert head.status_code == get.status_code, path
            assert head.content == b"" and head.headers.keys() == get.headers.keys()
            if path != "/metrics":  # which counts the requests meanwhile
                assert head.headers["content-length"] == get.headers["content-length"], path
        refused = client.head("/api/events")
        assert refused.status_code == 405 and refused.headers["allow"] == "POST"
        assert client.put("/api/places").headers["allow"] == "GET, HEAD"
