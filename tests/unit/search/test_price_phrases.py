"""Price phrases in queries: by language and currency, and never where the words name a thing."""

from __future__ import annotations

import pytest
from handmade import ids

from market.core.formats import Formats
from market.search.engine import Engine
from market.search.filters import Filters
from market.search.price_phrases import PricePhrase, price_phrase_reader
from market.search.understanding import understand

SHOPS = {
    "en": Formats("GBP", "en", "GB"),
    "en-IE": Formats("EUR", "en", "IE"),
    "en-US": Formats("USD", "en", "US"),
    "de": Formats("EUR", "de", "DE"),
    "fr": Formats("EUR", "fr", "FR"),
    "es": Formats("EUR", "es", "ES"),
    "it": Formats("EUR", "it", "IT"),
    "nl": Formats("EUR", "nl", "NL"),
    "pl": Formats("PLN", "pl", "PL"),
    "sv": Formats("SEK", "sv", "SE"),
    "ru": Formats("RUB", "ru", "RU"),
    "ja": Formats("JPY", "ja", "JP"),
    "zh": Formats("CNY", "zh", "CN"),
    "ko": Formats("KRW", "ko", "KR"),
}
THINGS = {("iphone", "11"), ("size", "10"), ("monitor", "24"), ("bis", "12")}


def contains(words: list[str]) -> bool:
    return tuple(word.casefold() for word in words) in THINGS


@pytest.mark.parametrize(
    ("shop", "query", "rest", "low", "high"),
    [
        ("en", "sofa under £100", "sofa", None, 100),
        ("en", "Sofa for less than £1,000", "Sofa", None, 1000),
        ("en", "lamp below 20", "lamp", None, 20),
        ("en", "laptop 200-300", "laptop", 200, 300),
        ("en", "over £50 under £100 lamp", "lamp", 50, 100),
        ("en", "£50 or less lamp", "lamp", None, 50),
        ("en", "under £100", "", None, 100),
        ("en", "bike from £50", "bike", 50, None),
        ("en", "ｓｏｆａ under ￡１００", "ｓｏｆａ", None, 100),
        ("en-IE", "bike between 50 and 100 euros", "bike", 50, 100),
        ("en-US", "sofa under $1.5k", "sofa", None, 1500),
        ("de", "Sofa unter 100 €", "Sofa", None, 100),
        ("de", "sofa bis 1.500 Euro", "sofa", None, 1500),
        ("de", "Rad zwischen 50 und 100 Euro", "Rad", 50, 100),
        ("de", "Rad von 50 bis 100€", "Rad", 50, 100),
        ("de", "regal ab 20 €", "regal", 20, None),
        ("de", "sofa under 100 €", "sofa", None, 100),
        ("fr", "canapé à moins de 100 €", "canapé", None, 100),
        ("fr", "vélo entre 50 et 100 euros", "vélo", 50, 100),
        ("es", "mesa por menos de 100 euros", "mesa", None, 100),
        ("it", "tavolo sotto i 100 euro", "tavolo", None, 100),
        ("nl", "bank onder de 100 euro", "bank", None, 100),
        ("pl", "kanapa do 500 zł", "kanapa", None, 500),
        ("sv", "soffa under 500 kr", "soffa", None, 500),
        ("ru", "диван от 1000 до 5000 рублей", "диван", 1000, 5000),
        ("ja", "5000円以下", "", None, 5000),
        ("ja", "1万円以下の椅子", "椅子", None, 10000),
        ("ja", "5000円から1万円の椅子", "椅子", 5000, 10000),
        ("zh", "500元以下的椅子", "椅子", None, 500),
        ("ko", "의자 50000원 이하", "의자", None, 50000),
    ],
)
def test_a_price_phrase_is_understood(
    shop: str, query: str, rest: str, low: float | None, high: float | None
) -> None:
    assert price_phrase_reader(SHOPS[shop]).read(query, contains) == PricePhrase(rest, low, high)


@pytest.mark.parametrize(
    "query",
    [
        "iphone 11 under glass",
        "iphone 11-13",
        "size 10 to 12",
        "monitor 24-27",
        "lego 4-7",
        "golf 2005-2010",
        "sofa under 100 cm",
        "sofa under $100",  # another currency
        "interest under 5%",
        "cheap laptop",
        "£5 note",
        "2-in-1 laptop",
        "bed 200 x 300",
        "a4 under a5",
        "between £100 and £50",
        "under-16 kit",
    ],
)
def test_words_that_name_a_thing_stay_words(query: str) -> None:
    assert price_phrase_reader(SHOPS["en"]).read(query, contains) is None


def test_a_bare_number_in_the_words_of_a_listing_is_no_price() -> None:
    reader = price_phrase_reader(SHOPS["de"])
    assert reader.read("spielzeug bis 12", contains) is None
    assert reader.read("spielzeug bis 13", contains) == PricePhrase("spielzeug", None, 13)


def test_a_price_in_words_filters_a_search(shop: Engine) -> None:
    result = shop.search("guitar under £30", limit=100)
    assert result.understood == {"price_max": 30.0} and result.corrected_query is None
    expected = shop.search("guitar", filters=Filters(price_max=30), limit=100)
    assert ids(result) == ids(expected) and result.total == expected.total > 0
    assert not shop.search("guitar", limit=100).understood


def test_the_price_of_the_request_takes_precedence(shop: Engine) -> None:
    filters = Filters(price_min=50)
    understanding = understand(
        "guitar under £30", filters, shop.formats, shop.lexical, shop.catalogue
    )
    assert (understanding.words, understanding.understood) == ("guitar", {})
    assert understanding.filters == filters
