"""Fixtures of the API and the page over the project `ran`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_client import all_listings
from databases import empty_database
from fastapi.testclient import TestClient
from listening import listening
from page_client import CHROMIUM, DESKTOP, PATIENCE, serve_page
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    sync_playwright,
)

from market.core.paths import PHOTOS
from market.core.torch_setup import set_up_torch
from market.data.photo_store import PhotoStore
from market.predict import Predictor
from market.search.engine import Engine
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    return EventStore(f"sqlite:///{tmp_path}/events.sqlite")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    return empty_database(request.param, request, tmp_path)


@pytest.fixture
def client(
    ran: Path, engine: Engine, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.chdir(ran)
    app = make_app(engine, PhotoStore(PHOTOS), store, Settings(max_upload_mb=1))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def listing(client: TestClient) -> dict[str, Any]:
    """A listing with photos."""
    return next(hit for hit in all_listings(client) if hit["photo"])


@pytest.fixture(scope="module")
def loaded_predictor(ran: Path) -> Predictor:
    with contextlib.chdir(ran):
        return Predictor(set_up_torch(seed=0))


@pytest.fixture
def predictor(loaded_predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the models once for all tests, as that takes seconds."""
    for module in ("market.predict", "market.models.predictor"):
        monkeypatch.setattr(f"{module}.Predictor", lambda device: loaded_predictor)


@pytest.fixture
def serve(
    ran: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Return serve(max_at_once=1), which returns the URL of a service with these settings."""
    monkeypatch.chdir(ran)
    engine.search("warm up", limit=1)  # as at its start
    with contextlib.ExitStack() as running:

        def start(**settings: Any) -> str:
            store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
            app = make_app(engine, PhotoStore(PHOTOS), store, Settings(**settings))
            return running.enter_context(listening(app))

        yield start


@pytest.fixture(scope="module")
def page_store(tmp_path_factory: pytest.TempPathFactory) -> EventStore:
    return EventStore(f"sqlite:///{tmp_path_factory.mktemp('page')}/events.sqlite")


@pytest.fixture(scope="module")
def site(ran: Path, engine: Engine, page_store: EventStore) -> Iterator[str]:
    with serve_page(ran, engine, page_store, Settings()) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Chromium's sandbox refuses to run as root.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Return visit("?q=lamp", viewport=PHONE), which opens the page as a new user.

    At the end the console must be empty, except for failed requests with `failing=True`.
    """
    messages: list[str] = []
    contexts = []

    def open_page(address: str = "", failing: bool = False, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce"} | options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()

        def collect(message: ConsoleMessage) -> None:
            expected = ("Failed to load resource", "This document requires 'TrustedHTML'")
            if not (failing and message.text.startswith(expected)):
                messages.append(message.text)

        page.on("console", collect)
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(site + address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not messages


@pytest.fixture
def photo_file(ran: Path, tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(PhotoStore(ran / PHOTOS)[0])
    return path
