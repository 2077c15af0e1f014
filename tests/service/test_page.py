"""The page, in a real browser without a window: what a person sees, clicks and types."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from listening import listening
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Route,
    expect,
    sync_playwright,
)

from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.service.app import PHOTOS, make_app
from market.service.events import EventStore
from market.service.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    # One browser and one service for all of them.
    pytest.mark.xdist_group("page"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's chromium"),
]
PATIENCE = 20_000  # ms: other tests may keep the machine busy
TELEPHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EventStore:
    return EventStore(f"sqlite:///{tmp_path_factory.mktemp('page')}/events.sqlite")


@contextlib.contextmanager
def running(ran: Path, engine: Engine, store: EventStore, settings: Settings) -> Iterator[str]:
    """The URL of a service, which runs in a thread."""
    expect.set_options(timeout=PATIENCE)
    engine.search("warm up", limit=1)  # as the service does
    with contextlib.chdir(ran):
        app = make_app(engine, PhotoStore(PHOTOS), store, settings)
    with listening(app) as site:
        yield site


@pytest.fixture(scope="module")
def site(ran: Path, engine: Engine, store: EventStore) -> Iterator[str]:
    with running(ran, engine, store, Settings()) as site:
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
    """Return visit("?q=lamp", viewport=TELEPHONE): the page, for a person not seen before.

    At the end nothing may have been written to its console, but for requests that fail where a
    test is about these (`failing=True`).
    """
    said: list[str] = []
    contexts = []

    def open_page(address: str = "", failing: bool = False, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce"} | options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()

        def hear(message: ConsoleMessage) -> None:
            expected = ("Failed to load resource", "This document requires 'TrustedHTML'")
            if not (failing and message.text.startswith(expected)):
                said.append(message.text)

        page.on("console", hear)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(site + address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not said


def cards(page: Page) -> Locator:
    return page.locator("#cards a.open")


def names(page: Page) -> list[str]:
    return page.locator("#cards a.open").all_inner_texts()


def search(page: Page, words: str) -> None:
    """Type, and wait for the answer."""
    with page.expect_response(lambda answer: "/api/search" in answer.url):
        page.get_by_role("searchbox", name="Search").fill(words)
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")


def open_first(page: Page) -> str:
    """Open the first result; return its name."""
    first = cards(page).first
    name = first.inner_text()
    with page.expect_response("**/api/events"):
        first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("#product-name")).to_have_text(name)
    return name


def for_you(page: Page) -> list[str]:
    return page.locator("#for-you-cards a.open").evaluate_all(
        "links => links.map(link => link.dataset.product)"
    )


# --- Search ---------------------------------------------------------------------------------------
def test_results_come_as_one_types(visit: Callable[..., Page]) -> None:
    page = visit()
    expect(page.get_by_role("heading", name="All listings")).to_be_visible()
    expect(cards(page).first).to_be_visible()
    page.get_by_role("searchbox").press_sequentially("laptop", delay=20)
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()
    expect(cards(page).first).to_contain_text("laptop", ignore_case=True)
    expect(page).to_have_url(re.compile(r"\?q=laptop$"))
    expect(page.get_by_role("status")).to_contain_text("Results for “laptop”")

    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("laptop")
    expect(cards(page).first).to_contain_text("laptop", ignore_case=True)


def test_a_slow_answer_to_an_old_question_is_dropped(visit: Callable[..., Page]) -> None:
    page = visit()
    held: list[Route] = []
    page.route("**/api/search?q=lamp*", lambda route: held.append(route))
    page.get_by_role("searchbox").fill("lamp")
    expect(page).to_have_url(re.compile("lamp"))
    search(page, "laptop")
    before = names(page)
    for route in held:
        route.continue_()
    page.wait_for_timeout(200)
    assert held and names(page) == before


def test_mended_spelling_is_said(visit: Callable[..., Page]) -> None:
    page = visit()
    search(page, "labtop")
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()
    expect(page.locator("#results-note")).to_contain_text("you typed “labtop”")


def test_every_result_says_why(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    reasons = page.locator("#cards .why").first
    reasons.locator("summary").click()
    expect(reasons.locator("li").first).to_be_visible()
    expect(reasons.locator("li").first).to_contain_text("%")


def test_more_are_added_below(visit: Callable[..., Page]) -> None:
    page = visit()
    expect(cards(page).first).to_be_visible()
    before = cards(page).count()
    page.get_by_role("button", name="Show more").click()
    expect(cards(page)).not_to_have_count(before)
    shown = cards(page).evaluate_all("links => links.map(link => link.dataset.product)")
    assert len({*shown, *for_you(page)}) == len(shown) + 12, "nothing twice, nor what is above"


def test_show_more_leads_to_the_last_listing_and_the_number_is_true(
    visit: Callable[..., Page], engine: Engine
) -> None:
    page = visit("?q=table")
    total = engine.search("table").total
    assert total > 24
    expect(page.locator("#results-note")).to_have_text(f"{total} listings")
    more = page.get_by_role("button", name="Show more")
    while more.is_visible():
        with page.expect_response("**/api/search?*"):
            more.click()
        expect(page.get_by_role("status")).to_contain_text("more")
        expect(page.locator("#more")).to_be_enabled()
    assert len(set(products(page))) == cards(page).count() == total


# --- Back, and a reload ---------------------------------------------------------------------------
def products(page: Page) -> list[str]:
    return cards(page).evaluate_all("links => links.map(link => link.dataset.product)")


def until(page: Page, true: str) -> None:
    """Wait for an expression; wait_for_function needs eval, which the page's policy forbids."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(true):
            return
        page.wait_for_timeout(50)
    raise AssertionError(true)


@pytest.mark.parametrize("enter", [False, True], ids=["as one types", "with Enter"])
def test_back_leads_through_the_searches(visit: Callable[..., Page], enter: bool) -> None:
    page = visit()
    expect(cards(page).first).to_be_visible()
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
        expect(page.get_by_role("searchbox")).to_have_value(words)
        assert page.url.endswith(f"?q={words}") and products(page) == shown[words]
    page.go_back()
    expect(page.get_by_role("heading", name="All listings")).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("heading", name="Results for “lamp”")).to_be_visible()


def test_the_letters_of_one_word_are_one_search(visit: Callable[..., Page]) -> None:
    page = visit("?q=lamp")
    expect(cards(page).first).to_be_visible()
    entries = page.evaluate("history.length")
    box = page.get_by_role("searchbox")
    box.fill("")
    for letters in ("ta", "tab", "tabl", "table"):
        with page.expect_response("**/api/search?*"):
            box.fill(letters)
    expect(page.get_by_role("heading", name="Results for “table”")).to_be_visible()
    assert page.evaluate("history.length") <= entries + 2  # one more if the machine was slow
    page.go_back()
    expect(page.get_by_role("searchbox")).not_to_have_value("table")


def test_what_was_looked_at_for_a_while_is_a_search_of_its_own(visit: Callable[..., Page]) -> None:
    page = visit()
    search(page, "oak")
    page.wait_for_timeout(2000)
    search(page, "oak table")
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("oak")


def test_back_undoes_filters_and_photos_one_by_one(
    visit: Callable[..., Page], photo_file: Path
) -> None:
    page = visit("?q=table")
    expect(cards(page).first).to_be_visible()
    page.get_by_label("Category").select_option(index=1)
    expect(page).to_have_url(re.compile("category="))
    page.get_by_label("Include odd prices").check()
    expect(page).to_have_url(re.compile("flagged=true"))
    with page.expect_response("**/api/search/photo"):
        page.locator("#file").set_input_files(photo_file)
    expect(page.get_by_role("heading", name="Like your photo, and “table”")).to_be_visible()
    with page.expect_response("**/api/search/photo"):
        page.get_by_label("Include odd prices").uncheck()
    with page.expect_response("**/api/search/photo"):
        page.go_back()
    expect(page.get_by_label("Include odd prices")).to_be_checked()
    expect(page.get_by_alt_text("Your photo")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Results for “table”")).to_be_visible()
    expect(page.get_by_alt_text("Your photo")).to_be_hidden()
    expect(page.get_by_label("Include odd prices")).to_be_checked()
    page.go_back()
    expect(page.get_by_label("Include odd prices")).not_to_be_checked()
    page.go_back()
    expect(page.get_by_label("Category")).to_have_value("")
    assert page.url.endswith("?q=table")


def test_a_reload_shows_as_much_as_before_at_the_same_place(visit: Callable[..., Page]) -> None:
    page = visit("?flagged=true")
    expect(cards(page).first).to_be_visible()
    page.get_by_role("button", name="Show more").click()
    expect(cards(page)).not_to_have_count(24)
    expect(page.get_by_role("status")).to_contain_text("more")
    before = products(page)
    page.evaluate("scrollTo(0, 1234)")
    until(page, "history.state.scroll === 1234")
    page.reload()
    expect(cards(page)).to_have_count(len(before))
    assert products(page) == before
    until(page, "scrollY === 1234")

    # The same behind a product, and after another search.
    with page.expect_response("**/api/events"):
        cards(page).nth(30).click()
    page.reload()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(cards(page)).to_have_count(len(before))
    place = page.evaluate("scrollY")
    search(page, "laptop")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    expect(cards(page)).to_have_count(len(before))
    until(page, f"Math.abs(scrollY - {place}) < 100")  # to type in the box may scroll a little


def test_a_reload_brings_back_a_bounded_number(visit: Callable[..., Page]) -> None:
    page = visit("?q=table")
    expect(cards(page).first).to_be_visible()
    page.evaluate("history.replaceState({ shown: 1e9 }, '')")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(cards(page).nth(30)).to_be_visible()
    limits = [int(re.findall(r"limit=(\d+)", url)[0]) for url in asked if "/api/search?" in url]
    assert limits and max(limits) <= 100 and sum(limits) <= 480


# --- Filters --------------------------------------------------------------------------------------
def test_filters(visit: Callable[..., Page]) -> None:
    page = visit()
    page.get_by_label("Price from, in pounds").fill("20")
    page.get_by_label("Price to, in pounds").fill("60")
    expect(page).to_have_url(re.compile("price_max=60"))
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    prices = page.locator("#cards .price").all_inner_texts()
    assert prices and all(20 <= float(text.strip("£")) <= 60 for text in prices)

    page.get_by_label("Price to, in pounds").fill("10")
    expect(page.get_by_role("alert")).to_have_text("The lowest price is above the highest.")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("alert")).to_have_count(0)

    category = page.get_by_label("Category")
    category.select_option(index=1)
    chosen = category.input_value()
    expect(page.get_by_role("heading", name=chosen.split(" / ")[-1]).first).to_be_visible()


def test_near_a_town(visit: Callable[..., Page]) -> None:
    page = visit()
    expect(page.get_by_label("Within")).to_be_disabled()
    town = page.locator("#places option").first.get_attribute("value")
    page.get_by_label("Near").fill(town or "")
    expect(page.locator("#cards .where").first).to_contain_text("km")
    expect(page.get_by_label("Within")).to_be_enabled()
    page.get_by_label("Near").fill("Atlantis")
    page.get_by_label("Near").press("Enter")
    expect(page.get_by_text("No place called “Atlantis” is known.")).to_be_visible()


def test_nothing_found_says_so_and_offers_a_way_out(visit: Callable[..., Page]) -> None:
    page = visit("?price_min=999999")
    expect(page.get_by_text("Nothing passes these filters.")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(cards(page).first).to_be_visible()


# --- A photo --------------------------------------------------------------------------------------
@pytest.fixture
def photo_file(ran: Path, tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(PhotoStore(ran / PHOTOS)[0])
    return path


def test_a_photo_chosen(visit: Callable[..., Page], photo_file: Path) -> None:
    page = visit()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Search by photo").click()
    with page.expect_response("**/api/search/photo") as answer:
        chooser.value.set_files(photo_file)
    assert answer.value.ok
    expect(page.get_by_role("heading", name="Like your photo")).to_be_visible()
    expect(page.get_by_alt_text("Your photo")).to_be_visible()
    with page.expect_response("**/api/search/photo"):
        page.get_by_role("searchbox").fill("laptop")
    expect(page.get_by_role("heading", name="Like your photo, and “laptop”")).to_be_visible()
    page.get_by_role("button", name="Remove the photo").click()
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_dropped_or_pasted(visit: Callable[..., Page], photo_file: Path, way: str) -> None:
    page = visit()
    expect(cards(page).first).to_be_visible()
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
    expect(page.get_by_role("heading", name="Like your photo")).to_be_visible()


def test_a_file_that_is_no_photo_is_said(visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit(failing=True)
    expect(cards(page).first).to_be_visible()
    (tmp_path / "photo.jpg").write_bytes(b"<html>")
    page.locator("#file").set_input_files(tmp_path / "photo.jpg")
    expect(page.get_by_role("alert")).to_contain_text("Photo: not one of JPEG")


# --- A product ------------------------------------------------------------------------------------
def test_a_click_opens_the_product_and_back_closes_it(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    name = open_first(page)
    dialog = page.get_by_role("dialog", name=name)
    expect(dialog.locator(".description")).not_to_be_empty()
    expect(dialog.get_by_text("We would expect about")).to_be_visible()
    expect(dialog.get_by_alt_text(f"Photo of {name}")).to_be_visible()
    expect(page).to_have_title(f"{name} · Find")
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


def test_a_products_own_address_opens_it(visit: Callable[..., Page], engine: Engine) -> None:
    product = engine.search("laptop").hits[0].product_id
    page = visit(f"?product={product}")
    expect(page.locator("#product-name")).to_have_text(engine.listing(product)["name"])
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert "product" not in page.url
    expect(cards(page).first).to_be_visible()


def test_closing_leaves_several_products_at_once(visit: Callable[..., Page]) -> None:
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


def test_a_category_on_the_product_leads_to_its_listings(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    open_first(page)
    link = page.locator(".path a").first
    name = link.inner_text()
    link.click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_a_product_that_is_gone_is_said(visit: Callable[..., Page]) -> None:
    page = visit("?product=gone", failing=True)
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("there is no product")


EVIL = '<img src=x onerror="window.ran=1"><script>window.ran=2</script>&amp;<b>'


def nothing_ran(page: Page) -> None:
    assert page.evaluate("window.ran") is None
    # In one step: between two counts the page may show what it has been waiting for.
    written = "main b, dialog b, [onerror], body script"
    own = ".expected b, .why summary > b, #nothing > p > b"
    count = "selector => document.querySelectorAll(selector).length"
    assert page.evaluate(count, f":is({written}):not({own})") == 0, "text became elements"


def test_text_of_listings_is_never_html(visit: Callable[..., Page], engine: Engine) -> None:
    """What strangers write is shown as they wrote it, and does nothing."""
    product = engine.search("laptop").hits[0].product_id

    def poison(listing: dict[str, Any]) -> dict[str, Any]:
        written: dict[str, Any] = {
            "name": EVIL,
            "location": EVIL,
            "category": [EVIL, EVIL],
            "price_flag": EVIL,
        }
        if "description" in listing:
            written["description"] = EVIL
        if "why" in listing:
            reason = {"signal": EVIL, "words": EVIL, "contribution": 1.0}
            written["why"] = [reason, reason]
        return listing | written

    def poisoned(route: Route) -> None:
        answer: Any = route.fetch().json()
        if "hits" in answer:
            answer["hits"] = [poison(hit) for hit in answer["hits"]]
            answer["understood"] = EVIL
        elif isinstance(answer, dict):
            answer = poison(answer)
        elif "categories" in route.request.url:
            answer = [{"path": f"{EVIL} / {EVIL}", "count": 1}]
        else:
            answer = [EVIL]
        route.fulfill(json=answer)

    page = visit()
    page.route(re.compile("/api/(?!photos|events)"), poisoned)
    page.goto(f"{page.url.split('?')[0]}?q={quote(EVIL)}&product={product}")
    expect(page.locator("#product-name")).to_have_text(EVIL)
    expect(page.locator(".description")).to_have_text(EVIL)
    assert page.title() == f"{EVIL} · Find"
    expect(page.locator("#similar-cards a.open").first).to_have_text(EVIL)
    nothing_ran(page)
    page.get_by_role("button", name="Close").click()
    expect(cards(page).first).to_have_text(EVIL)
    expect(page.locator("#cards .why summary").first).to_contain_text(EVIL)
    expect(page.locator("#results-title")).to_contain_text(EVIL)
    expect(page.locator("#category option").nth(1)).to_contain_text("<script>")
    nothing_ran(page)


def test_what_the_service_repeats_is_never_html(visit: Callable[..., Page]) -> None:
    """A link may hold anything: words, a place, a category, a product's id."""
    page = visit(f"?near={quote(EVIL)}&category={quote(EVIL)}&q={quote(EVIL)}")
    expect(page.get_by_text("No place called")).to_contain_text(EVIL)
    nothing_ran(page)
    page = visit(f"?product={quote(EVIL)}", failing=True)
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(EVIL)
    nothing_ran(page)


def test_text_that_became_elements_would_be_noticed(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop")
    expect(cards(page).first).to_be_visible()
    nothing_ran(page)
    page.evaluate("document.querySelector('main').append(document.createElement('b'))")
    with pytest.raises(AssertionError, match="became elements"):
        nothing_ran(page)


def test_the_browser_itself_refuses_html(visit: Callable[..., Page]) -> None:
    """Trusted types: were the page ever changed to make HTML of text, it would fail instead."""
    page = visit(failing=True)
    fault = page.evaluate(
        "() => { try { document.querySelector('#nothing').innerHTML = '<b>x</b>'; return ''; }"
        " catch (fault) { return fault.name; } }"
    )
    assert fault == "TypeError"
    assert page.evaluate("document.querySelector('#nothing b')") is None


def test_words_that_say_nothing_are_said(visit: Callable[..., Page]) -> None:
    page = visit()
    search(page, "the 🔥")
    expect(page.locator("#results-note")).to_contain_text("“the 🔥” names nothing to look for")
    expect(cards(page).first).to_be_visible()


def test_a_service_with_a_key_asks_for_it(
    browser: Browser, ran: Path, engine: Engine, store: EventStore
) -> None:
    key = "0123456789abcdef-key"
    with running(ran, engine, store, Settings(api_key=key)) as site:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{site}?q=laptop")
        dialog = page.get_by_role("dialog", name="This service asks for a key.")
        expect(dialog).to_be_visible()
        expect(cards(page)).to_have_count(0)
        dialog.get_by_label("Key").fill("another key")
        dialog.get_by_role("button", name="Open").click()
        expect(dialog.get_by_role("alert")).to_have_text("That is not the key.")
        dialog.get_by_label("Key").fill(key)
        dialog.get_by_role("button", name="Open").click()
        expect(cards(page).first).to_be_visible()
        expect(dialog).to_be_hidden()
        image = page.locator("#cards img.picture").first
        expect(image).to_have_attribute("src", re.compile("^blob:"))
        expect(image).to_have_js_property("naturalWidth", 64)
        open_first(page)
        page.reload()
        expect(cards(page).first).to_be_attached()
        assert key not in page.url and page.evaluate("localStorage.getItem('key')") is None
        page.close()


# --- Recommendations ------------------------------------------------------------------------------
def test_a_click_changes_what_is_recommended(visit: Callable[..., Page], store: EventStore) -> None:
    page = visit()
    expect(page.get_by_role("heading", name="To start with")).to_be_visible()
    before = for_you(page)
    search(page, "laptop")
    open_first(page)
    with page.expect_response("**/api/events"):
        page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Saved")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    search(page, "")
    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    after = for_you(page)
    assert after and after != before
    user = page.evaluate("localStorage.user")
    assert store.history(user, 9)["event"].tolist() == ["view", "save"]

    page.reload()
    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    assert page.evaluate("localStorage.user") == user
    assert for_you(page) == after


def test_an_event_that_fails_is_said(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop", failing=True)
    open_first(page)
    page.route("**/api/events", lambda route: route.abort())
    page.get_by_role("button", name="Buy").click()
    expect(page.get_by_role("button", name="Buy: failed, try again")).to_be_visible()


def test_a_service_that_is_down_is_said_and_tried_again(visit: Callable[..., Page]) -> None:
    page = visit(failing=True)
    expect(cards(page).first).to_be_visible()
    page.route("**/api/search?*", lambda route: route.abort())
    page.get_by_role("searchbox").fill("laptop")
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached")
    page.unroute("**/api/search?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


# --- Without a mouse, and on a telephone ----------------------------------------------------------
def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def test_all_by_keyboard(visit: Callable[..., Page]) -> None:
    page = visit()
    expect(cards(page).first).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("laptop")
    expect(page.get_by_role("heading", name="Results for “laptop”")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(cards(page).nth(0)).to_be_focused()
    outline = "getComputedStyle(document.activeElement, '::after').outlineStyle"
    assert page.evaluate(outline) == "solid", "one sees where one is"
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


def test_nothing_is_wider_than_a_telephone(visit: Callable[..., Page]) -> None:
    page = visit("?q=laptop", viewport=TELEPHONE, has_touch=True, is_mobile=True)

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
    page.get_by_label("Price to, in pounds").fill("1000")
    expect(page.get_by_role("button", name="Filters · 1")).to_be_visible()
    cards(page).first.tap()
    expect(page.locator("#similar-cards a.open").first).to_be_visible()
    assert fits()
    page.get_by_role("button", name="Close").tap()
    page.get_by_role("link", name="Find").tap()
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
def test_text_stands_out_from_its_ground(visit: Callable[..., Page], scheme: str) -> None:
    """WCAG AA: a contrast of 4.5 at least, of every pair of colours that text is set in."""
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
