"""The page in a real browser: text never becomes HTML, and the API key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from page_client import (
    CHROMIUM,
    PATIENCE,
    cards,
    open_first,
    serve_page,
    wait_for_scripts,
)
from playwright.sync_api import (
    Browser,
    Page,
    Route,
    expect,
)
from pydantic import SecretStr

from market.search.engine import Engine
from market.service.events import EventStore
from market.service.settings import Settings

pytestmark = [
    pytest.mark.xdist_group("page"),  # share one browser and one service
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} not found: install chromium"),
]

HOSTILE_TEXT = '<img src=x onerror="window.ran=1"><script>window.ran=2</script>&amp;<b>'


def check_no_html(page: Page) -> None:
    assert page.evaluate("window.ran") is None
    # One query, as results may arrive between two.
    markup = "main b, dialog b, [onerror], body script"
    own = ".estimate b, .why .reasons > b, #nothing > p > b, .notice > p > b"
    count = "selector => document.querySelectorAll(selector).length"
    assert page.evaluate(count, f":is({markup}):not({own})") == 0, "text became elements"


def test_text_of_listings_never_becomes_html(visit: Callable[..., Page], engine: Engine) -> None:
    """Strangers write the listings: their text is shown unchanged and runs nothing."""
    product = engine.search("laptop").hits[0].product_id

    def replace_text(listing: dict[str, Any]) -> dict[str, Any]:
        texts: dict[str, Any] = {
            "name": HOSTILE_TEXT,
            "location": HOSTILE_TEXT,
            "category": [HOSTILE_TEXT, HOSTILE_TEXT],
            "price_flag": HOSTILE_TEXT,
        }
        if "description" in listing:
            texts["description"] = HOSTILE_TEXT
        if "highlights" in listing:
            description = {"text": HOSTILE_TEXT, "spans": [[0, 4], [10, 17]]}
            texts["highlights"] = {"name": [[0, 4]], "description": description}
        if "why" in listing:
            reason = {"feature": HOSTILE_TEXT, "text": HOSTILE_TEXT, "contribution": 1.0}
            texts["why"] = [reason, reason]
        return listing | texts

    def answer_hostile(route: Route) -> None:
        # No listing matches the hostile query: answer it with those for another one.
        address = re.sub(r"([?&]q)=[^&]*", r"\1=laptop", route.request.url)
        answer: Any = route.fetch(url=address).json()
        if "hits" in answer:
            for shown in ("hits", "related"):
                answer[shown] = [replace_text(hit) for hit in answer.get(shown) or []]
            answer["corrected_query"] = HOSTILE_TEXT
            answer["facets"] = {
                "categories": [{"value": HOSTILE_TEXT, "count": 1}],
                "prices": [],
                "distances": [],
            }
        elif isinstance(answer, dict):
            answer = replace_text(answer)
        elif "categories" in route.request.url:
            answer = [{"path": f"{HOSTILE_TEXT} / {HOSTILE_TEXT}", "count": 1}]
        else:
            answer = [HOSTILE_TEXT]
        route.fulfill(json=answer)

    page = visit()
    page.route(re.compile("/api/(?!photos|events)"), answer_hostile)
    page.goto(f"{page.url.split('?')[0]}listing/{product}")
    expect(page.locator("#product-name")).to_have_text(HOSTILE_TEXT)
    expect(page.locator(".description")).to_have_text(HOSTILE_TEXT)
    assert page.title() == f"{HOSTILE_TEXT} · Market"
    expect(page.locator("#similar-cards a.open").first).to_have_text(HOSTILE_TEXT)
    check_no_html(page)
    page.goto(f"{page.url.split('listing')[0]}?q={quote(HOSTILE_TEXT)}")
    expect(cards(page).first).to_have_text(HOSTILE_TEXT)
    expect(page.locator("#cards .snippet").first).to_have_text(HOSTILE_TEXT)
    expect(page.locator("#cards .why .reasons li").first).to_contain_text(HOSTILE_TEXT)
    expect(page.locator("#results-title")).to_contain_text(HOSTILE_TEXT)
    expect(page.locator("#category-list")).to_contain_text("<script>")
    check_no_html(page)


def test_text_of_urls_never_becomes_html(visit: Callable[..., Page]) -> None:
    """A link may contain any query, place, category and product id."""
    page = visit(
        f"?near={quote(HOSTILE_TEXT)}&category={quote(HOSTILE_TEXT)}&q={quote(HOSTILE_TEXT)}"
    )
    expect(page.get_by_text("There is no place called")).to_contain_text(HOSTILE_TEXT)
    check_no_html(page)
    page = visit(f"listing/{quote(HOSTILE_TEXT, safe='')}", failing=True)
    expect(page.get_by_role("alert")).to_be_visible()
    check_no_html(page)


def test_check_notices_text_that_became_html(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    wait_for_scripts(page)
    check_no_html(page)
    page.evaluate("document.querySelector('main').append(document.createElement('b'))")
    with pytest.raises(AssertionError, match="became elements"):
        check_no_html(page)


def test_browser_refuses_html(visit: Callable[..., Page]) -> None:
    """Trusted types: a change of the page that turns text into HTML would fail."""
    page = visit(failing=True)
    fault = page.evaluate(
        "() => { try { document.querySelector('#nothing').innerHTML = '<b>x</b>'; return ''; }"
        " catch (fault) { return fault.name; } }"
    )
    assert fault == "TypeError"
    assert page.evaluate("document.querySelector('#nothing b')") is None


def test_page_asks_for_the_api_key(
    browser: Browser, ran: Path, engine: Engine, page_store: EventStore
) -> None:
    key = "0123456789abcdef-key"
    with serve_page(ran, engine, page_store, Settings(api_key=SecretStr(key))) as site:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{site}?q=laptop")
        dialog = page.get_by_role("dialog", name="This service needs an API key.")
        expect(dialog).to_be_visible()
        expect(cards(page)).to_have_count(0)
        dialog.get_by_label("API key").fill("another key")
        dialog.get_by_role("button", name="Continue").click()
        expect(dialog.get_by_role("alert")).to_have_text("Wrong API key: try again.")
        dialog.get_by_label("API key").fill(key)
        dialog.get_by_role("button", name="Continue").click()
        expect(cards(page).first).to_be_visible()
        expect(dialog).to_be_hidden()
        image = page.locator("#cards img.picture").first
        expect(image).to_have_attribute("src", re.compile("^blob:"))
        expect(image).not_to_have_js_property("naturalWidth", 0)
        open_first(page)
        page.reload()
        expect(page.locator("#product-name")).to_be_visible()
        assert key not in page.url and page.evaluate("localStorage.getItem('key')") is None
        page.close()
