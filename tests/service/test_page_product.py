"""The page in a real browser: the product dialog."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from page_client import (
    CHROMIUM,
    cards,
    open_first,
)
from playwright.sync_api import (
    Page,
    expect,
)

from market.search.engine import Engine

pytestmark = [
    pytest.mark.xdist_group("page"),  # share one browser and one service
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} not found: install chromium"),
]


def test_click_opens_a_product_and_back_closes_it(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    name = open_first(page)
    dialog = page.get_by_role("dialog", name=name)
    expect(dialog.locator(".description")).not_to_be_empty()
    expect(dialog.get_by_text("Estimated price: about")).to_be_visible()
    expect(dialog.get_by_alt_text(f"Photo of {name}")).to_be_visible()
    expect(page).to_have_title(f"{name} · Market")
    own = page.url
    assert "product=" in own and "q=laptop" in own

    similar = dialog.locator("#similar a.open").first
    other = similar.inner_text()
    similar.click()
    expect(page.locator("#product-name")).to_have_text(other)
    page.go_back()
    expect(page.locator("#product-name")).to_have_text(name)
    page.go_back()
    expect(dialog).to_be_hidden()
    assert page.url.endswith("?q=laptop")
    page.go_forward()
    expect(page.locator("#product-name")).to_have_text(name)
    assert page.url == own


def test_product_url_opens_it(visit: Callable[..., Page], engine: Engine) -> None:
    product = engine.search("laptop").hits[0].product_id
    page = visit(f"?product={product}")
    expect(page.locator("#product-name")).to_have_text(engine.listing(product)["name"])
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert "product" not in page.url
    expect(cards(page).first).to_be_visible()


def test_close_leaves_all_opened_products(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    name = open_first(page)
    page.locator("#similar a.open").first.click()
    expect(page.locator("#product-name")).not_to_have_text(re.compile(f"^{name}$|Loading"))
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.url.endswith("?q=laptop")


def test_all_photos_are_shown(visit: Callable[..., Page], engine: Engine) -> None:
    product = next(
        hit.product_id
        for hit in engine.search(limit=100).hits
        if len(engine.listing(hit.product_id)["photos"]) > 1
    )
    page = visit(f"?product={product}")
    first, second = engine.listing(product)["photos"][:2]
    shown = page.locator(".shown img")
    assert f"/{first}?" in (shown.get_attribute("src") or "")
    page.get_by_role("button", name="Photo 2 of").click()
    assert f"/{second}?" in (shown.get_attribute("src") or "")


def test_category_link_shows_its_listings(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    open_first(page)
    link = page.locator(".path a").first
    name = link.inner_text()
    link.click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_unknown_product_shows_a_message(visit: Callable[..., Page]) -> None:
    page = visit("?product=gone", failing=True)
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(
        "This listing is no longer available."
    )
