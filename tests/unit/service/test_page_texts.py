"""Texts of rendered pages: money, distances, dates, highlights and filters."""

from __future__ import annotations

import pytest

from market.core.formats import Formats
from market.service.active_filters import chips, link
from market.service.page import given_parameters
from market.service.page_texts import PageTexts, listing_url, marked, search_url
from market.service.schemas import AttributeDescription, MarketplaceSettings

BRITISH, GERMAN = PageTexts(Formats()), PageTexts(Formats("EUR", "de", "DE"))
WIDTH = AttributeDescription(name="width", label="Width", type="number", unit="cm")
SETTINGS = MarketplaceSettings(
    currency="GBP",
    currency_symbol="£",
    language="en",
    country="GB",
    language_tag="en-GB",
    distance_unit="mi",
    fields=["price", "place"],
    attributes=[WIDTH],
)


@pytest.mark.parametrize(
    ("amount", "british"),
    [(None, "No price"), (0, "Free"), (12.5, "£12.50"), (40, "£40"), (1234.56, "£1,235")],
)
def test_prices_are_written_as_a_user_expects(amount: float | None, british: str) -> None:
    assert BRITISH.money(amount) == british


def test_texts_follow_the_country() -> None:
    assert GERMAN.money(12.5) == "12,50\N{NO-BREAK SPACE}€"
    assert (BRITISH.distance(16.1), GERMAN.distance(16.1)) == ("10 mi", "16 km")
    assert BRITISH.distance(0.5) == "under 1 mi"
    assert GERMAN.day("2024-03-05") == "5. März 2024"
    assert (BRITISH.place("Leeds, West Yorkshire"), GERMAN.place("Bonn, NRW")) == (
        "Leeds",
        "Bonn, NRW",
    )
    assert BRITISH.attribute(WIDTH, 2015.0) == "2015\N{NO-BREAK SPACE}cm"
    assert BRITISH.rough_money(486.38) == "£490"


def test_highlights_split_a_text() -> None:
    assert marked("<b> oak", [[4, 7]]) == [("<b> ", False), ("oak", True)]
    assert marked("oak", []) == [("oak", False)]


def test_addresses_escape_ids_and_leave_out_absent_parameters() -> None:
    assert listing_url("a/b ?") == "listing/a%2Fb%20%3F"
    assert search_url(near="Leeds & York", q=None) == "?near=Leeds+%26+York"


def test_a_plain_form_sends_empty_fields_which_are_left_out() -> None:
    sent = [
        ("q", " oak "),
        ("price_min", ""),
        ("radius_km", "25"),
        ("attr.a", "x"),
        ("attr.a", "y"),
    ]
    assert given_parameters(sent) == {"q": ["oak"], "attr.a": ["x", "y"]}
    assert "radius_km" in given_parameters([("near", "Leeds"), ("radius_km", "25")])


def test_each_chip_leads_to_the_search_without_its_filter() -> None:
    given = {
        "q": ["oak"],
        "price_max": ["50"],
        "near": ["Leeds"],
        "radius_km": ["16.1"],
        "attr.width": ["40", "60"],
    }
    shown = dict(chips(given, BRITISH, SETTINGS))
    assert list(shown) == [
        "up to £50", "within 10 mi of Leeds", "Width: 40\N{NO-BREAK SPACE}cm",
        "Width: 60\N{NO-BREAK SPACE}cm",
    ]  # fmt: skip
    assert shown["up to £50"] == link(given, price_max=None)
    assert "radius_km" not in shown["within 10 mi of Leeds"]
    assert "attr.width=60" in shown["Width: 40\N{NO-BREAK SPACE}cm"]
    assert "attr.width=40" not in shown["Width: 40\N{NO-BREAK SPACE}cm"]


def test_a_filter_that_is_no_number_gives_no_error() -> None:
    assert chips({"price_min": ["x"], "attr.width": ["x"]}, BRITISH, SETTINGS)[0][0] == "Width: x"
