"""Actions and queries on the page, for tests in a real browser."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from listening import listening
from playwright.sync_api import (
    Locator,
    Page,
    expect,
)

from market.core.paths import PHOTOS
from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 20_000  # ms: other tests may keep the machine busy
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


@contextlib.contextmanager
def serve_page(ran: Path, engine: Engine, store: EventStore, settings: Settings) -> Iterator[str]:
    """Run a service in a thread while the block runs; yield its URL."""
    expect.set_options(timeout=PATIENCE)
    engine.search("warm up", limit=1)  # as the service does at its start
    with contextlib.chdir(ran):
        app = make_app(engine, PhotoStore(PHOTOS), store, settings)
    with listening(app) as site:
        yield site


def cards(page: Page) -> Locator:
    return page.locator("#cards a.open")


def names(page: Page) -> list[str]:
    return page.locator("#cards a.open").all_inner_texts()


def products(page: Page) -> list[str]:
    return cards(page).evaluate_all("links => links.map(link => link.dataset.product)")


def search(page: Page, words: str) -> None:
    """Type a query, and wait for its results."""
    wait_for_scripts(page)
    with page.expect_response(lambda answer: "/api/search" in answer.url):
        page.locator("#q").fill(words)
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")


def wait_for_scripts(page: Page) -> None:
    """Wait until the scripts have shown their results in place of those that the service rendered.

    On the start page these are others: the scripts leave out what they recommend above.
    """
    expect(page.get_by_role("status")).not_to_be_empty()


def open_first(page: Page) -> str:
    """Open the page of the first result, and return its name."""
    wait_for_scripts(page)
    first = cards(page).first
    name = first.inner_text()
    with page.expect_response("**/api/events"):
        first.click()
    expect(page).to_have_url(re.compile("/listing/"))
    expect(page.locator("#product-name")).to_have_text(name)
    return name


def recommended(page: Page) -> list[str]:
    return page.locator("#for-you-cards a.open").evaluate_all(
        "links => links.map(link => link.dataset.product)"
    )
