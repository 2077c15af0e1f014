"""The page in a real browser: the Back button and reloads."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from page_client import (
    CHROMIUM,
    PATIENCE,
    cards,
    products,
    search,
    wait_for_scripts,
)
from playwright.sync_api import (
    Page,
    expect,
)

pytestmark = [
    pytest.mark.xdist_group("page"),  # share one browser and one service
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} not found: install chromium"),
]


def wait_until(page: Page, expression: str) -> None:
    """Wait for an expression. wait_for_function needs eval, which the page's policy forbids."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


@pytest.mark.parametrize("enter", [False, True], ids=["while typing", "with Enter"])
def test_back_button_returns_to_earlier_searches(visit: Callable[..., Page], enter: bool) -> None:
    page = visit()
    wait_for_scripts(page)
    shown = {}
    for words in ("lamp", "table", "laptop"):
        search(page, words)
        if enter:
            page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=f"Results for “{words}”")).to_be_visible()
        expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
        shown[words] = products(page)
    for words in ("table", "lamp"):
        page.go_back()
        expect(page.get_by_role("heading", name=f"Results for “{words}”")).to_be_visible()
        expect(page.locator("#q")).to_have_value(words)
        assert page.url.endswith(f"?q={words}") and products(page) == shown[words]
    page.go_back()
    expect(page.get_by_role("heading", name="All listings")).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("heading", name="Results for “lamp”")).to_be_visible()


def test_typing_one_word_is_one_history_entry(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    wait_for_scripts(page)
    entries = page.evaluate("history.length")
    box = page.locator("#q")
    box.fill("")
    for letters in ("ta", "tab", "tabl", "table"):
        with page.expect_response("**/api/search?*"):
            box.fill(letters)
    expect(page.get_by_role("heading", name="Results for “table”")).to_be_visible()
    assert page.evaluate("history.length") <= entries + 2  # one more on a slow machine
    page.go_back()
    expect(page.locator("#q")).not_to_have_value("table")


def test_typing_on_after_a_pause_is_a_new_history_entry(visit: Callable[..., Page]) -> None:
    page = visit()
    search(page, "oak")
    page.wait_for_timeout(2000)
    search(page, "oak table")
    page.go_back()
    expect(page.locator("#q")).to_have_value("oak")


def test_back_button_undoes_filters_and_photos(
    visit: Callable[..., Page], photo_file: Path
) -> None:
    page = visit("?q=table")
    wait_for_scripts(page)
    page.locator("#category-list a").first.click()
    expect(page).to_have_url(re.compile("category="))
    page.get_by_label("Include implausible prices").check()
    expect(page).to_have_url(re.compile("flagged=true"))
    with page.expect_response("**/api/search/photo"):
        page.locator("#file").set_input_files(photo_file)
    expect(page.get_by_role("heading", name="Similar to your photo and “table”")).to_be_visible()
    with page.expect_response("**/api/search/photo"):
        page.get_by_label("Include implausible prices").uncheck()
    with page.expect_response("**/api/search/photo"):
        page.go_back()
    expect(page.get_by_label("Include implausible prices")).to_be_checked()
    expect(page.get_by_alt_text("Your photo")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Results for “table”")).to_be_visible()
    expect(page.get_by_alt_text("Your photo")).to_be_hidden()
    expect(page.get_by_label("Include implausible prices")).to_be_checked()
    page.go_back()
    expect(page.get_by_label("Include implausible prices")).not_to_be_checked()
    page.go_back()
    expect(page.locator("#chips a")).to_have_count(0)
    assert page.url.endswith("?q=table")


def test_reload_restores_results_and_scroll_position(visit: Callable[..., Page]) -> None:
    page = visit("?flagged=true")
    wait_for_scripts(page)
    page.get_by_role("button", name="Show more").click()
    expect(cards(page)).not_to_have_count(24)
    expect(page.get_by_role("status")).to_contain_text("more")
    before = products(page)
    page.evaluate("scrollTo(0, 1234)")
    wait_until(page, "history.state.scroll === 1234")
    page.reload()
    expect(cards(page)).to_have_count(len(before))
    assert products(page) == before
    wait_until(page, "scrollY === 1234")

    # The same after a visit to a listing, and after another search.
    with page.expect_response("**/api/events"):
        cards(page).nth(8).click()
    expect(page.locator("#product-name")).to_be_visible()
    page.go_back()
    expect(cards(page)).to_have_count(len(before))
    wait_until(page, "scrollY > 0")
    place = page.evaluate("scrollY")
    search(page, "laptop")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    expect(cards(page)).to_have_count(len(before))
    wait_until(page, f"Math.abs(scrollY - {place}) < 100")  # typing may scroll a little


def test_reload_restores_a_limited_number_of_results(visit: Callable[..., Page]) -> None:
    page = visit("?flagged=true")
    wait_for_scripts(page)
    page.evaluate("history.replaceState({ shown: 1e9 }, '')")
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.reload()
    expect(cards(page).nth(30)).to_be_visible()
    limits = [int(re.findall(r"limit=(\d+)", url)[0]) for url in urls if "/api/search?" in url]
    assert limits and max(limits) <= 100 and sum(limits) <= 480
