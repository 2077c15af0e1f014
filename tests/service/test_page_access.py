"""The page in a real browser: keyboard, phones, names and contrast."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from page_client import (
    CHROMIUM,
    PHONE,
    cards,
    open_first,
)
from playwright.sync_api import (
    Page,
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
    expect(cards(page).first).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("laptop")
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(cards(page).nth(0)).to_be_focused()
    outline = "getComputedStyle(document.activeElement, '::after').outlineStyle"
    assert page.evaluate(outline) == "solid", "the focus is visible"
    page.keyboard.press("ArrowRight")
    expect(cards(page).nth(1)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("#product-name")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        if focused(page) == "Save":
            break
    with page.expect_response("**/api/events"):
        page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Saved")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(cards(page).nth(0)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_have_value("")
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
                "[document.documentElement, document.querySelector('dialog')]"
                ".every(part => part.scrollWidth <= innerWidth) && innerWidth === 390"
            )
        )

    expect(cards(page).first).to_be_visible()
    assert fits()
    expect(page.get_by_label("Category")).to_be_hidden()
    page.get_by_role("button", name="Filters").tap()
    expect(page.get_by_label("Category")).to_be_visible()
    assert fits()
    page.get_by_label("Highest price").fill("1000")
    expect(page.get_by_role("button", name="Filters · 1")).to_be_visible()
    cards(page).first.tap()
    expect(page.locator("#similar-cards a.open").first).to_be_visible()
    assert fits()
    page.get_by_role("button", name="Close").tap()
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
def test_text_has_enough_contrast(visit: Callable[..., Page], scheme: str) -> None:
    """WCAG AA: a contrast of at least 4.5 for every pair of text and background colours."""
    page = visit(color_scheme=scheme)
    pairs = [
        *((ink, ground) for ink in ("ink", "quiet", "accent") for ground in ("ground", "surface")),
        ("quiet", "sunk"),
        ("on-accent", "accent"),
        ("accent", "tint"),
        ("warn", "warn-ground"),
        ("wrong", "ground"),
    ]
    ratios = page.evaluate(
        """pairs => {
            const style = getComputedStyle(document.documentElement);
            const light = name => {
                const probe = document.createElement("i");
                probe.style.color = style.getPropertyValue("--" + name);
                document.body.append(probe);
                const parts = getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3);
                probe.remove();
                const [r, g, b] = parts.map(part => part / 255).map(
                    part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
                return .2126 * r + .7152 * g + .0722 * b;
            };
            return pairs.map(([ink, ground]) => {
                const [dark, bright] = [light(ink), light(ground)].sort((a, b) => a - b);
                return (bright + .05) / (dark + .05);
            });
        }""",
        pairs,
    )
    poor = {pair: ratio for pair, ratio in zip(pairs, ratios, strict=True) if ratio < 4.5}
    assert not poor
