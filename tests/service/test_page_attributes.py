"""The page in a real browser: attributes of listings, and fields that no listing has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attributed import with_attributes, with_names_alone
from page_client import CHROMIUM, open_first, serve_page, wait_for_scripts
from playwright.sync_api import Page, expect

from market.search.attributes import Condition
from market.search.engine import Engine
from market.search.filters import Filters
from market.service.events import EventStore
from market.service.settings import Settings

pytestmark = [
    pytest.mark.xdist_group("page"),  # share one browser and one service
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} not found: install chromium"),
]


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, ran: Path, engine: Engine, page_store: EventStore
) -> Iterator[str]:
    """The service of the parameter's engine, which the fixture `visit` opens."""
    with serve_page(ran, request.param(engine), page_store, Settings()) as site:
        yield site


@pytest.mark.parametrize("site", [with_attributes], indirect=True)
def test_menus_filter_by_attributes(visit: Callable[..., Page], engine: Engine) -> None:
    conditions = {"brand": Condition(any_of=("Hay", "Sony")), "width": Condition(maximum=40)}
    total = with_attributes(engine).search(filters=Filters(attributes=conditions)).total
    page = visit()
    for brand in ("Hay", "Sony"):
        with page.expect_response("**/api/search?*"):
            page.get_by_role("checkbox", name=brand).check()
    expect(page.locator("#cards .card").first).to_contain_text("Brand: ")
    assert page.url.endswith("?attr.brand=Hay&attr.brand=Sony")
    with page.expect_response("**attr.width_max=40**"):
        page.get_by_label("Width (cm): to").fill("40")
    note = page.locator("#results-note")
    expect(note).to_have_text(f"{total} listings")
    page.reload()
    expect(note).to_have_text(f"{total} listings")
    expect(page.get_by_label("Width (cm): to")).to_have_value("40")
    page.get_by_role("link", name="Remove the filter: Brand: Hay").click()
    expect(page.get_by_role("checkbox", name="Hay")).not_to_be_checked()
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("summary", has_text="Brand ·")).to_have_count(0)


@pytest.mark.parametrize("site", [with_attributes], indirect=True)
def test_a_product_shows_its_attributes_and_seller(visit: Callable[..., Page]) -> None:
    page = visit("?attr.brand=Hay&attr.boxed=true")
    open_first(page)
    details = page.locator("dl.attributes")
    expect(details).to_contain_text("Hay")
    expect(details).to_contain_text("Yes")
    expect(details).to_contain_text("\u00a0cm")
    page.get_by_role("link", name="More from this seller").click()
    expect(page.get_by_role("heading", name="Listings of this seller")).to_be_visible()
    assert "seller_id=s" in page.url


@pytest.mark.parametrize("site", [with_names_alone], indirect=True)
def test_the_page_leaves_out_fields_that_no_listing_has(visit: Callable[..., Page]) -> None:
    page = visit()
    wait_for_scripts(page)
    for label in ("Lowest price", "Near", "Include implausible prices"):
        expect(page.get_by_label(label, exact=True)).to_be_hidden()
    expect(page.locator("#category-field")).to_be_hidden()
    expect(page.get_by_role("button", name="Search by photo")).to_be_hidden()
    assert page.locator("#cards .frame, #cards .price").count() == 0
    open_first(page)
    facts = page.locator(".facts").inner_text()
    assert not any(text in facts for text in ("No price", "Estimated", "No description"))
    expect(page.locator(".gallery")).to_have_count(0)
