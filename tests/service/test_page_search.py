"""The page in a real browser: search, filters, photos and recommendations."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from page_client import (
    CHROMIUM,
    cards,
    names,
    open_first,
    products,
    recommended,
    search,
    wait_for_scripts,
)
from playwright.sync_api import (
    Page,
    Route,
    expect,
)

from market.search.engine import Engine
from market.search.filters import Filters
from market.service.events import EventStore
from market.service.user_data import UserData

pytestmark = [
    pytest.mark.xdist_group("page"),  # share one browser and one service
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} not found: install chromium"),
]


def test_results_update_while_typing(visit: Callable[..., Page]) -> None:
    page = visit()
    expect(page.get_by_role("heading", name="All listings")).to_be_visible()
    wait_for_scripts(page)
    page.locator("#q").press_sequentially("laptop", delay=20)
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()
    expect(cards(page).first).to_contain_text("laptop", ignore_case=True)
    expect(page).to_have_url(re.compile(r"\?q=laptop$"))
    expect(page.get_by_role("status")).to_contain_text("Results for “laptop”")

    page.reload()
    expect(page.locator("#q")).to_have_value("laptop")
    expect(cards(page).first).to_contain_text("laptop", ignore_case=True)


def test_late_answer_to_an_old_search_is_ignored(visit: Callable[..., Page]) -> None:
    page = visit()
    wait_for_scripts(page)
    held: list[Route] = []
    page.route("**/api/search?q=lamp*", lambda route: held.append(route))
    page.locator("#q").fill("lamp")
    expect(page).to_have_url(re.compile("lamp"))
    search(page, "laptop")
    before = names(page)
    for route in held:
        route.continue_()
    page.wait_for_timeout(200)
    assert held and names(page) == before


def test_corrected_spelling_is_shown(visit: Callable[..., Page]) -> None:
    page = visit()
    search(page, "labtop")
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()
    expect(page.locator("#results-note")).to_contain_text("corrected from “labtop”")


def test_query_without_searchable_words_shows_a_note(visit: Callable[..., Page]) -> None:
    page = visit()
    search(page, "the 🔥")
    expect(page.locator("#results-note")).to_contain_text("“the 🔥” has no searchable words")
    expect(cards(page).first).to_be_visible()


def test_results_show_reasons(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    reasons = page.locator("#cards .why").first
    reasons.locator("summary").click()
    expect(reasons.locator("li").first).to_be_visible()
    expect(reasons.locator("li").first).to_contain_text("%")


def test_show_more_adds_results(visit: Callable[..., Page]) -> None:
    page = visit()
    wait_for_scripts(page)
    before = cards(page).count()
    page.get_by_role("button", name="Show more").click()
    expect(cards(page)).not_to_have_count(before)
    shown = cards(page).evaluate_all("links => links.map(link => link.dataset.product)")
    visible = page.locator("#cards .card:not([hidden])").count()
    assert visible % 4 == 0, "rows end evenly"
    assert len({*shown, *recommended(page)}) == len(shown) + 12, (
        "no duplicates, also of the recommendations"
    )


def test_show_more_reaches_the_last_result(visit: Callable[..., Page], engine: Engine) -> None:
    page = visit("?flagged=true")
    total = engine.search(filters=Filters(flagged=True)).total
    assert total > 24
    wait_for_scripts(page)
    expect(page.locator("#results-note")).to_have_text(f"{total} listings")
    more = page.get_by_role("button", name="Show more")
    while more.is_visible():
        with page.expect_response("**/api/search?*"):
            more.click()
        expect(page.get_by_role("status")).to_contain_text("more")
        expect(page.locator("#more")).to_be_enabled()
    assert len(set(products(page))) == cards(page).count() == total


# --- Filters --------------------------------------------------------------------------------------


def test_filters(visit: Callable[..., Page]) -> None:
    page = visit()
    wait_for_scripts(page)
    page.get_by_label("Lowest price").fill("20")
    page.get_by_label("Highest price").fill("60")
    expect(page).to_have_url(re.compile("price_max=60"))
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    prices = page.locator("#cards .price").all_inner_texts()
    assert prices and all(20 <= float(text.strip("£")) <= 60 for text in prices)

    page.get_by_label("Highest price").fill("10")
    expect(page.get_by_role("alert")).to_have_text("The lowest price is above the highest price.")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")  # new counts

    link = page.locator("#category-list a").first
    chosen, count = link.locator("span").all_inner_texts()
    link.click()
    expect(page.get_by_role("heading", name=chosen, exact=True)).to_be_visible()
    expect(page.locator("#results-note")).to_have_text(re.compile(f"^{count} listing"))
    page.get_by_role("link", name=f"Remove the filter: {chosen}").click()
    expect(page.get_by_role("heading", name="All listings")).to_be_visible()


def test_search_near_a_town(visit: Callable[..., Page]) -> None:
    page = visit()
    expect(page.locator("[name=radius_km]")).to_be_disabled()
    town = page.locator("#places option").first.get_attribute("value")
    page.locator("#near").fill(town or "")
    expect(page.locator("#cards .where").first).to_contain_text("mi")
    expect(page.locator("[name=radius_km]")).to_be_enabled()
    page.locator("#near").fill("Atlantis")
    page.locator("#near").press("Enter")
    expect(page.get_by_text("There is no place called “Atlantis”.")).to_be_visible()
    page.locator("#near").fill("Stornoway")
    page.locator("#near").press("Enter")
    expect(page.get_by_text("No listings are near “Stornoway”.")).to_be_visible()


def test_no_results_offers_to_clear_the_filters(visit: Callable[..., Page]) -> None:
    page = visit("?price_min=999999")
    expect(page.get_by_text("No listings match these filters.")).to_be_visible()
    page.locator("#nothing").get_by_role("button", name="Clear filters").click()
    expect(cards(page).first).to_be_visible()


# --- Photos ---------------------------------------------------------------------------------------


def test_photo_from_a_file(visit: Callable[..., Page], photo_file: Path) -> None:
    page = visit()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Search by photo").click()
    with page.expect_response("**/api/search/photo") as answer:
        chooser.value.set_files(photo_file)
    assert answer.value.ok
    expect(page.get_by_role("heading", name="Similar to your photo")).to_be_visible()
    expect(page.get_by_alt_text("Your photo")).to_be_visible()
    with page.expect_response("**/api/search/photo"):
        page.locator("#q").fill("laptop")
    expect(page.get_by_role("heading", name="Similar to your photo and “laptop”")).to_be_visible()
    page.get_by_role("button", name="Remove the photo").click()
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_photo_dropped_or_pasted(visit: Callable[..., Page], photo_file: Path, way: str) -> None:
    page = visit()
    wait_for_scripts(page)
    with page.expect_response("**/api/search/photo") as answer:
        page.evaluate(
            """([bytes, way]) => {
                const transfer = new DataTransfer();
                const type = { type: "image/jpeg" };
                transfer.items.add(new File([new Uint8Array(bytes)], "a.jpg", type));
                const event = way === "drop"
                    ? new DragEvent("drop", { dataTransfer: transfer, cancelable: true })
                    : new ClipboardEvent("paste", { clipboardData: transfer, cancelable: true });
                window.dispatchEvent(event);
            }""",
            [list(photo_file.read_bytes()), way],
        )
    assert answer.value.ok
    expect(page.get_by_role("heading", name="Similar to your photo")).to_be_visible()


def test_file_that_is_not_a_photo_shows_an_error(
    visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit(failing=True)
    wait_for_scripts(page)
    (tmp_path / "photo.jpg").write_bytes(b"<html>")
    page.locator("#file").set_input_files(tmp_path / "photo.jpg")
    expect(page.get_by_role("alert")).to_contain_text("Photo: not one of JPEG")


# --- Recommendations and errors -------------------------------------------------------------------


def test_events_change_the_recommendations(
    visit: Callable[..., Page], page_store: EventStore
) -> None:
    page = visit()
    expect(page.get_by_role("heading", name="Suggestions")).to_be_visible()
    wait_for_scripts(page)
    before = recommended(page)
    search(page, "laptop")
    open_first(page)
    with page.expect_response("**/api/events"):
        page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Saved")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="Back to the results").click()
    expect(page.locator("#q")).to_have_value("laptop")
    search(page, "")
    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    after = recommended(page)
    assert after and after != before
    user = page.evaluate("localStorage.user")
    assert page_store.history(user, 9)["event"].tolist() == ["view", "save"]

    page.reload()
    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    assert page.evaluate("localStorage.user") == user
    assert recommended(page) == after


def test_events_name_the_search_they_follow_and_its_suggestions(
    visit: Callable[..., Page], page_store: EventStore
) -> None:
    page = visit()
    wait_for_scripts(page)
    answer = {"search_id": "typed", "suggestions": [{"kind": "query", "text": "laptop"}]}
    page.route("**/api/suggest?*", lambda route: route.fulfill(json=answer))
    search(page, "lap")
    with page.expect_response(re.compile("suggest_id=typed")) as response:
        page.get_by_role("option", name="laptop").click()
    search_id = response.value.json()["search_id"]
    expect(cards(page).first).to_have_attribute("data-search", search_id)
    open_first(page)
    with page.expect_response("**/api/events"):
        page.get_by_role("button", name="Save", exact=True).click()
    user = page.evaluate("localStorage.user")
    with page.expect_response("**/api/similar/**"):
        page.reload()  # the view ends, and another begins
    similar = page.locator("#similar-cards a.open").first
    expect(similar).to_have_attribute("data-search", re.compile("-7"))
    similar_id = similar.get_attribute("data-search")
    with page.expect_response("**/api/events"):
        similar.click()
    events = UserData(page_store.database).events(user)
    assert events["event"].tolist() == ["view", "save", "view", "view"]
    assert events["search_id"].tolist() == [search_id] * 3 + [similar_id]
    assert events["dwell_seconds"].iloc[0] > 0


def test_failed_event_shows_an_error(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop", failing=True)
    open_first(page)
    page.route("**/api/events", lambda route: route.abort())
    page.get_by_role("button", name="Buy").click()
    expect(page.get_by_role("button", name="Buy failed: try again")).to_be_visible()


def test_unreachable_service_shows_an_error_with_a_retry(visit: Callable[..., Page]) -> None:
    page = visit(failing=True)
    wait_for_scripts(page)
    page.route("**/api/search?*", lambda route: route.abort())
    page.locator("#q").fill("laptop")
    expect(page.get_by_role("alert")).to_contain_text("Cannot reach the service")
    expect(cards(page)).to_have_count(0)
    expect(page.get_by_role("link", name="Back to the start page")).to_be_visible()
    page.unroute("**/api/search?*")
    page.keyboard.press("Tab")  # leaves the box, which closes the suggestions
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
