"""The page in a real browser: keyboard, phones, names and contrast."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_client import (
    CHROMIUM,
    DESKTOP,
    PATIENCE,
    PHONE,
    cards,
    open_first,
    search,
    wait_for_scripts,
)
from playwright.sync_api import (
    Browser,
    Page,
    ViewportSize,
    expect,
)

pytestmark = [
    pytest.mark.xdist_group("page"),  # share one browser and one service
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} not found: install chromium"),
]


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def test_page_works_by_keyboard(visit: Callable[..., Page]) -> None:
    page = visit()
    wait_for_scripts(page)
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("laptop")
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()
    # The arrow keys reach the suggestions first, and the results once Escape has closed those.
    suggestions = page.get_by_role("listbox", name="Suggestions")
    expect(suggestions).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(suggestions.get_by_role("option", selected=True)).to_have_count(1)
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("Escape")
    expect(suggestions).to_be_hidden()
    expect(page.locator("#q")).to_have_value("laptop")
    page.keyboard.press("ArrowDown")
    expect(cards(page).nth(0)).to_be_focused()
    outline = "getComputedStyle(document.activeElement, '::after').outlineStyle"
    assert page.evaluate(outline) == "solid", "the focus is visible"
    page.keyboard.press("ArrowRight")
    expect(cards(page).nth(1)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/listing/"))
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused(page) == "Save":
            break
    with page.expect_response("**/api/events"):
        page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Saved")).to_be_focused()
    page.go_back()
    wait_for_scripts(page)
    cards(page).nth(0).focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#q")).to_have_value("")
    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#for-you-cards a.open").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(cards(page).nth(0)).to_be_focused()


def test_page_fits_a_phone(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop", viewport=PHONE, has_touch=True, is_mobile=True)

    def fits() -> bool:
        return bool(
            page.evaluate(
                "document.documentElement.scrollWidth <= innerWidth && innerWidth === 390"
            )
        )

    wait_for_scripts(page)
    assert fits()
    expect(page.get_by_label("Highest price")).to_be_hidden()
    page.get_by_role("button", name="Filters").tap()
    expect(page.locator("#category-list a").first).to_be_visible()
    assert fits()
    page.get_by_label("Highest price").fill("1000")
    expect(page.get_by_role("button", name="Filters · 1")).to_be_visible()
    page.get_by_role("button", name="Show results").tap()
    cards(page).first.tap()
    expect(page.locator("#similar-cards a.open").first).to_be_visible()
    assert fits()
    page.get_by_role("link", name="Market").tap()
    expect(page.locator("#for-you-cards a.open").first).to_be_visible()
    assert fits()


def test_every_control_has_a_name(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    open_first(page)
    tree = json.dumps(page.context.new_cdp_session(page).send("Accessibility.getFullAXTree"))
    nodes = json.loads(tree)["nodes"]
    nameless = [
        node
        for node in nodes
        if not node["ignored"]
        and node["role"]["value"] in {"button", "link", "textbox", "searchbox", "combobox", "image"}
        and not node.get("name", {}).get("value")
    ]
    assert not nameless
    expect(page.locator("img:not([alt])")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_meet_wcag_2_2_aa(visit: Callable[..., Page], scheme: str) -> None:
    """Axe finds no violation on the start page, in results, without results, and on a listing."""
    page = visit("?q=laptop&price_max=1000", color_scheme=scheme)
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    if scheme == "dark":
        rules = ["color-contrast"]  # no other rule concerns colours
    axe, options = Axe(), {"runOnly": rules, "resultTypes": ["violations"]}

    def violations() -> list[str]:
        found = axe.run(page, options=options).response["violations"]
        return [f"{rule['id']}: {rule['nodes'][0]['html']}" for rule in found]

    wait_for_scripts(page)
    page.locator("#cards .why summary").first.click()
    assert not violations()
    page.keyboard.press("Escape")
    open_first(page)
    expect(page.locator("#similar-cards a.open").first).to_be_visible()
    assert not violations()
    page.get_by_role("link", name="Market").click()
    expect(page.locator("#for-you-cards a.open").first).to_be_visible()
    assert not violations()
    search(page, "zzzzqqq")
    expect(page.locator("#nothing")).to_be_visible()
    assert not violations()


SHIFTS = """
    window.shifts = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (!entry.hadRecentInput) window.shifts += entry.value;
        }
    }).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_moves_while_a_page_loads(
    browser: Browser, site: str, viewport: ViewportSize
) -> None:
    """The sum of layout shifts stays below 0.02; browsers call 0.1 good."""
    context = browser.new_context(viewport=viewport)
    context.add_init_script(SHIFTS)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    for address in ("", "?q=laptop", "?q=table&price_max=100"):
        page.goto(site + address)
        wait_for_scripts(page)
        page.wait_for_timeout(300)
        assert page.evaluate("window.shifts") < 0.02, address
    open_first(page)
    page.wait_for_timeout(300)
    assert page.evaluate("window.shifts") < 0.02, "listing"
    context.close()
