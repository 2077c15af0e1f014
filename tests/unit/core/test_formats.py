"""Money and distances as people of the country write them."""

from __future__ import annotations

import pytest

from market.core.formats import Formats

BRITISH = ("GBP", "en", "GB")


@pytest.mark.parametrize(
    ("codes", "amount", "text"),
    [
        (BRITISH, 1250, "£1,250"),
        (BRITISH, 12.5, "£12.50"),
        (("USD", "en", "US"), 1234567, "$1,234,567"),
        (("EUR", "de", "DE"), 1250, "1.250\xa0€"),
        (("EUR", "de", "DE"), 12.5, "12,50\xa0€"),
        (("JPY", "ja", "JP"), 1250, "￥1,250"),
        (("BRL", "pt", "BR"), 99.9, "R$\xa099,90"),
        (("EUR", "xx", "ZZ"), 1250, "€1,250"),
    ],
)
def test_money_follows_currency_language_and_country(
    codes: tuple[str, str, str], amount: float, text: str
) -> None:
    assert Formats(*codes).money(amount) == text


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        (BRITISH, "62 miles"),
        (("USD", "en", "US"), "62 miles"),
        (("EUR", "de", "DE"), "100 km"),
        (("AUD", "en", "AU"), "100 km"),
    ],
)
def test_distances_are_in_miles_where_people_use_miles(
    codes: tuple[str, str, str], text: str
) -> None:
    assert Formats(*codes).distance(100) == text
    assert Formats(*BRITISH).distance(1.6) == "1 mile"
