"""The page of a listing in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from page_client import CHROMIUM, cards, open_first, search, wait_for_scripts
from playwright.sync_api import Page, expect

from market.search.engine import Engine

pytestmark = [
    pytest.mark.xdist_group("page"),  # share one browser and one service
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} not found: install chromium"),
]


def test_click_opens_a_listing_and_back_returns(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    name = open_first(page)
    expect(page.locator(".description")).not_to_be_empty()
    expect(page.get_by_text("Estimated price: about")).to_be_visible()
    expect(page.get_by_alt_text(f"Photo of {name}").first).to_be_visible()
    expect(page).to_have_title(f"{name} · Market")
    own = page.url
    similar = page.locator("#similar a.open").first
    other = similar.inner_text()
    similar.click()
    expect(page.locator("#product-name")).to_have_text(other)
    page.go_back()
    expect(page.locator("#product-name")).to_have_text(name)
    page.go_back()
    wait_for_scripts(page)
    assert page.url.endswith("?q=laptop")
    page.go_forward()
    expect(page.locator("#product-name")).to_have_text(name)
    assert page.url == own


def test_an_old_link_to_a_listing_still_works(visit: Callable[..., Page], engine: Engine) -> None:
    product = engine.search("laptop").hits[0].product_id
    page = visit(f"?product={product}")
    expect(page.locator("#product-name")).to_have_text(engine.listing(product)["name"])
    assert page.url.endswith(f"/listing/{product}")
    page.get_by_role("link", name="Back to the results").click()
    expect(cards(page).first).to_be_visible()


def test_all_photos_are_shown_and_zoom_in(visit: Callable[..., Page], engine: Engine) -> None:
    product = next(
        hit.product_id
        for hit in engine.search(limit=100).hits
        if len(engine.listing(hit.product_id)["photos"]) > 1
    )
    page = visit(f"listing/{product}")
    first, second = engine.listing(product)["photos"][:2]
    shown = page.locator(".shown img")
    expect(shown).to_have_attribute("src", re.compile(f"/{first}\\?"))
    page.get_by_role("button", name="Photo 2 of", exact=False).last.click()
    expect(shown).to_have_attribute("src", re.compile(f"/{second}\\?"))
    page.get_by_role("button", name="Zoom in").click()
    expect(page.get_by_role("dialog", name="Photo")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Photo")).to_be_hidden()


def test_saved_and_seen_listings_are_kept_in_the_browser(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    name = open_first(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Saved")).to_be_visible()
    page.get_by_role("link", name="Saved 1").click()
    expect(page.get_by_role("heading", name="Saved listings")).to_be_visible()
    expect(cards(page)).to_have_text([name])
    page.get_by_role("button", name=f"Save {name}").click()
    page.reload()
    expect(page.get_by_text("You have not saved anything yet.")).to_be_visible()
    page.get_by_role("link", name="Back to the start page").click()
    expect(page.locator("#recent-cards a.open")).to_have_text([name])
    page.locator("#recent").get_by_role("button", name="Clear").click()
    expect(page.locator("#recent")).to_be_hidden()


def test_category_link_shows_its_listings(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    open_first(page)
    link = page.locator(".path a").first
    name = link.inner_text()
    link.click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.locator("#q")).to_have_value("")


def test_distance_from_the_place_of_the_search(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop&near=Leeds")
    open_first(page)
    expect(page.locator("#listing .where")).to_contain_text(" mi away")


def test_unknown_listing_shows_a_message_and_a_way_back(visit: Callable[..., Page]) -> None:
    for product in ("gone", quote("a/b c", safe="")):
        page = visit(f"listing/{product}", failing=True)
        expect(page.get_by_role("alert")).to_contain_text("This listing is no longer available.")
        page.get_by_role("link", name="Back to the start page").click()
        expect(cards(page).first).to_be_visible()


def test_suggestions_work_by_keyboard(visit: Callable[..., Page]) -> None:
    """The answer is made here, so that the test needs no particular suggestions."""
    page = visit()
    suggestions = [
        {"kind": "query", "text": "oak table"},
        {"kind": "category", "text": "Home & Garden", "category": "Home & Garden"},
    ]
    page.route("**/api/suggest?*", lambda route: route.fulfill(json={"suggestions": suggestions}))
    box, options = page.locator("#q"), page.locator("#suggestions [role=option]")
    box.press_sequentially("oa")
    expect(options).to_have_count(2)
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "suggestion-0")
    box.press("Escape")
    expect(options).to_have_count(0)
    expect(box).to_have_value("oa")
    box.press("k")
    expect(options).to_have_count(2)
    box.press("ArrowUp")
    box.press("Enter")
    expect(page.get_by_role("heading", name="Home & Garden", exact=True)).to_be_visible()
    expect(box).to_have_value("")
    search(page, "laptop")
    page.keyboard.press("Escape")
